//! What all losses have in common, and what is particular about each.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use candle_core::{DType, Device, Result, Tensor, Var};
use canet_ops::{
    CrossEntropy, Dice, DiceClasses, Focal, Ohem, Value, cce_dice, cross_entropy, dice, focal,
    lovasz_softmax, ohem, reference,
};

use common::compare::compare;
use common::differences::check;
use common::{by_kernel, flat, values, vars};

type Kernel = Box<dyn Fn(&Value, &Tensor) -> Result<Value>>;
type Plain = Box<dyn Fn(&Tensor, &[u8]) -> Result<Tensor>>;

/// Every loss with options that matter, for so many classes: kernel and reference.
fn losses(classes: usize) -> Vec<(&'static str, Kernel, Plain)> {
    let weights: Vec<f32> = (0..classes).map(|i| 0.5 + i as f32).collect();
    let entropy = CrossEntropy { ignore: 255, class_weights: Some(weights.clone()) };
    let mut all: Vec<(_, Kernel, Plain)> = Vec::new();
    let plain = entropy.clone();
    all.push((
        "cross-entropy",
        Box::new(move |x, t| cross_entropy(x, t, &entropy)),
        Box::new(move |x, t| reference::cross_entropy(x, t, &plain)),
    ));
    for (gamma, class_weights) in [(2.0, None), (0.5, Some(weights.clone())), (0.0, None)] {
        let options = Focal { gamma, class_weights, ..Focal::default() };
        let plain = options.clone();
        all.push((
            "focal",
            Box::new(move |x, t| focal(x, t, &options)),
            Box::new(move |x, t| reference::focal(x, t, &plain)),
        ));
    }
    for (threshold, min_kept, class_weights) in
        [(0.3, 0.0, None), (0.05, 0.3, Some(weights)), (1.0, 1.0, None)]
    {
        let options = Ohem { threshold, min_kept, class_weights, ..Ohem::default() };
        let plain = options.clone();
        all.push((
            "ohem",
            Box::new(move |x, t| ohem(x, t, &options)),
            Box::new(move |x, t| reference::ohem(x, t, &plain)),
        ));
    }
    for (classes, smooth) in [(DiceClasses::Present, 1.0), (DiceClasses::All, 0.1)] {
        let options = Dice { classes, smooth, ..Dice::default() };
        let plain = options.clone();
        all.push((
            "dice",
            Box::new(move |x, t| dice(x, t, &options)),
            Box::new(move |x, t| reference::dice(x, t, &plain)),
        ));
    }
    all.push((
        "cce_dice",
        Box::new(|x, t| cce_dice(x, t, 255)),
        Box::new(|x, t| reference::cce_dice(x, t, 255)),
    ));
    all.push((
        "lovasz",
        Box::new(|x, t| lovasz_softmax(x, t, 255)),
        Box::new(|x, t| reference::lovasz_softmax(x, t, 255)),
    ));
    all
}

/// Targets of all classes but the last, some of them void.
fn targets((n, classes, h, w): (usize, usize, usize, usize)) -> Tensor {
    let classes = (classes - 1).max(1);
    let target = |i: usize| if i % 7 == 6 { 255 } else { (i / 3 % classes) as u8 };
    Tensor::from_vec((0..n * h * w).map(target).collect::<Vec<_>>(), (n, h, w), &Device::Cpu)
        .unwrap()
}

/// Logits of which no two pixels have the same differences between classes, so that a rounding or a
/// small step neither breaks ties nor makes them.
fn logits(shape: &[usize]) -> Tensor {
    let x = values(shape, 1);
    (&x + (x.sqr().unwrap() * 0.37).unwrap()).unwrap()
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for size in [(2, 5, 4, 3), (1, 2, 1, 1), (1, 3, 33, 35)] {
        let (n, classes, h, w) = size;
        let targets = targets(size);
        for (name, kernel, _) in losses(classes) {
            check(name, &[logits(&[n, classes, h, w])], |t| kernel(&t[0], &targets));
        }
    }
}

