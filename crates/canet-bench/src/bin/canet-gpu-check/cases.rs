//! The operations that are compared, with their inputs.

use canet_core::{GOLDEN_GAMMA, mix};
use canet_model::{DType, Tensor, Value};
use canet_ops::{Activation, ConvGeometry, Corners, CrossEntropy, Dice, DiceClasses, Focal, Ohem};

type Result<T> = candle_core::Result<T>;

/// An operation of some inputs.
pub(crate) struct Case {
    pub(crate) name: String,
    /// Of activations, which come in the type that is checked.
    pub(crate) activations: Vec<Vec<usize>>,
    /// Of parameters, which are `f32` in any case.
    pub(crate) parameters: Vec<Vec<usize>>,
    pub(crate) run: Box<Run>,
}

/// Of activations and parameters.
type Run = dyn Fn(&[Value], &[Value]) -> Result<Value>;

fn case(
    name: impl Into<String>,
    activations: &[&[usize]],
    parameters: &[&[usize]],
    run: impl Fn(&[Value], &[Value]) -> Result<Value> + 'static,
) -> Case {
    let owned = |shapes: &[&[usize]]| shapes.iter().map(|shape| shape.to_vec()).collect();
    let (activations, parameters) = (owned(activations), owned(parameters));
    Case { name: name.into(), activations, parameters, run: Box::new(run) }
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = convolutions();
    cases.extend(norms());
    cases.extend(elementwise());
    cases.extend(spatial());
    cases.extend(losses());
    cases
}

fn convolutions() -> Vec<Case> {
    let plain = ConvGeometry::default;
    let mut cases = Vec::new();
    // Batch, inputs, outputs, kernel, geometry, size.
    for (n, i, o, k, geometry, [h, w]) in [
        (2, 3, 64, 7, plain().with_stride(2).with_padding(3), [33, 40]),
        (2, 3, 16, 3, plain().with_stride(2).with_padding(1), [32, 31]),
        (1, 64, 48, 3, plain().with_padding(1), [17, 20]),
        (2, 32, 40, 3, plain().with_padding(2).with_dilation(2), [19, 16]),
        (3, 16, 24, 3, plain().with_padding(4).with_dilation(4), [13, 18]),
        (2, 64, 32, 3, plain().with_padding(1).with_stride(2), [16, 18]),
        (2, 5, 7, 3, plain().with_padding(1), [9, 11]),
        (2, 64, 128, 1, plain(), [9, 7]),
        (1, 7, 13, 1, plain(), [8, 5]),
        (2, 32, 64, 1, plain().with_stride(2), [12, 15]),
        (2, 8, 8, 3, plain().with_padding(1).with_groups(2), [8, 9]),
        (2, 24, 24, 3, plain().with_padding(1).with_groups(24), [9, 10]),
        (2, 13, 13, 3, plain().with_padding(2).with_dilation(2).with_groups(13), [9, 10]),
        (1, 264, 264, 3, plain().with_padding(1).with_stride(2).with_groups(264), [9, 10]),
        (2, 16, 16, 3, ConvGeometry::same([3, 3], 2, [10, 12]), [10, 12]),
        (2, 8, 16, 7, ConvGeometry { padding: [[3, 3], [3, 3]], ..plain() }, [11, 12]),
    ] {
        let name = format!("conv2d {n}x{i}x{h}x{w} to {o}, {k}x{k}, {geometry:?}");
        let weight = [o, i / geometry.groups, k, k];
        cases.push(case(name, &[&[n, i, h, w]], &[&weight, &[o]], move |x, p| {
            canet_ops::conv2d(&x[0], &p[0], Some(&p[1]), &geometry)
        }));
    }
    for [kh, kw] in [[7, 1], [1, 7]] {
        let geometry = ConvGeometry::same([kh, kw], 1, [12, 14]);
        let weight = [8, 16, kh, kw];
        let name = format!("conv2d {kh}x{kw}");
        cases.push(case(name, &[&[2, 16, 12, 14]], &[&weight], move |x, p| {
            canet_ops::conv2d(&x[0], &p[0], None, &geometry)
        }));
    }
    cases
}

