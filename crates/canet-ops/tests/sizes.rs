//! Kernel against reference on every map from 1x1 to 21x21, where tiles and panels end in all ways, and on
//! maps wider than the widest tile of any processor, which no small map fills.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use candle_core::{DType, Device, Tensor, Var};
use canet_ops::{ConvGeometry, conv2d, reference};

use common::{by_candle, by_kernel};

const LARGEST: usize = 21;

fn small_maps() -> impl Iterator<Item = (usize, usize)> {
    (1..=LARGEST).flat_map(|h| (1..=LARGEST).map(move |w| (h, w)))
}

/// About one and two rows of a tile, and more.
fn wide_maps() -> impl Iterator<Item = (usize, usize)> {
    let widths = (46..=50).chain(63..=66).chain(95..=98).chain([131, 200]);
    widths.flat_map(|w| [1, 5].map(|h| (h, w)))
}

fn values(shape: &[usize], salt: usize) -> Tensor {
    let n: usize = shape.iter().product();
    let value = |i: usize| ((i * 7919 + salt) % 1009) as f32 / 504.5 - 1.0;
    Tensor::from_vec((0..n).map(value).collect(), shape, &Device::Cpu).unwrap()
}

/// The largest difference between two tensors.
fn off(a: &Tensor, b: &Tensor) -> f32 {
    let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
    difference.max(0).unwrap().to_dtype(DType::F32).unwrap().to_scalar().unwrap()
}

fn compare(
    channels: [usize; 2],
    kernel: usize,
    geometry: &ConvGeometry,
    maps: impl Iterator<Item = (usize, usize)>,
) -> usize {
    let mut compared = 0;
    for (h, w) in maps {
        let x = Var::from_tensor(&values(&[2, channels[0], h, w], 1)).unwrap();
        let shape = [channels[1], channels[0] / geometry.groups, kernel, kernel];
        let weight = Var::from_tensor(&values(&shape, 2)).unwrap();
        let inputs = [x, weight];
        let upstream = |y: &Tensor| values(y.dims(), 3);
        let fast = by_kernel(&inputs, upstream, |t| conv2d(&t[0], &t[1], None, geometry)).unwrap();
        let plain =
            by_candle(&inputs, upstream, |t| reference::conv2d(&t[0], &t[1], None, geometry));
        let plain = plain.unwrap();
        assert!(off(&fast.0, &plain.0) < 1e-4, "{h}x{w} {geometry:?}: forward");
        for (name, (fast, plain)) in ["input", "weight"].iter().zip(fast.1.iter().zip(&plain.1)) {
            let worst = off(fast, plain);
            assert!(worst < 2e-3, "{h}x{w} {geometry:?}: gradient of the {name} off by {worst}");
        }
        compared += 1;
    }
    compared
}

/// Channels in and out, kernel, geometry.
fn convolutions() -> [([usize; 2], usize, ConvGeometry); 9] {
    let plain = ConvGeometry::default();
    [
        ([3, 7], 1, plain),
        ([3, 7], 3, plain.with_padding(1)),
        ([3, 7], 3, plain.with_padding(2).with_dilation(2)),
        ([3, 7], 3, plain.with_padding(4).with_dilation(4)),
        ([3, 7], 3, plain.with_padding(1).with_stride(2)),
        ([3, 4], 7, plain.with_padding(3).with_stride(2)),
        ([4, 4], 3, plain.with_padding(1).with_groups(4)),
        ([4, 4], 3, plain.with_padding(1).with_groups(4).with_stride(2)),
        ([4, 6], 3, plain.with_padding(1).with_groups(2)),
    ]
}

#[test]
fn kernels_equal_references_on_all_small_maps() {
    let each = convolutions()
        .map(|(channels, kernel, geometry)| compare(channels, kernel, &geometry, small_maps()));
    assert_eq!(each, [LARGEST * LARGEST; 9]);
}

/// A depthwise kernel for tiles of two vectors once left out a third of each tile of three.
#[test]
fn kernels_equal_references_on_wide_maps() {
    let each = convolutions()
        .map(|(channels, kernel, geometry)| compare(channels, kernel, &geometry, wide_maps()));
    assert_eq!(each, [30; 9]);
}
