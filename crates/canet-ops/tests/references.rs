//! Kernel against reference where PyTorch's goldens do not reach: all the small operations, shapes
//! that end in the middle of a block, inputs that are not contiguous.

#![expect(clippy::type_complexity, reason = "a table of operations")]
#![expect(clippy::float_cmp, reason = "these results are exact")]
#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use candle_core::{DType, Device, Result, Tensor};
use canet_ops::{
    Activation, ConvGeometry, Corners, Value, adaptive_avg_pool2d, add, add_relu,
    batch_norm_frozen, batch_norm_train, concat, conv_norm_pool, conv2d, drop_samples, dropout,
    gate, max_pool2d, reference, relu, resize_bilinear, scale, sigmoid, spread,
};

use common::compare::compare;
use common::{by_kernel, flat, values, vars};

/// Maps: single pixels, odd sizes, and planes that no block ends with.
const SHAPES: [[usize; 4]; 6] =
    [[1, 1, 1, 1], [2, 5, 1, 1], [3, 2, 5, 7], [2, 3, 33, 35], [1, 40, 16, 16], [2, 1, 61, 129]];

#[test]
fn elementwise() {
    for shape in SHAPES {
        let [a, b] = [1, 2].map(|salt| values(&shape, salt));
        let one = std::slice::from_ref(&a);
        compare("relu", one, |t| relu(&t[0]), |t| reference::relu(&t[0]));
        compare("sigmoid", one, |t| sigmoid(&t[0]), |t| reference::sigmoid(&t[0]));
        compare("scale", one, |t| scale(&t[0], -0.3), |t| &t[0] * -0.3);
        compare(
            "dropout",
            one,
            |t| dropout(&t[0], 0.3, 11),
            |t| reference::dropout(&t[0], 0.3, 11),
        );
        compare(
            "drop_samples",
            one,
            |t| drop_samples(&t[0], 0.5, 11),
            |t| reference::drop_samples(&t[0], 0.5, 11),
        );
        let two = [a, b];
        compare("add", &two, |t| add(&t[0], &t[1]), |t| &t[0] + &t[1]);
        compare(
            "add_relu",
            &two,
            |t| add_relu(&t[0], &t[1]),
            |t| reference::add_relu(&t[0], &t[1]),
        );
        compare("twice", &two[..1], |t| add(&t[0], &t[0]), |t| &t[0] + &t[0]);
    }
    let scalar = [values(&[], 1), values(&[], 2)];
    compare("add scalars", &scalar, |t| add(&t[0], &t[1]), |t| &t[0] + &t[1]);
}

#[test]
fn gates() {
    for shape in SHAPES {
        let [n, c, _, _] = shape;
        for keep in [false, true] {
            for factor in [[n, c, 1, 1], shape] {
                compare(
                    "gate",
                    &[values(&shape, 1), values(&factor, 2)],
                    |t| gate(&t[0], &t[1], keep),
                    |t| reference::gate(&t[0], &t[1], keep),
                );
            }
        }
    }
}

#[test]
fn joins_and_spreads() {
    for [n, c, h, w] in SHAPES {
        let part = |channels: usize, salt| values(&[n, channels, h, w], salt);
        let parts = [part(c, 1), part(3, 2), part(c + 1, 3)];
        for count in 1..=3 {
            compare(
                "concat",
                &parts[..count],
                |t| concat(&t.iter().collect::<Vec<_>>()),
                reference::concat,
            );
        }
        compare(
            "spread",
            &[values(&[n, c, 1, 1], 1)],
            |t| spread(&t[0], [h, w]),
            |t| reference::spread(&t[0], [h, w]),
        );
    }
}

#[test]
fn batch_norms() {
    for shape in SHAPES {
        let c = shape[1];
        let statistics = (values(&[c], 4), (values(&[c], 5) + 1.5).unwrap());
        for activation in [Activation::None, Activation::Relu] {
            for count in [3, 4] {
                let inputs = [values(&shape, 1), values(&[c], 2), values(&[c], 3)];
                let inputs = [&inputs[..], &[values(&shape, 7)]].concat();
                let of = |t: &Tensor, like: &Tensor| t.to_dtype(like.dtype());
                compare(
                    "frozen",
                    &inputs[..count],
                    |t| {
                        let [mean, var] =
                            [&statistics.0, &statistics.1].map(|s| of(s, t[0].tensor()).unwrap());
                        let (x, w, b, r) = (&t[0], &t[1], &t[2], t.get(3));
                        batch_norm_frozen(x, w, b, &mean, &var, 1e-3, r, activation)
                    },
                    |t| {
                        let [mean, var] =
                            [&statistics.0, &statistics.1].map(|s| of(s, &t[0]).unwrap());
                        let (x, w, b, r) = (&t[0], &t[1], &t[2], t.get(3));
                        reference::batch_norm_frozen(x, w, b, &mean, &var, 1e-3, r, activation)
                    },
                );
                // Over few values a channel gradients are nothing but rounding.
                if shape[0] * shape[2] * shape[3] > 2 {
                    compare(
                        "train",
                        &inputs[..count],
                        |t| {
                            let (x, w, b, r) = (&t[0], &t[1], &t[2], t.get(3));
                            Ok(batch_norm_train(x, w, b, 1e-3, r, activation)?.0)
                        },
                        |t| {
                            let (x, w, b, r) = (&t[0], &t[1], &t[2], t.get(3));
                            Ok(reference::batch_norm_train(x, w, b, 1e-3, r, activation)?.0)
                        },
                    );
                }
            }
        }
    }
}