fn norms() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, c, h, w) in
        [(2, 64, 20, 24), (3, 7, 9, 10), (2, 1, 5, 5), (4, 2048, 3, 5), (2, 520, 1, 1)]
    {
        for activation in [Activation::None, Activation::Relu] {
            for with_residual in [false, true] {
                let shape: &[usize] = &[n, c, h, w];
                let shapes = if with_residual { vec![shape, shape] } else { vec![shape] };
                let name =
                    format!("batch_norm_train {shape:?} {activation:?} residual {with_residual}");
                cases.push(case(name, &shapes, &[&[c], &[c]], move |x, p| {
                    let (y, _) = canet_ops::batch_norm_train(
                        &x[0],
                        &p[0],
                        &p[1],
                        1e-5,
                        x.get(1),
                        activation,
                    )?;
                    Ok(y)
                }));
                let name =
                    format!("batch_norm_frozen {shape:?} {activation:?} residual {with_residual}");
                cases.push(case(name, &shapes, &[&[c], &[c]], move |x, p| {
                    let device = x[0].tensor().device();
                    let mean = Tensor::full(0.3_f32, c, device)?;
                    let var = Tensor::full(1.7_f32, c, device)?;
                    canet_ops::batch_norm_frozen(
                        &x[0],
                        &p[0],
                        &p[1],
                        &mean,
                        &var,
                        1e-5,
                        x.get(1),
                        activation,
                    )
                }));
            }
        }
    }
    cases
}

fn elementwise() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in [[2, 16, 7, 9], [3, 5, 4, 3]] {
        let [n, c, _, _] = shape;
        let (map, of_channels): (&[usize], &[usize]) = (&shape, &[n, c, 1, 1]);
        let named = |name: &str| format!("{name} {shape:?}");
        cases.push(case(named("relu"), &[map], &[], |x, _| canet_ops::relu(&x[0])));
        cases.push(case(named("sigmoid"), &[map], &[], |x, _| canet_ops::sigmoid(&x[0])));
        cases.push(case(named("scale"), &[map], &[], |x, _| canet_ops::scale(&x[0], -1.5)));
        cases.push(case(named("add"), &[map, map], &[], |x, _| canet_ops::add(&x[0], &x[1])));
        let twice =
            |x: &[Value], _: &[Value]| canet_ops::add(&canet_ops::add(&x[0], &x[0])?, &x[0]);
        cases.push(case(named("x + x + x"), &[map], &[], twice));
        let add_relu = |x: &[Value], _: &[Value]| canet_ops::add_relu(&x[0], &x[1]);
        cases.push(case(named("add_relu"), &[map, map], &[], add_relu));
        for keep in [false, true] {
            let gate = move |x: &[Value], _: &[Value]| canet_ops::gate(&x[0], &x[1], keep);
            let name = format!("gate {shape:?} keep {keep}");
            cases.push(case(format!("{name} by channel"), &[map, of_channels], &[], gate));
            cases.push(case(format!("{name} by element"), &[map, map], &[], gate));
        }
        let dropout = |x: &[Value], _: &[Value]| canet_ops::dropout(&x[0], 0.3, 77);
        cases.push(case(named("dropout"), &[map], &[], dropout));
        let drop = |x: &[Value], _: &[Value]| canet_ops::drop_samples(&x[0], 0.5, 78);
        cases.push(case(named("drop_samples"), &[map], &[], drop));
    }
    for widths in [[16, 8], [5, 24], [48, 3]] {
        let shapes = widths.map(|c| [2, c, 5, 6]);
        let join = |x: &[Value], _: &[Value]| canet_ops::concat(&[&x[0], &x[1]]);
        cases.push(case(format!("concat {widths:?}"), &[&shapes[0], &shapes[1]], &[], join));
    }
    cases
}

