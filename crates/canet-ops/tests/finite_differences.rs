//! The gradient of every kernel against central differences in f64, over many shapes.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use candle_core::{DType, Device, Tensor, Var};
use canet_ops::{
    Activation, ConvGeometry, Corners, CrossEntropy, Value, adaptive_avg_pool2d, add_relu,
    batch_norm_frozen, batch_norm_train, conv_norm_pool, conv2d, cross_entropy, drop_samples,
    dropout, max_pool2d, relu, resize_bilinear, sigmoid,
};

use common::differences::check;
use common::{by_kernel, flat, values};

#[test]
fn convolutions() {
    let mut shapes = 0;
    for kernel in [[1, 1], [3, 3], [7, 1], [1, 7], [2, 3]] {
        for dilation in [1, 2, 4] {
            for stride in [1, 2] {
                for (inputs, outputs, groups) in [(3, 7, 1), (4, 6, 2), (5, 5, 5)] {
                    let pad = |k: usize| [dilation * (k - 1) / 2, dilation * (k - 1) / 2];
                    let geometry = ConvGeometry {
                        padding: [pad(kernel[0]), pad(kernel[1])],
                        ..ConvGeometry::default()
                    }
                    .with_dilation(dilation)
                    .with_stride(stride)
                    .with_groups(groups);
                    let x = values(&[2, inputs, 9, 8 + stride], 1);
                    let w = values(&[outputs, inputs / groups, kernel[0], kernel[1]], 2);
                    let name = format!("{kernel:?} {geometry:?}");
                    check(&name, &[x, w, values(&[outputs], 3)], |t| {
                        conv2d(&t[0], &t[1], Some(&t[2]), &geometry)
                    });
                    shapes += 1;
                }
            }
        }
    }
    assert_eq!(shapes, 90);
}

#[test]
fn convolutions_with_uneven_padding() {
    for input in [[8, 8], [9, 6], [5, 12]] {
        let geometry = ConvGeometry::same([3, 3], 2, input);
        let (x, w) = (values(&[1, 2, input[0], input[1]], 1), values(&[4, 2, 3, 3], 2));
        check("same", &[x, w], |t| conv2d(&t[0], &t[1], None, &geometry));
    }
}

#[test]
fn batch_norms() {
    for activation in [Activation::None, Activation::Relu] {
        for shape in [[3, 2, 5, 7], [2, 4, 1, 1], [1, 3, 4, 4], [2, 1, 71, 67]] {
            let c = shape[1];
            let (x, w, b) = (values(&shape, 1), values(&[c], 2), values(&[c], 3));
            check("training", &[x.clone(), w.clone(), b.clone()], |t| {
                Ok(batch_norm_train(&t[0], &t[1], &t[2], 1e-3, None, activation)?.0)
            });
            let (mean, var) = (values(&[c], 4), (values(&[c], 5) + 1.5).unwrap());
            check("frozen", &[x, w, b], |t| {
                batch_norm_frozen(&t[0], &t[1], &t[2], &mean, &var, 1e-3, None, activation)
            });
        }
    }
}

#[test]
fn pooled_convolutions() {
    for (shape, kernel) in [([2, 2, 4, 6], [3, 3]), ([1, 3, 5, 7], [3, 3]), ([3, 1, 8, 2], [1, 2])]
    {
        let x = Value::from(values(&shape, 1));
        let geometry = ConvGeometry::same(kernel, 1, [shape[2], shape[3]]);
        let filters = values(&[5, shape[1], kernel[0], kernel[1]], 4);
        let inputs = [filters, values(&[5], 2), values(&[5], 3), values(&[5], 5)];
        check("pooled", &inputs, |t| {
            Ok(conv_norm_pool(&x, [&t[0], &t[3]], [&t[1], &t[2]], 1e-3, &geometry)?.0)
        });
    }
}

#[test]
fn pools() {
    for (h, w) in [(9, 12), (8, 7), (4, 4), (5, 3)] {
        let x = values(&[2, 3, h, w], 1);
        for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1)] {
            check("max", std::slice::from_ref(&x), |t| max_pool2d(&t[0], kernel, stride, padding));
        }
        for out in [[1, 1], [2, 3], [h, w], [h - 1, w - 1]] {
            check("average", std::slice::from_ref(&x), |t| adaptive_avg_pool2d(&t[0], out));
        }
    }
}

