//! The same bits for any number of threads, of every operation, forward and backward.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use candle_core::{DType, Device, Result, Tensor};
use canet_ops::{
    Activation, ConvGeometry, Corners, CrossEntropy, Dice, Focal, Ohem, Value, adaptive_avg_pool2d,
    add, add_relu, batch_norm_train, cce_dice, concat, conv_norm_pool, conv2d, cross_entropy, dice,
    dropout, focal, gate, lovasz_softmax, max_pool2d, ohem, relu, resize_bilinear, scale, sigmoid,
    spread,
};

use common::{by_kernel, values, vars};

type Op<'a> = (&'a str, &'a [Tensor], &'a (dyn Fn(&[Value]) -> Result<Value> + Sync));

/// The bits of the result and of all gradients.
fn bits((_, inputs, op): &Op) -> Vec<u32> {
    let upstream = |y: &Tensor| values(y.dims(), 3).to_dtype(DType::F32).unwrap();
    let (y, gradients) = by_kernel(&vars(inputs, DType::F32), upstream, op).unwrap();
    let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    gradients.iter().chain([&y]).flat_map(numbers).map(f32::to_bits).collect()
}

#[test]
fn threads_change_no_bit() {
    let x = values(&[3, 4, 131, 67], 1);
    let one = [x.clone()];
    let two = [x.clone(), values(&[3, 4, 131, 67], 2)];
    let gated = [x.clone(), values(&[3, 4, 1, 1], 2)];
    let norm = [x.clone(), values(&[4], 2), values(&[4], 3)];
    let norm_sum = [&norm[..], &[values(&[3, 4, 131, 67], 5)]].concat();
    let conv = [x, values(&[5, 4, 3, 3], 2), values(&[5], 3)];
    let wide = [values(&[2, 200, 20, 33], 1), values(&[200, 200, 1, 1], 2)];
    let square = [values(&[2, 33, 41, 39], 1), values(&[40, 33, 3, 3], 2)];
    let picture = Value::from(values(&[3, 3, 132, 68], 1).to_dtype(DType::F32).unwrap());
    let stem = [values(&[9, 3, 3, 3], 2), values(&[9], 3), values(&[9], 4), values(&[9], 5)];
    let pixels = [values(&[3, 4, 1, 1], 1)];
    let targets = (0..3 * 131 * 67).map(|i| (i % 5) as u8).map(|t| if t == 4 { 255 } else { t });
    let targets = Tensor::from_vec(targets.collect(), (3, 131, 67), &Device::Cpu).unwrap();
    let weights = Some(vec![0.3, 1.7, 0.9, 1.1]);
    let options = CrossEntropy { class_weights: weights, ..CrossEntropy::default() };
    let hard = Ohem { threshold: 0.2, min_kept: 0.4, ..Ohem::default() };
    let geometry = ConvGeometry::default().with_padding(1);
    let relu_after = Activation::Relu;
    let ops: [Op; 25] = [
        ("relu", &one, &|t| relu(&t[0])),
        ("sigmoid", &one, &|t| sigmoid(&t[0])),
        ("scale", &one, &|t| scale(&t[0], 0.7)),
        ("dropout", &one, &|t| dropout(&t[0], 0.3, 5)),
        ("add", &two, &|t| add(&t[0], &t[1])),
        ("add_relu", &two, &|t| add_relu(&t[0], &t[1])),
        ("gate by channel", &gated, &|t| gate(&t[0], &t[1], true)),
        ("gate by element", &two, &|t| gate(&t[0], &t[1], false)),
        ("concat", &two, &|t| concat(&[&t[0], &t[1]])),
        ("spread", &pixels, &|t| spread(&t[0], [131, 67])),
        ("batch norm", &norm, &|t| {
            // The scaling makes the gradient one that may be changed in place.
            let (y, _) = batch_norm_train(&t[0], &t[1], &t[2], 1e-3, None, relu_after)?;
            scale(&y, 1.1)
        }),
        ("batch norm and sum", &norm_sum, &|t| {
            Ok(batch_norm_train(&t[0], &t[1], &t[2], 1e-3, Some(&t[3]), relu_after)?.0)
        }),
        ("conv, norm and pool", &stem, &|t| {
            Ok(conv_norm_pool(&picture, [&t[0], &t[3]], [&t[1], &t[2]], 1e-3, &geometry)?.0)
        }),
        ("max-pool", &one, &|t| max_pool2d(&t[0], 3, 2, 1)),
        ("average pool", &one, &|t| adaptive_avg_pool2d(&t[0], [5, 6])),
        ("resize", &one, &|t| resize_bilinear(&t[0], [200, 201], Corners::HalfPixel)),
        ("conv", &conv, &|t| conv2d(&t[0], &t[1], Some(&t[2]), &geometry)),
        ("conv of many weights", &wide, &|t| conv2d(&t[0], &t[1], None, &ConvGeometry::default())),
        ("conv by Winograd's method", &square, &|t| conv2d(&t[0], &t[1], None, &geometry)),
        ("cross-entropy", &one, &|t| cross_entropy(&t[0], &targets, &options)),
        ("focal", &one, &|t| focal(&t[0], &targets, &Focal::default())),
        ("ohem", &one, &|t| ohem(&t[0], &targets, &hard)),
        ("dice", &one, &|t| dice(&t[0], &targets, &Dice::default())),
        ("cce_dice", &one, &|t| cce_dice(&t[0], &targets, 255)),
        ("lovasz", &one, &|t| lovasz_softmax(&t[0], &targets, 255)),
    ];
    for op in &ops {
        let of_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bits(op))
        };
        let one = of_threads(1);
        for threads in [2, 3, 7] {
            assert!(of_threads(threads) == one, "{} with {threads} threads", op.0);
        }
    }
}
