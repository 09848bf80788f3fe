//! What fast methods cost in exactness: every 3x3 layer of the networks that Winograd's method computes, and layers
//! that a matrix unit computes where there is one, against the definition in `f64`. `-- --nocapture` prints the tables.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

use std::env;
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use canet_ops::frozen::{After, FrozenConv};
use canet_ops::{Algorithm, ConvGeometry, Value, conv2d, instruction_set};

/// Inputs, outputs and dilation of the layers of CANet on ResNet-18, -50 and -101, and of the
/// assignment's network.
const LAYERS: [[usize; 3]; 18] = [
    [64, 64, 1],
    [64, 128, 1],
    [128, 128, 1],
    [128, 256, 2],
    [256, 256, 1],
    [256, 256, 2],
    [256, 512, 4],
    [512, 512, 2],
    [512, 512, 4],
    [512, 256, 1],
    [304, 256, 1],
    [112, 256, 1],
    [256, 48, 1],
    [64, 48, 1],
    [32, 32, 1],
    [32, 64, 1],
    [96, 32, 1],
    [2048, 512, 1],
];

/// Inputs, outputs, kernel and stride of layers that a matrix unit computes: of CANet on ResNet-50, the strided ones, and those
/// of the assignment's network.
const UNIT_LAYERS: [[usize; 4]; 22] = [
    [64, 256, 1, 1],
    [128, 64, 1, 1],
    [128, 512, 1, 1],
    [256, 64, 1, 1],
    [256, 512, 1, 2],
    [512, 128, 1, 1],
    [512, 1024, 1, 1],
    [512, 2048, 1, 1],
    [1024, 256, 1, 1],
    [1024, 2048, 1, 1],
    [2048, 512, 1, 1],
    [2560, 512, 1, 1],
    [64, 128, 3, 2],
    [128, 128, 3, 2],
    [64, 64, 3, 1],
    [256, 48, 3, 1],
    [256, 256, 3, 1],
    [304, 256, 3, 1],
    [512, 512, 3, 1],
    [64, 32, 1, 1],
    [32, 32, 3, 1],
    [96, 32, 3, 1],
];

/// The largest error of each method, as a share of the largest result.
const BOUND: f64 = 1e-4;
/// That of the matrix unit.
const UNIT_BOUND: f64 = 1e-5;

/// About normal: the sum of twelve even draws of a linear congruential generator.
fn normal(len: usize, seed: u64, scale: f64) -> Vec<f64> {
    let mut state = seed;
    let mut draw = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..len).map(|_| ((0..12).map(|_| draw()).sum::<f64>() - 6.0) * scale).collect()
}

/// The result in `f64`, of `f32` inputs.
fn result(x: &Tensor, weight: &Tensor, dtype: DType, geometry: &ConvGeometry) -> Vec<f64> {
    let value = |t: &Tensor| Value::from(t.to_dtype(DType::F32).unwrap().to_dtype(dtype).unwrap());
    let y = conv2d(&value(x), &value(weight), None, geometry).unwrap();
    y.tensor().to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The same of a network that only predicts, in `f32`.
fn frozen(x: &Tensor, weight: &Tensor, _: DType, geometry: &ConvGeometry) -> Vec<f64> {
    let values = |t: &Tensor| {
        t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let (o, i, kh, kw) = weight.dims4().unwrap();
    let (_, _, h, w) = x.dims4().unwrap();
    let conv = FrozenConv::new(values(weight), [o, i, kh, kw], vec![0.0; o], *geometry).unwrap();
    let plan = conv.plan([h, w], geometry.padding).unwrap();
    let mut y = vec![f32::NAN; o * plan.output()[0] * plan.output()[1]];
    let mut workspace = vec![f32::NAN; plan.workspace()];
    plan.run(&conv, &values(x), After::default(), &mut y, &mut workspace);
    y.into_iter().map(f64::from).collect()
}

/// Computes a convolution.
type Method = fn(&Tensor, &Tensor, DType, &ConvGeometry) -> Vec<f64>;

/// The largest error of the fastest method and of the definition in `f32`, as a share of the largest result.
fn errors(
    method: Method,
    [inputs, outputs, kernel]: [usize; 3],
    fastest: ConvGeometry,
) -> [f64; 2] {
    let direct = ConvGeometry { algorithm: Algorithm::Direct, ..fastest };
    let (side, filter) = (20, kernel * kernel);
    // He's weights, for inputs after a ReLU.
    let scale = (2.0 / (filter * inputs) as f64).sqrt();
    let x: Vec<f64> = normal(inputs * side * side, 1, 1.0).iter().map(|v| v.max(0.0)).collect();
    let x = Tensor::from_vec(x, (1, inputs, side, side), &Device::Cpu).unwrap();
    let weight = normal(outputs * inputs * filter, 2, scale);
    let weight = Tensor::from_vec(weight, (outputs, inputs, kernel, kernel), &Device::Cpu).unwrap();
    let exact = result(&x, &weight, DType::F64, &direct);
    let size = exact.iter().map(|v| v.abs()).fold(0.0, f64::max);
    [fastest, direct].map(|geometry| {
        let found = method(&x, &weight, DType::F32, &geometry);
        found.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
    })
}

#[test]
fn every_layer_of_winograds_is_within_its_bound() {
    if instruction_set() == "amx" {
        // The unit computes most of these layers: once more, without it.
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["every_layer_of_winograds_is_within_its_bound", "--exact", "--nocapture"]);
        assert!(again.env("CANET_SIMD", "avx512").status().unwrap().success());
        return;
    }
    println!("inputs outputs dilation  Winograd    direct");
    let mut worst = 0.0_f64;
    for [inputs, outputs, dilation] in LAYERS {
        let geometry = ConvGeometry::default().with_padding(dilation).with_dilation(dilation);
        let [winograd, direct] = errors(result, [inputs, outputs, 3], geometry);
        println!("{inputs:>6} {outputs:>7} {dilation:>8} {winograd:>9.1e} {direct:>9.1e}");
        assert!(winograd > direct, "this layer was not computed by Winograd's method");
        assert!(winograd <= BOUND, "{inputs} to {outputs}, dilation {dilation}: {winograd:.1e}");
        worst = worst.max(winograd);
    }
    println!("worst: {worst:.1e}");
}

#[test]
fn every_layer_of_the_matrix_unit_is_within_its_bound() {
    println!("inputs outputs kernel stride   fastest    direct  ({})", instruction_set());
    let mut worst = 0.0_f64;
    for [inputs, outputs, kernel, stride] in UNIT_LAYERS {
        let geometry = ConvGeometry::default().with_padding(kernel / 2).with_stride(stride);
        let [fastest, direct] = errors(frozen, [inputs, outputs, kernel], geometry);
        println!("{inputs:>6} {outputs:>7} {kernel:>6} {stride:>6} {fastest:>9.1e} {direct:>9.1e}");
        let has_unit = instruction_set() == "amx";
        let is_winograds = !has_unit && [kernel, stride] == [3, 1];
        assert_eq!(fastest > direct, has_unit || is_winograds, "another method than expected");
        let bound = if has_unit { UNIT_BOUND } else { BOUND };
        assert!(fastest <= bound, "{inputs} to {outputs}, {kernel}x{kernel}: {fastest:.1e}");
        worst = worst.max(fastest);
    }
    println!("worst: {worst:.1e}");
}