#[test]
fn resizes_and_activations() {
    for (h, w) in [(4, 5), (1, 1), (9, 7), (1, 6)] {
        let x = values(&[2, 2, h, w], 1);
        for out in [[8, 10], [1, 1], [3, 4], [h, w], [17, 2]] {
            for corners in [Corners::Aligned, Corners::HalfPixel] {
                check("resize", std::slice::from_ref(&x), |t| resize_bilinear(&t[0], out, corners));
            }
        }
        check("relu", std::slice::from_ref(&x), |t| relu(&t[0]));
        check("sigmoid", std::slice::from_ref(&x), |t| sigmoid(&t[0]));
    }
}

#[test]
fn dropouts() {
    for (n, c, h, w) in [(5, 2, 3, 4), (1, 1, 1, 1), (3, 7, 71, 67)] {
        let x = values(&[n, c, h, w], 1);
        for key in 0..3 {
            check("elements", std::slice::from_ref(&x), |t| dropout(&t[0], 0.4, key));
            check("samples", std::slice::from_ref(&x), |t| drop_samples(&t[0], 0.4, key));
        }
    }
}

/// Stochastic depth at the end of a residual block: the gradient of every input, dropped samples
/// and kept ones together.
#[test]
fn residual_blocks_with_dropped_samples() {
    let shape = [6, 3, 4, 5];
    let inputs = [values(&shape, 1), values(&[3], 2), values(&[3], 3), values(&shape, 4)];
    for key in 0..4 {
        check("block", &inputs, |t| {
            let (y, _) = batch_norm_train(&t[0], &t[1], &t[2], 1e-3, None, Activation::None)?;
            add_relu(&drop_samples(&y, 0.5, key)?, &t[3])
        });
    }
}

#[test]
fn losses() {
    for (n, c, h, w) in [(2, 5, 4, 3), (1, 2, 1, 1), (1, 3, 33, 35)] {
        let targets: Vec<u8> =
            (0..n * h * w).map(|i| if i % 7 == 6 { 255 } else { (i % c) as u8 }).collect();
        let targets = Tensor::from_vec(targets, (n, h, w), &Device::Cpu).unwrap();
        let weighted = (0..c).map(|i| 0.5 + i as f32).collect();
        for class_weights in [None, Some(weighted)] {
            let options = CrossEntropy { ignore: 255, class_weights };
            check("loss", &[values(&[n, c, h, w], 1)], |t| {
                cross_entropy(&t[0], &targets, &options)
            });
        }
    }
}

/// Values far from 0, and all pixels void.
#[test]
fn extremes_stay_finite() {
    let big = Tensor::new(&[[[[1e4f32]], [[-1e4]]]], &Device::Cpu).unwrap();
    let target = Tensor::new(&[[[1u8]]], &Device::Cpu).unwrap();
    let options = CrossEntropy::default();
    let loss = cross_entropy(&big.clone().into(), &target, &options).unwrap();
    assert!((loss.tensor().to_scalar::<f32>().unwrap() - 2e4).abs() < 1.0);
    let x = [Var::from_tensor(&big).unwrap()];
    let void = Tensor::full(255u8, (1, 1, 1), &Device::Cpu).unwrap();
    let ones = |y: &Tensor| y.ones_like().unwrap();
    let (loss, gradients) = by_kernel(&x, ones, |x| cross_entropy(&x[0], &void, &options)).unwrap();
    assert_eq!(loss.to_scalar::<f32>().unwrap().to_bits(), 0);
    assert_eq!(flat(&gradients[0]), [0.0, 0.0]);
    let foreign = Tensor::full(2u8, (1, 1, 1), &Device::Cpu).unwrap();
    let error = cross_entropy(&big.into(), &foreign, &options).unwrap_err().to_string();
    assert!(error.contains("target 2 is not one of 2 classes"), "{error}");
    // One value a channel: the bias comes out, and no NaN.
    let one = Value::from(Tensor::ones(1, DType::F32, &Device::Cpu).unwrap());
    let x = Value::from(Tensor::new(&[[[[3f32]]]], &Device::Cpu).unwrap());
    let (y, stats) = batch_norm_train(&x, &one, &one, 1e-5, None, Activation::None).unwrap();
    assert_eq!(flat(y.tensor()), [1.0]);
    assert_eq!(flat(&stats.var), [0.0]);
}
