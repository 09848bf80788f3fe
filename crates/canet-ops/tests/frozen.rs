//! The frozen kernels against the differentiable operations, or plain formulas.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]
#![expect(clippy::float_cmp, reason = "where results are compared exactly, they are meant exactly")]

use candle_core::{Device, Tensor};
use canet_ops::Corners::{self, Aligned, HalfPixel};
use canet_ops::Value;
use canet_ops::frozen::{
    AveragePool, MaxPool, Resize, add, affine, best_class, confidence, gate, look_up, spread,
};

/// Channels of all maps here.
const CHANNELS: usize = 3;
const LARGEST: usize = 21;

fn values(n: usize, salt: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + salt) % 1009) as f32 / 504.5 - 1.0).collect()
}

fn map([h, w]: [usize; 2]) -> Vec<f32> {
    values(CHANNELS * h * w, h + 31 * w)
}

/// What a differentiable operation makes of a map.
fn differentiable(
    x: &[f32],
    [h, w]: [usize; 2],
    operation: impl Fn(&Value) -> candle_core::Result<Value>,
) -> Vec<f32> {
    let x = Tensor::from_slice(x, (1, CHANNELS, h, w), &Device::Cpu).unwrap();
    operation(&x.into()).unwrap().tensor().flatten_all().unwrap().to_vec1().unwrap()
}

/// A result of `len` values, full of what must not be seen in it afterwards.
fn made(len: usize, make: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut y = vec![f32::NAN; len];
    make(&mut y);
    y
}

fn sizes() -> impl Iterator<Item = [usize; 2]> {
    (1..=LARGEST).flat_map(|h| (1..=LARGEST).map(move |w| [h, w]))
}

#[test]
fn max_pools_are_exact() {
    let mut compared = 0;
    for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2), (1, 1, 0)] {
        let window = MaxPool { kernel, stride, padding };
        for size in sizes().chain([[40, 301]]) {
            let Ok([oh, ow]) = window.output(size) else { continue };
            let x = map(size);
            let y = made(CHANNELS * oh * ow, |y| {
                // In two bands, each of which sees its rows alone.
                for rows in [0..oh / 3, oh / 3..oh].into_iter().filter(|rows| !rows.is_empty()) {
                    let held = window.reach(rows.clone(), size[0]);
                    let band = x.chunks(size[0] * size[1]);
                    let band = band.flat_map(|x| &x[held.start * size[1]..held.end * size[1]]);
                    let band: Vec<f32> = band.copied().collect();
                    window.run(&band, size, rows, y, [oh, ow]);
                }
            });
            let expected =
                differentiable(&x, size, |x| canet_ops::max_pool2d(x, kernel, stride, padding));
            assert_eq!(y, expected, "{size:?} {window:?}");
            compared += 1;
        }
    }
    assert!(compared > 4 * LARGEST * LARGEST);
    assert!(MaxPool { kernel: 3, stride: 0, padding: 1 }.output([5, 5]).is_err());
    assert!(MaxPool { kernel: 2, stride: 2, padding: 2 }.output([5, 5]).is_err());
}

#[test]
fn average_pools_keep_to_their_bins() {
    let some = sizes().step_by(7).flat_map(|size| sizes().step_by(5).map(move |out| (size, out)));
    let large =
        [([64, 96], [32, 48]), ([3, 1000], [2, 3]), ([90, 700], [1, 1]), ([5, 900], [4, 450])];
    for (size, out) in some.chain(large) {
        let x = map(size);
        let pool = AveragePool::new(size, out).unwrap();
        let y = made(CHANNELS * out[0] * out[1], |y| pool.run(&x, y));
        let expected = differentiable(&x, size, |x| canet_ops::adaptive_avg_pool2d(x, out));
        let off = y.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-6, "{size:?} to {out:?}: {off}");
    }
    assert!(AveragePool::new([2, 2], [0, 1]).is_err());
}

/// Sizes that end chunks and spans of the kernels in all ways.
fn resizes() -> Vec<([usize; 2], [usize; 2], Corners)> {
    let some = sizes().step_by(11).flat_map(|size| sizes().step_by(13).map(move |out| (size, out)));
    let large = [
        ([5, 64], [9, 512]),
        ([4, 300], [3, 257]),
        ([2, 2000], [3, 300]),
        ([2, 2000], [2, 2]),
        ([7, 33], [31, 300]),
    ];
    some.chain(large).flat_map(|(a, b)| [(a, b, Aligned), (a, b, HalfPixel)]).collect()
}

#[test]
fn resizes_agree() {
    for (size, out, corners) in resizes() {
        let x = map(size);
        let resize = Resize::new(size, out, corners).unwrap();
        assert_eq!(resize.output(), out);
        let y = made(CHANNELS * out[0] * out[1], |y| resize.run(&x, y));
        let expected = differentiable(&x, size, |x| canet_ops::resize_bilinear(x, out, corners));
        // Both interpolate, by formulas that differ in rounding.
        let off = y.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(y.len() == expected.len() && off < 1e-6, "{size:?} to {out:?}, {corners:?}: {off}");
    }
    assert!(Resize::new([2, 2], [0, 1], Aligned).is_err());
}

/// The first of the largest at each pixel of `(CHANNELS, pixels)`.
fn best(scores: &[f32]) -> Vec<u8> {
    let pixels = scores.len() / CHANNELS;
    let score = |class: usize, pixel: usize| scores[class * pixels + pixel];
    let better = |pixel| {
        move |best: usize, class: usize| {
            if score(class, pixel) > score(best, pixel) { class } else { best }
        }
    };
    (0..pixels).map(|pixel| (1..CHANNELS).fold(0, better(pixel)) as u8).collect()
}