/// Planes that end in the middle of a block, several blocks and images, steep logits.
#[test]
fn kernels_are_their_references() {
    for size in [(1, 1, 1, 1), (2, 5, 1, 1), (3, 4, 33, 35), (1, 20, 16, 16), (2, 3, 61, 129)] {
        let (n, classes, h, w) = size;
        let targets = targets(size);
        let plain: Vec<u8> = targets.flatten_all().unwrap().to_vec1().unwrap();
        for steepness in [1.0, 6.0] {
            let x = (logits(&[n, classes, h, w]) * steepness).unwrap();
            for (name, kernel, reference) in losses(classes) {
                // Rounding to f32 exchanges neighbours of the sorted errors, and moves pixels
                // over a threshold: both on the same logits, which f32 holds.
                let x = x.to_dtype(DType::F32).unwrap().to_dtype(DType::F64).unwrap();
                compare(name, &[x], |t| kernel(&t[0], &targets), |t| reference(&t[0], &plain));
            }
        }
    }
}

#[test]
fn a_batch_of_void_has_no_loss_and_no_gradient() {
    let void = Tensor::full(255u8, (2, 3, 4), &Device::Cpu).unwrap();
    for dtype in [DType::F32, DType::F64] {
        for (name, kernel, _) in losses(5) {
            let x = vars(&[values(&[2, 5, 3, 4], 1)], dtype);
            let ones = |y: &Tensor| y.ones_like().unwrap();
            let (loss, gradients) = by_kernel(&x, ones, |x| kernel(&x[0], &void)).unwrap();
            assert_eq!(flat(&loss), [0.0], "{name}");
            assert!(flat(&gradients[0]).iter().all(|&g| g == 0.0), "{name}");
        }
    }
}

#[test]
fn void_pixels_have_no_gradient_and_no_say() {
    let size = (2, 4, 5, 6);
    let targets = targets(size);
    let plain: Vec<u8> = targets.flatten_all().unwrap().to_vec1().unwrap();
    let x = values(&[2, 4, 5, 6], 1);
    // The same logits, but for those of void pixels.
    let mut other = flat(&x);
    for (i, v) in other.iter_mut().enumerate() {
        let pixel = i / 120 * 30 + i % 30;
        if plain[pixel] == 255 {
            *v += 3.0 * (i % 5) as f64;
        }
    }
    let other = Tensor::from_vec(other, (2, 4, 5, 6), &Device::Cpu).unwrap();
    for (name, kernel, _) in losses(4) {
        let ones = |y: &Tensor| y.ones_like().unwrap();
        let of = |x: &Tensor| {
            let x = vars(std::slice::from_ref(x), DType::F64);
            let (loss, gradients) = by_kernel(&x, ones, |x| kernel(&x[0], &targets)).unwrap();
            (flat(&loss), flat(&gradients[0]))
        };
        let (one, two) = (of(&x), of(&other));
        assert_eq!(one.0, two.0, "{name}");
        assert_eq!(one.1, two.1, "{name}");
        let of_void =
            one.1.iter().enumerate().filter(|&(i, _)| plain[i / 120 * 30 + i % 30] == 255);
        assert!(of_void.clone().count() > 20 && of_void.clone().all(|(_, &g)| g == 0.0), "{name}");
    }
}