#[test]
fn pools_and_resizes() {
    for shape in SHAPES {
        let [_, _, h, w] = shape;
        let x = [values(&shape, 1)];
        for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2), (2, 1, 1)] {
            if h.min(w) + 2 * padding >= kernel {
                compare(
                    "max-pool",
                    &x,
                    |t| max_pool2d(&t[0], kernel, stride, padding),
                    |t| reference::max_pool2d(&t[0], kernel, stride, padding),
                );
            }
        }
        for out in [[1, 1], [2, 3], [h.div_ceil(2), w.div_ceil(3)], [h + 3, w + 1], [70, 66]] {
            compare(
                "average pool",
                &x,
                |t| adaptive_avg_pool2d(&t[0], out),
                |t| reference::adaptive_avg_pool2d(&t[0], out),
            );
            for corners in [Corners::Aligned, Corners::HalfPixel] {
                compare(
                    "resize",
                    &x,
                    |t| resize_bilinear(&t[0], out, corners),
                    |t| reference::resize_bilinear(&t[0], out, corners),
                );
            }
        }
    }
}

/// The last two axes exchanged: not contiguous.
#[test]
fn views() {
    let x = values(&[2, 3, 9, 6], 1).t().unwrap();
    let view = Value::from(x.clone());
    let copy = Value::from(x.contiguous().unwrap());
    let ops: [(&str, &dyn Fn(&Value) -> Result<Value>); 8] = [
        ("relu", &relu),
        ("sigmoid", &sigmoid),
        ("scale", &|x| scale(x, 2.0)),
        ("add", &|x| add(x, x)),
        ("gate", &|x| gate(x, x, true)),
        ("concat", &|x| concat(&[x, x])),
        ("max-pool", &|x| max_pool2d(x, 2, 2, 0)),
        ("resize", &|x| resize_bilinear(x, [5, 5], Corners::Aligned)),
    ];
    for (name, op) in ops {
        let [of_view, of_copy] = [&view, &copy].map(|x| flat(op(x).unwrap().tensor()));
        assert_eq!(of_view, of_copy, "{name}");
    }
}

/// NaN is not hidden, and of equal values the first in reading order wins; so with -inf, which
/// padding must not beat.
/// Batch, channels before and after, kernel, height and width: borders that are wide beside the picture, blocks of many
/// rows and a last one of fewer, rows that are longer and shorter than a tile, odd sides, and inputs that are too many
/// for one pass.
const POOLED: [(usize, [usize; 2], [usize; 2], [usize; 2]); 8] = [
    (1, [1, 1], [1, 1], [2, 2]),
    (3, [3, 2], [3, 3], [2, 8]),
    (2, [3, 5], [3, 3], [34, 36]),
    (1, [3, 64], [3, 3], [70, 130]),
    (2, [2, 9], [1, 7], [8, 20]),
    (2, [1, 17], [5, 2], [6, 2200]),
    (2, [3, 4], [3, 3], [7, 9]),
    (1, [8, 3], [3, 3], [8, 8]),
];

#[test]
fn convolutions_that_are_normalised_and_pooled() {
    for (n, [i, o], kernel, [h, w]) in POOLED {
        let geometry = ConvGeometry::same(kernel, 1, [h, w]);
        // Pictures are brighter than 0 by more than they vary.
        let x = Value::from((values(&[n, i, h, w], 1) + 1.5).unwrap());
        let bias = values(&[o], 5);
        let mut inputs = vec![values(&[o, i, kernel[0], kernel[1]], 2), values(&[o], 3)];
        // Channels that the ReLU cuts off, and some that fall.
        inputs[1] = (&inputs[1] - 0.2).unwrap();
        inputs.push(values(&[o], 4));
        compare(
            &format!("convolution, norm and pool {n} {i} {o} {kernel:?} {h} {w}"),
            &inputs,
            |t| {
                let of_type = |c: &Tensor| c.to_dtype(t[0].tensor().dtype()).map(Value::from);
                let (x, bias) = (of_type(x.tensor())?, of_type(&bias)?);
                Ok(conv_norm_pool(&x, [&t[0], &bias], [&t[1], &t[2]], 1e-3, &geometry)?.0)
            },
            |t| {
                let relu = Activation::Relu;
                let x = x.tensor().to_dtype(t[0].dtype())?;
                let bias = bias.to_dtype(t[0].dtype())?;
                let y = reference::conv2d(&x, &t[0], Some(&bias), &geometry)?;
                let (y, _) = reference::batch_norm_train(&y, &t[1], &t[2], 1e-3, None, relu)?;
                reference::max_pool2d(&y, 2, 2, 0)
            },
        );
    }
    let [x, w, norm] =
        [&[1, 2, 1, 5][..], &[2, 2, 1, 1], &[2]].map(|shape| Value::from(values(shape, 1)));
    let plain = ConvGeometry::default();
    assert!(
        conv_norm_pool(&x, [&w, &norm], [&norm, &norm], 1e-3, &plain).is_err(),
        "no window fits"
    );
}

