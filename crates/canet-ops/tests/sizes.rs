//! Kernel against reference on every map from 1x1 to 21x21: tiles and panels end in all ways there.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

use candle_core::{DType, Device, Tensor, Var};
use canet_ops::{ConvGeometry, conv2d, reference};

const LARGEST: usize = 21;

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

fn compare(channels: [usize; 2], kernel: usize, geometry: &ConvGeometry) -> usize {
    let mut compared = 0;
    for (h, w) in (1..=LARGEST).flat_map(|h| (1..=LARGEST).map(move |w| (h, w))) {
        let x = Var::from_tensor(&values(&[2, channels[0], h, w], 1)).unwrap();
        let shape = [channels[1], channels[0] / geometry.groups, kernel, kernel];
        let weight = Var::from_tensor(&values(&shape, 2)).unwrap();
        let fast = conv2d(&x, &weight, None, geometry).unwrap();
        let plain = reference::conv2d(&x, &weight, None, geometry).unwrap();
        assert!(off(&fast, &plain) < 1e-4, "{h}x{w} {geometry:?}: forward");
        let upstream = values(fast.dims(), 3);
        let gradients =
            |y: &Tensor| (y * &upstream).unwrap().sum_all().unwrap().backward().unwrap();
        let (fast, plain) = (gradients(&fast), gradients(&plain));
        for (name, var) in [("input", &x), ("weight", &weight)] {
            let worst = off(fast.get(var).unwrap(), plain.get(var).unwrap());
            assert!(worst < 2e-3, "{h}x{w} {geometry:?}: gradient of the {name} off by {worst}");
        }
        compared += 1;
    }
    compared
}

#[test]
fn kernels_equal_references_on_all_small_maps() {
    let plain = ConvGeometry::default();
    let mut compared = 0;
    for (channels, kernel, geometry) in [
        ([3, 7], 1, plain),
        ([3, 7], 3, plain.with_padding(1)),
        ([3, 7], 3, plain.with_padding(2).with_dilation(2)),
        ([3, 7], 3, plain.with_padding(4).with_dilation(4)),
        ([3, 7], 3, plain.with_padding(1).with_stride(2)),
        ([3, 4], 7, plain.with_padding(3).with_stride(2)),
        ([4, 4], 3, plain.with_padding(1).with_groups(4)),
        ([4, 4], 3, plain.with_padding(1).with_groups(4).with_stride(2)),
        ([4, 6], 3, plain.with_padding(1).with_groups(2)),
    ] {
        compared += compare(channels, kernel, &geometry);
    }
    assert_eq!(compared, 9 * LARGEST * LARGEST);
}