fn spatial() -> Vec<Case> {
    let mut cases = Vec::new();
    for c in [16, 5] {
        let shape = [2, c, 13, 17];
        for [kernel, stride, padding] in [[3, 2, 1], [2, 2, 0], [3, 1, 1]] {
            let name = format!("max_pool2d {shape:?} {kernel} {stride} {padding}");
            cases.push(case(name, &[&shape], &[], move |x, _| {
                canet_ops::max_pool2d(&x[0], kernel, stride, padding)
            }));
        }
        for out in [[1, 1], [3, 4], [6, 8], [13, 17], [20, 18]] {
            let name = format!("adaptive_avg_pool2d {shape:?} {out:?}");
            cases.push(case(name, &[&shape], &[], move |x, _| {
                canet_ops::adaptive_avg_pool2d(&x[0], out)
            }));
        }
        for corners in [Corners::Aligned, Corners::HalfPixel] {
            for out in [[26, 34], [7, 5], [50, 60], [1, 1]] {
                let name = format!("resize_bilinear {shape:?} {out:?} {corners:?}");
                cases.push(case(name, &[&shape], &[], move |x, _| {
                    canet_ops::resize_bilinear(&x[0], out, corners)
                }));
            }
        }
        let spread = |x: &[Value], _: &[Value]| canet_ops::spread(&x[0], [6, 7]);
        cases.push(case(format!("spread {c}"), &[&[2, c, 1, 1]], &[], spread));
    }
    cases
}

/// Classes of some pixels; some are ignored.
fn targets(n: usize, h: usize, w: usize, classes: u8) -> Result<Tensor> {
    let target = |i: usize| {
        let hash = hash(i as u64);
        if hash.is_multiple_of(11) { 255 } else { (hash % u64::from(classes)) as u8 }
    };
    let all: Vec<u8> = (0..n * h * w).map(target).collect();
    Tensor::from_vec(all, (n, h, w), &canet_model::Device::Cpu)
}

/// A hash of a number.
pub(crate) fn hash(i: u64) -> u64 {
    mix(i.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA))
}

fn losses() -> Vec<Case> {
    let shape = [2, 7, 15, 18];
    let weights = || Some(vec![1.0, 0.5, 2.0, 1.5, 1.0, 0.0, 3.0]);
    let targets = || targets(2, 15, 18, 7);
    vec![
        case("cross_entropy", &[&shape], &[], move |x, _| {
            canet_ops::cross_entropy(&x[0], &targets()?, &CrossEntropy::default())
        }),
        case("cross_entropy with weights, twice", &[&shape], &[], move |x, _| {
            let options = CrossEntropy { ignore: 255, class_weights: weights() };
            let loss = canet_ops::cross_entropy(&x[0], &targets()?, &options)?;
            canet_ops::add(&loss, &canet_ops::scale(&loss, 0.4)?)
        }),
        case("focal", &[&shape], &[], move |x, _| {
            let options = Focal { ignore: 255, gamma: 2.0, class_weights: weights() };
            canet_ops::focal(&x[0], &targets()?, &options)
        }),
        case("ohem", &[&shape], &[], move |x, _| {
            let options =
                Ohem { ignore: 255, threshold: 0.7, min_kept: 0.1, class_weights: weights() };
            canet_ops::ohem(&x[0], &targets()?, &options)
        }),
        case("dice", &[&shape], &[], move |x, _| {
            let options = Dice { ignore: 255, classes: DiceClasses::Present, smooth: 1.0 };
            canet_ops::dice(&x[0], &targets()?, &options)
        }),
        case("lovasz_softmax", &[&shape], &[], move |x, _| {
            canet_ops::lovasz_softmax(&x[0], &targets()?, 255)
        }),
        case("cce_dice", &[&shape], &[], move |x, _| canet_ops::cce_dice(&x[0], &targets()?, 255)),
    ]
}

/// The types that are checked, with the bound of the relative error.
pub(crate) const BOUNDS: [(DType, f64); 2] = [(DType::F32, 1e-3), (DType::BF16, 2e-2)];