#[test]
fn mistakes_are_errors() {
    let x = Value::from(values(&[1, 3, 2, 2], 1));
    let foreign = Tensor::new(&[[[0u8, 1], [2, 3]]], &Device::Cpu).unwrap();
    let misfit = Tensor::zeros((1, 2, 3), DType::U8, &Device::Cpu).unwrap();
    for (name, kernel, _) in losses(3) {
        let error = kernel(&x, &foreign).unwrap_err().to_string();
        assert!(error.contains("target 3 is not one of 3 classes"), "{name}: {error}");
        let error = kernel(&x, &misfit).unwrap_err().to_string();
        assert!(error.contains("do not fit"), "{name}: {error}");
    }
    let fine = Tensor::zeros((1, 2, 2), DType::U8, &Device::Cpu).unwrap();
    for gamma in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(focal(&x, &fine, &Focal { gamma, ..Focal::default() }).is_err());
    }
    for (threshold, min_kept) in [(0.0, 0.1), (1.1, 0.1), (0.5, -0.1), (0.5, 1.1), (f64::NAN, 0.0)]
    {
        assert!(ohem(&x, &fine, &Ohem { threshold, min_kept, ..Ohem::default() }).is_err());
    }
    for smooth in [0.0, -1.0, f64::NAN] {
        assert!(dice(&x, &fine, &Dice { smooth, ..Dice::default() }).is_err());
    }
    let options = Focal { class_weights: Some(vec![1.0; 2]), ..Focal::default() };
    assert!(focal(&x, &fine, &options).is_err());
}

/// Useless weights are to be noticed.
#[test]
fn nan_is_not_hidden() {
    let mut numbers = flat(&values(&[1, 3, 2, 2], 1));
    numbers[5] = f64::NAN;
    let x = Tensor::from_vec(numbers, (1, 3, 2, 2), &Device::Cpu).unwrap();
    let targets = Tensor::new(&[[[0u8, 1], [2, 1]]], &Device::Cpu).unwrap();
    for (name, kernel, _) in losses(3) {
        for dtype in [DType::F32, DType::F64] {
            let x = Value::from(x.to_dtype(dtype).unwrap());
            let loss = flat(kernel(&x, &targets).unwrap().tensor());
            assert!(loss[0].is_nan(), "{name} {dtype:?}: {loss:?}");
        }
    }
}

/// Sure and right, sure and wrong: nothing overflows.
#[test]
fn extreme_logits_stay_finite() {
    let x = [1e4f32, -1e4, 0.0, 60.0, -1e4, 1e4, 0.0, -60.0];
    let x = Tensor::from_vec(x.to_vec(), (1, 2, 2, 2), &Device::Cpu).unwrap();
    for targets in [[0u8, 1, 0, 0], [1, 0, 1, 1]] {
        let targets = Tensor::from_vec(targets.to_vec(), (1, 2, 2), &Device::Cpu).unwrap();
        for (name, kernel, _) in losses(2) {
            let ones = |y: &Tensor| y.ones_like().unwrap();
            let x = [Var::from_tensor(&x).unwrap()];
            let (loss, gradients) = by_kernel(&x, ones, |x| kernel(&x[0], &targets)).unwrap();
            let all = [flat(&loss), flat(&gradients[0])].concat();
            assert!(all.iter().all(|v| v.is_finite()), "{name}: {all:?}");
        }
    }
}

#[test]
fn focal_without_focus_is_cross_entropy() {
    let size = (2, 5, 9, 7);
    let (x, targets) = (values(&[2, 5, 9, 7], 1), targets(size));
    let x = vars(&[(x * 4.0).unwrap()], DType::F64);
    let ones = |y: &Tensor| y.ones_like().unwrap();
    let options = Focal { gamma: 0.0, ..Focal::default() };
    let (a, ga) = by_kernel(&x, ones, |x| focal(&x[0], &targets, &options)).unwrap();
    let options = CrossEntropy::default();
    let (b, gb) = by_kernel(&x, ones, |x| cross_entropy(&x[0], &targets, &options)).unwrap();
    let pairs =
        [flat(&a), flat(&ga[0])].concat().into_iter().zip([flat(&b), flat(&gb[0])].concat());
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-14));
}