/// What the fused operation gives is what its parts give.
#[test]
fn convolutions_that_are_normalised_and_pooled_are_their_parts() {
    for (n, [i, o], kernel, [h, w]) in POOLED {
        let geometry = ConvGeometry::same(kernel, 1, [h, w]);
        let x =
            Value::from((values(&[n, i, h, w], 1) + 1.5).unwrap().to_dtype(DType::F32).unwrap());
        let filters = values(&[o, i, kernel[0], kernel[1]], 2);
        let inputs = [filters, values(&[o], 3), values(&[o], 4), values(&[o], 5)];
        let vars = vars(&inputs, DType::F32);
        let t: Vec<Value> = vars.iter().map(Value::variable).collect();
        let (y, stats) =
            conv_norm_pool(&x, [&t[0], &t[3]], [&t[1], &t[2]], 1e-3, &geometry).unwrap();
        let map = conv2d(&x, &t[0], Some(&t[3]), &geometry).unwrap();
        let relu = Activation::Relu;
        let (map, of_map) = batch_norm_train(&map, &t[1], &t[2], 1e-3, None, relu).unwrap();
        let pooled = max_pool2d(&map, 2, 2, 0).unwrap();
        let pairs =
            [(y.tensor(), pooled.tensor()), (&stats.mean, &of_map.mean), (&stats.var, &of_map.var)];
        for (ours, parts) in pairs {
            assert_eq!(ours.dims(), parts.dims());
            for (a, b) in flat(ours).into_iter().zip(flat(parts)) {
                assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{kernel:?} {h} {w}: {a} {b}");
            }
        }
    }
}

#[test]
fn max_pool_chooses_as_pytorch_does() {
    let low = f32::NEG_INFINITY;
    let x = [[1f32, 1.0, f32::NAN, 2.0], [1.0, 0.0, 3.0, 4.0], [low; 4], [low; 4]];
    let x = Tensor::new(&[[x]], &Device::Cpu).unwrap();
    let x = vars(&[x], DType::F32);
    let ones = |y: &Tensor| y.ones_like().unwrap();
    let (y, gradients) = by_kernel(&x, ones, |t| max_pool2d(&t[0], 2, 2, 0)).unwrap();
    let y: Vec<f32> = y.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(y[0], 1.0);
    assert!(y[1].is_nan());
    assert_eq!(y[2..], [low, low]);
    let winners = [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0].map(f64::from);
    assert_eq!(flat(&gradients[0]), winners);
    let least = Tensor::full(low, (1, 1, 3, 5), &Device::Cpu).unwrap();
    let x = vars(&[least], DType::F32);
    let (_, gradients) = by_kernel(&x, ones, |t| max_pool2d(&t[0], 3, 2, 1)).unwrap();
    assert_eq!(flat(&gradients[0]).iter().sum::<f64>(), 6.0);
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let value = |shape: &[usize]| Value::from(values(shape, 1));
    let x = value(&[2, 3, 4, 5]);
    assert!(add(&x, &value(&[2, 3, 5, 4])).is_err());
    assert!(add_relu(&x, &value(&[1])).is_err());
    assert!(gate(&x, &value(&[2, 1, 1, 1]), false).is_err());
    assert!(concat(&[]).is_err());
    assert!(concat(&[&x, &value(&[2, 3, 4, 4])]).is_err());
    assert!(spread(&x, [8, 8]).is_err());
    assert!(max_pool2d(&value(&[1, 1, 2, 2]), 3, 1, 0).is_err());
    assert!(resize_bilinear(&x, [0, 3], Corners::Aligned).is_err());
    let (w, r) = (value(&[3]), value(&[2, 3, 4, 4]));
    assert!(batch_norm_train(&x, &w, &w, 1e-3, Some(&r), Activation::None).is_err());
    assert!(batch_norm_train(&x, &w, &value(&[4]), 1e-3, None, Activation::None).is_err());
}