#[test]
fn the_best_class_is_that_of_the_resized_scores() {
    for (size, out, corners) in resizes() {
        // Few values, so that scores are often equal.
        let x: Vec<f32> = map(size).iter().map(|v| (v * 2.0).round()).collect();
        let resize = Resize::new(size, out, corners).unwrap();
        let scores = made(CHANNELS * out[0] * out[1], |y| resize.run(&x, y));
        let mut ids = vec![255; out[0] * out[1]];
        assert!(best_class(&resize, &x, &mut ids));
        assert_eq!(ids, best(&scores), "{size:?} to {out:?}, {corners:?}");
    }
}

#[test]
fn confidence_is_the_largest_probability_of_the_resized_scores() {
    for (size, out, corners) in resizes() {
        let x: Vec<f32> = map(size).iter().map(|v| v * 9.0).collect();
        let resize = Resize::new(size, out, corners).unwrap();
        let scores = made(CHANNELS * out[0] * out[1], |y| resize.run(&x, y));
        let pixels = out[0] * out[1];
        let sure = made(pixels, |sure| confidence(&resize, &x, sure));
        for (pixel, &sure) in sure.iter().enumerate() {
            let of = |class: usize| f64::from(scores[class * pixels + pixel]);
            let best = (0..CHANNELS).map(of).fold(f64::MIN, f64::max);
            let sum: f64 = (0..CHANNELS).map(|class| (of(class) - best).exp()).sum();
            assert!((f64::from(sure) - 1.0 / sum).abs() < 1e-6, "{size:?} to {out:?}: {sure}");
        }
    }
}

#[test]
fn scores_that_are_not_finite_are_noticed() {
    let resize = Resize::new([6, 40], [50, 300], HalfPixel).unwrap();
    let mut ids = vec![0; 50 * 300];
    for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [0, 6 * 40 + 17, 3 * 6 * 40 - 1] {
            let mut x = map([6, 40]);
            assert!(best_class(&resize, &x, &mut ids));
            x[at] = strange;
            assert!(!best_class(&resize, &x, &mut ids), "{strange} at {at}");
        }
    }
}

#[test]
fn what_is_done_to_each_value_is_right() {
    let sigmoid = |x: f32| (1.0 / (1.0 + (-f64::from(x)).exp())) as f32;
    let close = |y: &[f32], expected: &[f32]| {
        assert!(y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{y:?} {expected:?}");
    };
    for plane in [1, 7, 20_000] {
        let (x, other) = (values(CHANNELS * plane, 5), values(CHANNELS * plane, 6));
        let factors = [-1.5, 0.0, 4.0];
        let changed = |f: &dyn Fn(usize, f32) -> f32| -> Vec<f32> {
            x.iter().enumerate().map(|(i, &x)| f(i, x)).collect()
        };
        let run = |change: &dyn Fn(&mut [f32])| {
            let mut y = x.clone();
            change(&mut y);
            y
        };
        close(&run(&|y| add(y, &other)), &changed(&|i, x| x + other[i]));
        let kept = |i: usize, x: f32| x * sigmoid(factors[i / plane]) + x;
        close(&run(&|y| gate(y, &factors, true)), &changed(&kept));
        let dropped = |i: usize, x: f32| x * sigmoid(factors[i / plane]);
        close(&run(&|y| gate(y, &factors, false)), &changed(&dropped));
        let each = |i: usize, x: f32| x * sigmoid(other[i]) + x;
        close(&run(&|y| gate(y, &other, true)), &changed(&each));
        let offset = [0.5, -0.25, 0.0];
        let line = |i: usize, x: f32| x * factors[i / plane] + offset[i / plane];
        close(&run(&|y| affine(y, &factors, &offset, false)), &changed(&line));
        let cut = |i: usize, x: f32| line(i, x).max(0.0);
        close(&run(&|y| affine(y, &factors, &offset, true)), &changed(&cut));
        let repeated = changed(&|i, _| factors[i / plane]);
        assert_eq!(made(x.len(), |y| spread(&factors, y)), repeated);
    }
}

#[test]
fn nan_stays_nan() {
    let nan = [f32::NAN; 64];
    let all_nan = |make: &dyn Fn(&mut [f32])| {
        let mut y = [1.0; 64];
        make(&mut y);
        y.iter().all(|y| y.is_nan())
    };
    assert!(all_nan(&|y| add(y, &nan)));
    assert!(all_nan(&|y| gate(y, &nan, false)));
    assert!(all_nan(&|y| gate(y, &nan[..4], true)));
    assert!(all_nan(&|y| affine(y, &nan[..4], &[0.0; 4], true)));
    let mut x = [0.5; 64];
    (x[9], x[40]) = (f32::NAN, f32::NAN);
    let mut y = [0.0; 16];
    MaxPool { kernel: 3, stride: 2, padding: 1 }.run(&x, [8, 8], 0..4, &mut y, [4, 4]);
    assert!(y[0].is_nan() && y[5].is_nan() && !y[15].is_nan());
    AveragePool::new([8, 8], [1, 1]).unwrap().run(&x, &mut y[..1]);
    assert!(y[0].is_nan());
}

#[test]
fn bytes_are_looked_up_by_channel() {
    let tables = [1.0, 1000.0, -1.0].map(|factor| std::array::from_fn(|i| i as f32 * factor));
    let pixels: Vec<u8> = (0..3 * 40_000).map(|i| (i % 251) as u8).collect();
    let planes = made(pixels.len(), |planes| look_up(&pixels, &tables, planes));
    for (at, pixel) in pixels.chunks(3).enumerate() {
        for channel in 0..3 {
            let expected = tables[channel][usize::from(pixel[channel])];
            assert_eq!(planes[channel * 40_000 + at], expected);
        }
    }
}
