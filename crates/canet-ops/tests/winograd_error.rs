//! What Winograd's method costs in exactness: every 3x3 layer of the networks that it computes, against
//! the definition in `f64`. `-- --nocapture` prints the table.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

use candle_core::{DType, Device, Tensor};
use canet_ops::{Algorithm, ConvGeometry, Value, conv2d};

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

/// The largest error of each method, as a share of the largest result.
const BOUND: f64 = 1e-4;

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

#[test]
fn every_layer_is_within_its_bound() {
    println!(
        "{:>6} {:>7} {:>8}   {:>9} {:>9}",
        "inputs", "outputs", "dilation", "Winograd", "direct"
    );
    let mut worst = 0.0_f64;
    for [inputs, outputs, dilation] in LAYERS {
        let fastest = ConvGeometry::default().with_padding(dilation).with_dilation(dilation);
        let direct = ConvGeometry { algorithm: Algorithm::Direct, ..fastest };
        let side = 20;
        // He's weights, for inputs after a ReLU.
        let scale = (2.0 / (9 * inputs) as f64).sqrt();
        let x: Vec<f64> = normal(inputs * side * side, 1, 1.0).iter().map(|v| v.max(0.0)).collect();
        let x = Tensor::from_vec(x, (1, inputs, side, side), &Device::Cpu).unwrap();
        let weight = normal(outputs * inputs * 9, 2, scale);
        let weight = Tensor::from_vec(weight, (outputs, inputs, 3, 3), &Device::Cpu).unwrap();
        let exact = result(&x, &weight, DType::F64, &direct);
        let size = exact.iter().map(|v| v.abs()).fold(0.0, f64::max);
        let [winograd, direct] = [fastest, direct].map(|geometry| {
            let found = result(&x, &weight, DType::F32, &geometry);
            found.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
        });
        println!("{inputs:>6} {outputs:>7} {dilation:>8}   {winograd:>9.1e} {direct:>9.1e}");
        assert!(winograd > direct, "this layer was not computed by Winograd's method");
        assert!(winograd <= BOUND, "{inputs} to {outputs}, dilation {dilation}: {winograd:.1e}");
        worst = worst.max(winograd);
    }
    println!("worst: {worst:.1e}");
}
