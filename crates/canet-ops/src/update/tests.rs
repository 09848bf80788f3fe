use super::*;
use candle_core::Device;

/// More than a block, and not whole lanes.
const COUNT: usize = 2 * BLOCK + 19;

fn wave(frequency: f64) -> Tensor {
    let values = (0..COUNT).map(|i| (i as f64 * frequency).sin() as f32).collect::<Vec<_>>();
    Tensor::from_vec(values, COUNT, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec1().unwrap()
}

/// Weight and memory after three steps.
fn stepped(step: impl Fn(u64, &Var, &Tensor, &mut [Tensor; 2])) -> [Vec<f32>; 3] {
    let weight = Var::from_tensor(&wave(0.1)).unwrap();
    let mut memory = [(); 2].map(|()| weight.zeros_like().unwrap());
    for number in 1..=3 {
        step(number, &weight, &wave(0.3 * number as f64), &mut memory);
    }
    [values(&weight), values(&memory[0]), values(&memory[1])]
}

fn sgd(by_candle: bool, nesterov: bool) -> [Vec<f32>; 3] {
    let step = SgdStep { lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.01, scale: 0.25 };
    stepped(|_, w, g, [m, _]| {
        if by_candle {
            step.apply_by_candle(w, g, m).unwrap();
        } else {
            step.apply(w, g, m).unwrap();
        }
    })
}

fn adam(by_candle: bool, decoupled: bool) -> [Vec<f32>; 3] {
    stepped(|number, w, g, [m, v]| {
        let step = AdamStep {
            lr: 0.1,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.01,
            decoupled,
            scale: 0.25,
            number,
        };
        if by_candle {
            step.apply_by_candle(w, g, [m, v]).unwrap();
        } else {
            step.apply(w, g, [m, v]).unwrap();
        }
    })
}

#[test]
fn steps_in_place_are_those_of_plain_arithmetic() {
    let sgd = [false, true].map(|nesterov| (sgd(false, nesterov), sgd(true, nesterov)));
    let adam = [false, true].map(|decoupled| (adam(false, decoupled), adam(true, decoupled)));
    for pair in [&sgd, &adam] {
        assert!(pair[0].0 != pair[1].0, "the variants differ");
    }
    for (ours, plain) in sgd.into_iter().chain(adam) {
        for (ours, plain) in ours.iter().flatten().zip(plain.iter().flatten()) {
            assert!((ours - plain).abs() <= 1e-6 + 1e-5 * plain.abs(), "{ours} {plain}");
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            (sgd(false, true), adam(false, false), sum_of_squares(&wave(0.7)).unwrap(), averaged())
        })
    };
    assert!(on(1) == on(2) && on(1) == on(5));
}

/// An average of one wave that has taken three others in.
fn averaged() -> Vec<f32> {
    let average = Var::from_tensor(&wave(0.1)).unwrap();
    for number in 1..=3 {
        average_in_place(&average, &wave(0.3 * f64::from(number)), 0.25).unwrap();
    }
    values(&average)
}

#[test]
fn averages_are_those_of_plain_arithmetic() {
    let mut plain = wave(0.1);
    for number in 1..=3 {
        plain =
            ((plain * 0.75).unwrap() + (wave(0.3 * f64::from(number)) * 0.25).unwrap()).unwrap();
    }
    for (ours, plain) in averaged().into_iter().zip(values(&plain)) {
        assert!((ours - plain).abs() <= 1e-6, "{ours} {plain}");
    }
    let average = Var::from_tensor(&wave(0.1)).unwrap();
    assert!(average_in_place(&average, &wave(0.2).narrow(0, 0, 5).unwrap(), 0.5).is_err());
    // A share of 1 is a copy, whatever was there before.
    average_in_place(&average, &average.zeros_like().unwrap(), 1.0).unwrap();
    assert!(values(&average).iter().all(|&v| v == 0.0));
}

/// Two steps by hand: PyTorch's SGD and Adam, in all variants.
#[test]
fn two_steps_follow_pytorchs_formulas() {
    type Step<'a> = &'a dyn Fn(u64, &Var, &Tensor, &mut [Tensor; 2]);
    let after = |step: Step| {
        let weight = Var::new(&[2.0_f32], &Device::Cpu).unwrap();
        let mut memory = [(); 2].map(|()| weight.zeros_like().unwrap());
        for (number, gradient) in [(1, 0.5_f32), (2, -1.0)] {
            let gradient = Tensor::new(&[gradient], &Device::Cpu).unwrap();
            step(number, &weight, &gradient, &mut memory);
        }
        values(&weight)[0]
    };
    let sgd = |nesterov| {
        after(&|_, w, g, [m, _]| {
            let step = SgdStep { lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.5, scale: 1.0 };
            step.apply(w, g, m).unwrap();
        })
    };
    // g' = 0.5 + 1.0, m = 1.5, w = 2 - 0.15 = 1.85; g' = -1 + 0.925, m = 1.35 - 0.075 = 1.275.
    assert!((sgd(false) - (1.85 - 0.1275)).abs() < 1e-6);
    // w = 2 - 0.1 (1.5 + 1.35) = 1.715; g' = -0.1425, m = 1.2075, step 0.1 (-0.1425 + 1.08675).
    assert!((sgd(true) - (1.715 - 0.094_425)).abs() < 1e-6);
    let adam = |decoupled| {
        after(&|number, w, g, [m, v]| {
            let (betas, eps, weight_decay) = ([0.5, 0.5], 0.0, 0.5);
            let step =
                AdamStep { lr: 0.1, betas, eps, weight_decay, decoupled, scale: 1.0, number };
            step.apply(w, g, [m, v]).unwrap();
        })
    };
    // The first direction is the gradient's sign.
    let expected = |decoupled: bool| {
        let g = |w: f64, g: f64| if decoupled { g } else { g + 0.5 * w };
        let left = if decoupled { 0.95 } else { 1.0 };
        let first = g(2.0, 0.5);
        let w = 2.0 * left - 0.1;
        let second = g(w, -1.0);
        let (m, v) = (0.25 * first + 0.5 * second, 0.25 * first * first + 0.5 * second * second);
        w * left - 0.1 * (m / 0.75) / (v / 0.75).sqrt()
    };
    for decoupled in [false, true] {
        assert!((f64::from(adam(decoupled)) - expected(decoupled)).abs() < 1e-6);
    }
}

#[test]
fn sums_are_made_in_place_and_shapes_are_checked() {
    let (mut sum, more) = (wave(0.1), wave(0.2));
    let expected = values(&(&sum + &more).unwrap());
    add_in_place(&mut sum, &more).unwrap();
    assert_eq!(values(&sum), expected);
    let short = more.narrow(0, 0, 5).unwrap();
    assert!(add_in_place(&mut sum, &short).is_err());
    assert_eq!(values(&sum), expected);
}

#[test]
fn norms_neither_overflow_nor_hide_what_is_not_finite() {
    let norm = |values: &[f32]| {
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        let plain = sum_of_squares_by_candle(&tensor).unwrap().sqrt();
        (sum_of_squares(&tensor).unwrap().sqrt(), plain)
    };
    for (ours, plain) in [norm(&[3e30, 4e30]), norm(&[0.3, -0.4, 0.0]), norm(&[0.0])] {
        assert!((ours - plain).abs() <= 1e-6 * plain, "{ours} {plain}");
    }
    assert!((norm(&[3e30, 4e30]).0 / 5e30 - 1.0).abs() < 1e-6);
    for hidden in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert!(!norm(&[1.0, hidden, 2.0]).0.is_finite());
    }
}