/// What OHEM keeps has a gradient: (logits of class 0 in two-class pixels, all of class 0; threshold;
/// least share; kept).
#[test]
fn ohem_keeps_ties_together() {
    let table: [(&[f64], f64, f64, &[bool]); 7] = [
        (&[-2.0, 1.0, 3.0, 0.5], 0.7, 0.0, &[true, false, false, true]),
        (&[-2.0, 1.0, 3.0, 0.5], 0.1, 0.0, &[false; 4]),
        (&[-2.0, 1.0, 3.0, 0.5], 0.1, 0.26, &[true, false, false, true]),
        (&[-2.0, 1.0, 3.0, 0.5], 0.1, 0.25, &[true, false, false, false]),
        (&[1.0, -1.0, 1.0, 2.0], 0.1, 0.5, &[true, true, true, false]),
        (&[1.0, 1.0, 1.0, 1.0], 0.1, 0.01, &[true; 4]),
        (&[1.0, 1.0, 1.0, 1.0], 0.1, 1.0, &[true; 4]),
    ];
    let targets = Tensor::zeros((1, 1, 4), DType::U8, &Device::Cpu).unwrap();
    for (first, threshold, min_kept, kept) in table {
        let x = [first, &[0.0; 4]].concat();
        let x = Tensor::from_vec(x, (1, 2, 1, 4), &Device::Cpu).unwrap();
        let options = Ohem { threshold, min_kept, ..Ohem::default() };
        for dtype in [DType::F32, DType::F64] {
            let x = vars(std::slice::from_ref(&x), dtype);
            let ones = |y: &Tensor| y.ones_like().unwrap();
            let (_, gradients) = by_kernel(&x, ones, |x| ohem(&x[0], &targets, &options)).unwrap();
            let found: Vec<bool> = flat(&gradients[0])[..4].iter().map(|&g| g != 0.0).collect();
            assert_eq!(found, kept, "{first:?} {threshold} {min_kept}");
        }
    }
}

/// Of two pixels with equal errors, the first in reading order counts as wrong first.
#[test]
fn lovasz_breaks_ties_in_reading_order() {
    // Class 0 at the first pixel, class 1 at the second, all probabilities 1/2.
    let x = vars(&[Tensor::zeros((1, 2, 1, 2), DType::F64, &Device::Cpu).unwrap()], DType::F64);
    let targets = Tensor::new(&[[[0u8, 1]]], &Device::Cpu).unwrap();
    let ones = |y: &Tensor| y.ones_like().unwrap();
    let (loss, gradients) = by_kernel(&x, ones, |x| lovasz_softmax(&x[0], &targets, 255)).unwrap();
    // Class 0: its own pixel is wrong first, growth 1; the other then takes nothing. Class 1: the
    // other pixel first, growth 1/2, then its own, 1/2.
    assert_eq!(flat(&loss), [0.5]);
    // Slopes, halved for two classes: class 0 (-1/2, 0), class 1 (1/4, -1/4).
    let slopes = [[-0.5, 0.25], [0.0, -0.25]];
    let gradient = |[a, b]: [f64; 2]| 0.25 * (a - b);
    let [p, q] = slopes.map(gradient);
    assert_eq!(flat(&gradients[0]), [p, q, -p, -q]);
}

/// A perfect prediction costs nothing, the opposite everything.
#[test]
fn areas_are_scored_from_0_to_1() {
    let targets = Tensor::new(&[[[0u8, 0, 1, 255]]], &Device::Cpu).unwrap();
    let right = [40.0, 40.0, -40.0, 0.0, -40.0, -40.0, 40.0, 0.0];
    let options = Dice { smooth: 1e-9, ..Dice::default() };
    for (sign, expected) in [(1.0, 0.0), (-1.0, 1.0)] {
        let x: Vec<f64> = right.iter().map(|v| v * sign).collect();
        let x = Value::from(Tensor::from_vec(x, (1, 2, 1, 4), &Device::Cpu).unwrap());
        for loss in [dice(&x, &targets, &options), lovasz_softmax(&x, &targets, 255)] {
            let loss = flat(loss.unwrap().tensor())[0];
            assert!((loss - expected).abs() < 1e-8, "{loss}");
        }
    }
}
