use super::*;
use crate::conv::product::{Product, Weights};
use crate::geometry::ConvGeometry;

/// The convolution by panels, which is what so many outputs are multiplied by, in place, and in
/// place with a pooling: all to the bit.
fn compare<T: Real>(input: [usize; 2], kernel: [usize; 2], geometry: &ConvGeometry) {
    const OUTPUTS: usize = 70;
    let inputs = 5;
    let p = Problem::new(
        (1, inputs, input[0], input[1]),
        (OUTPUTS, inputs, kernel[0], kernel[1]),
        geometry,
    )
    .unwrap();
    let values = |len: usize| -> Vec<T> {
        (0..len).map(|i| T::of_f64((i * 7919 % 1009) as f64 / 504.0 - 1.0)).collect()
    };
    let x = values(inputs * p.input_pixels());
    let bias = values(OUTPUTS);
    let taps = inputs * kernel[0] * kernel[1];
    let weights = Weights::forward(&values(OUTPUTS * taps), 1, taps);
    let after = After { bias: Some(&bias), residual: None, relu: true };
    let product = Product::forward::<T>(&p);
    let mut packed = vec![T::ZERO; OUTPUTS * p.output_pixels()];
    product.run(&weights, &x, after, &mut packed, &mut vec![T::ZERO; product.workspace()]);

    let case = format!("{input:?} by {kernel:?}, {geometry:?}");
    if let Some(in_place) = InPlace::new::<T>(&p) {
        let mut y = vec![T::of_f64(f64::NAN); packed.len()];
        in_place.run(weights.bands(), &x, after, &mut y);
        assert!(y == packed, "{case}");
    } else {
        assert_eq!((kernel, geometry.padding), ([1, 1], [[0; 2]; 2]), "{case}");
    }
    for pool in [[2, 2, 0], [3, 2, 1], [3, 3, 0]] {
        let [kernel, stride, padding] = pool;
        let window = MaxPool { kernel, stride, padding };
        let in_place = InPlace::pooled::<T>(&p, window).unwrap().unwrap();
        let [h, w] = in_place.output();
        let mut y = vec![T::of_f64(f64::NAN); OUTPUTS * h * w];
        in_place.run(weights.bands(), &x, after, &mut y);
        let maps = packed.chunks_exact(p.output_pixels());
        for (y, map) in y.chunks_exact(h * w).zip(maps) {
            let mut expected = vec![T::ZERO; h * w];
            let held = window.reach(0..h, p.output[0]);
            window.map(&map[..held.len() * p.output[1]], p.output, 0..h, &mut expected, w);
            assert!(y == expected, "{case}, {window:?}");
        }
    }
}

#[test]
fn panels_and_places_give_the_same_bits() {
    let plain = ConvGeometry::default();
    for (kernel, geometry) in [
        ([1, 1], plain),
        ([1, 1], plain.with_stride(2)),
        ([3, 3], plain.with_padding(1)),
        ([3, 3], plain.with_padding(1).with_stride(2)),
        ([3, 3], plain.with_padding(4).with_dilation(4)),
        ([3, 3], plain.with_padding(2).with_dilation(2).with_stride(2)),
        ([7, 1], ConvGeometry { padding: [[3, 3], [0, 0]], ..plain }),
        ([1, 7], ConvGeometry { padding: [[0, 0], [3, 3]], ..plain }),
        ([2, 5], ConvGeometry { padding: [[0, 1], [4, 0]], ..plain }),
    ] {
        for input in [[9, 16], [13, 50], [31, 97], [64, 48]] {
            compare::<f32>(input, kernel, &geometry);
            compare::<f64>(input, kernel, &geometry);
        }
    }
}
