use super::halves::{Halves, by_halves, pair};
use super::pooled::Pooled;
use super::*;
use crate::conv::{product, weight_gradient as direct};
use crate::frozen::MaxPool;
use crate::simd::Vector;

fn wave(i: usize) -> f32 {
    ((i * 7919 % 1009) as f32 - 504.0) / 504.0
}

fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| wave(i + seed)).collect()
}

/// The problem, and the same convolved by the definition.
fn problem(
    ([inputs, outputs], kernel): ([usize; 2], usize),
    [stride, dilation, padding]: [usize; 3],
    [h, w]: [usize; 2],
    batch: usize,
) -> Problem {
    let geometry = ConvGeometry::default()
        .with_stride(stride)
        .with_dilation(dilation)
        .with_padding(padding)
        .direct();
    Problem::new((batch, inputs, h, w), (outputs, inputs, kernel, kernel), &geometry).unwrap()
}

/// As a share of the largest result.
fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|v| v.is_finite()), "some are not finite");
    let size = expected.iter().fold(0.0_f32, |size, v| size.max(v.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / size
}

/// Result and gradients against the direct products, on sizes that do not divide: this thread's unit, or plain loops
/// where there is none.
#[test]
fn the_direct_result_and_its_gradients() {
    for (channels, geometry, size, batch) in [
        (([64, 48], 1), [1, 1, 0], [5, 7], 1),
        (([70, 33], 1), [1, 1, 0], [6, 8], 3),
        (([1, 1], 1), [1, 1, 0], [1, 1], 1),
        (([600, 65], 1), [1, 1, 0], [9, 33], 2),
        (([1050, 40], 1), [1, 1, 0], [4, 8], 1),
        (([40, 70], 1), [2, 1, 0], [9, 12], 2),
        (([33, 50], 3), [1, 1, 1], [7, 16], 1),
        (([33, 50], 3), [1, 2, 2], [6, 32], 1),
        (([20, 34], 3), [2, 1, 1], [13, 64], 2),
        (([20, 34], 3), [2, 1, 1], [12, 11], 1),
        (([9, 48], 5), [1, 1, 0], [21, 22], 1),
        (([8, 48], 3), [3, 2, 1], [17, 18], 1),
        (([32, 32], 1), [1, 1, 0], [40, 64], 1),
        // Shifts: rows that are whole runs or not, few and many blocks and bands, zeros around and none.
        (([64, 48], 3), [1, 1, 1], [7, 16], 1),
        (([50, 70], 3), [1, 2, 2], [6, 21], 2),
        (([96, 40], 3), [1, 4, 4], [9, 40], 1),
        (([32, 33], 3), [1, 1, 0], [5, 7], 3),
        (([30, 600], 3), [1, 1, 1], [3, 5], 1),
        (([100, 31], 3), [1, 2, 1], [11, 18], 1),
        (([64, 64], 3), [1, 1, 3], [4, 17], 1),
        (([32, 32], 2), [1, 1, 0], [34, 33], 1),
    ] {
        let p = problem(channels, geometry, size, batch);
        // What scratch buffers hold does not matter.
        rayon::broadcast(|_| Scratch::<f32>::new(1 << 21).values().fill(f32::NAN));
        let x = values(batch * p.inputs * p.input_pixels(), 1);
        let weight = values(p.outputs * p.inputs * p.kernel_size(), 2);
        let bias = values(p.outputs, 3);
        let gy = values(batch * p.outputs * p.output_pixels(), 4);
        let after = After { bias: Some(&bias), ..After::default() };
        let y = SplitProduct::forward(&p).run_batch(&SplitProduct::weights(&p, &weight), &x, after);
        let off = distance(&y, &product::forward(&p, &x, &weight, Some(&bias)));
        assert!(off < 3e-5, "{p:?}: {off}");
        let (product, turned) = SplitProduct::input_gradient(&p, &weight);
        let gx = product.run_batch(&turned, &gy, After::default());
        let off = distance(&gx, &product::input_gradient(&p, &weight, &gy));
        assert!(off < 3e-5, "gradient of {p:?}: {off}");
        let gw = weight_gradient::sum(&p, &x, &gy);
        let off = distance(&gw, &direct::weight_gradient(&p, &x, &gy));
        assert!(off < 3e-5, "gradient of the weights, {p:?}: {off}");
    }
}

/// What follows a convolution, on whole tiles and on parts of tiles.
#[test]
fn residual_and_relu_follow() {
    let p = problem(([70, 40], 1), [1, 1, 0], [10, 10], 1);
    let (x, weight, residual) = (values(7000, 1), values(2800, 2), values(4000, 3));
    let after = After { bias: None, residual: Some(&residual), relu: true };
    let y = SplitProduct::forward(&p).run_batch(&SplitProduct::weights(&p, &weight), &x, after);
    let plain = product::forward(&p, &x, &weight, None);
    let expected: Vec<f32> = plain.iter().zip(&residual).map(|(a, b)| (a + b).max(0.0)).collect();
    assert!(distance(&y, &expected) < 1e-5);
}

/// Pooled, too: on runs and bands that are whole or not, even and odd sizes, one block of taps and two.
#[test]
fn a_pooling_takes_the_largest_of_the_direct_result() {
    for (channels, geometry, size) in [
        (([3, 64], 3), [1, 1, 1], [64, 96]),
        (([3, 64], 3), [1, 1, 1], [130, 67]),
        (([3, 48], 3), [1, 1, 0], [19, 36]),
        (([5, 70], 3), [1, 2, 2], [9, 33]),
        (([1, 33], 1), [1, 1, 0], [2, 2]),
        (([4, 32], 3), [1, 1, 2], [3, 5]),
    ] {
        let p = problem(channels, geometry, size, 1);
        rayon::broadcast(|_| Scratch::<f32>::new(1 << 21).values().fill(f32::NAN));
        let x = values(p.inputs * p.input_pixels(), 1);
        let weight = values(p.outputs * p.inputs * p.kernel_size(), 2);
        let bias = values(p.outputs, 3);
        let window = MaxPool { kernel: 2, stride: 2, padding: 0 };
        let plan = Pooled::new(&p, window).unwrap();
        let [h, w] = plan.output();
        let pooled = |x: &[f32]| {
            let after = After { bias: Some(&bias), residual: None, relu: true };
            let mut y = vec![f32::NAN; p.outputs * h * w];
            plan.run(&Pooled::weights(&p, &weight), x, after, &mut y);
            y
        };
        let largest = |x: &[f32]| {
            let map = product::forward(&p, x, &weight, Some(&bias));
            let mut y = vec![f32::NAN; p.outputs * h * w];
            for (y, map) in y.chunks_exact_mut(h * w).zip(map.chunks_exact(p.output_pixels())) {
                window.map(map, p.output, 0..h, y, w);
            }
            y
        };
        let expected: Vec<f32> = largest(&x).into_iter().map(|v| v.max(0.0)).collect();
        let off = distance(&pooled(&x), &expected);
        assert!(off < 1e-5, "{p:?}: {off}");

        // What is not a number is in all windows that see it.
        let mut x = x;
        x[p.input_pixels() / 2] = f32::NAN;
        let is_nan = |y: Vec<f32>| y.into_iter().map(f32::is_nan).collect::<Vec<_>>();
        assert!(is_nan(pooled(&x)) == is_nan(largest(&x)), "{p:?}");
    }
}

#[test]
fn nothing_that_is_not_finite_is_hidden() {
    let p = problem(([64, 48], 1), [1, 1, 0], [4, 8], 1);
    let weight = vec![0.5; 64 * 48];
    for bad in [
        f32::NAN,
        -f32::NAN,
        f32::from_bits(0x7fff_ffff),
        f32::from_bits(0x7f80_0001),
        f32::INFINITY,
    ] {
        let mut x = vec![1.0; 64 * 32];
        x[5] = bad;
        let packed = SplitProduct::weights(&p, &weight);
        let y = SplitProduct::forward(&p).run_batch(&packed, &x, After::default());
        assert!(y.iter().enumerate().all(|(i, v)| v.is_finite() != (i % 32 == 5)), "{bad}");
    }
}

/// Both vectors that split give the bits of the plain rule: halves that are within 2^-17 of the number together.
#[test]
fn halves_are_nearest() {
    let numbers =
        [1.0, -1.0, 0.0, 1.003_906_2, 1.003_906_4, 3.300_000_2, -2.5e-30, 65_504.0, 1e-40, 7.0e37];
    let first: [f32; 16] = std::array::from_fn(|i| numbers[i % 10]);
    let second: [f32; 16] = std::array::from_fn(|i| wave(i) * 3.0);
    for (i, (a, b)) in first.into_iter().zip(second).enumerate() {
        let plain = <[f32; 8] as Halves>::halves([[a; 8], [b; 8]]);
        let [high, low] = plain.map(|half| pair(half[0]));
        for (number, half) in [a, b].into_iter().zip([0, 1]) {
            let off = (number - high[half] - low[half]).abs();
            assert!(off <= number.abs() / 131_072.0 || number.is_subnormal(), "{number}: {off}");
        }
        let mut fast = [[0.0; 16]; 2];
        split_by_unit(&first, &second, &mut fast);
        assert_eq!(
            fast.map(|half| half[i].to_bits()),
            plain.map(|half| half[0].to_bits()),
            "{a} {b}"
        );
    }
}

/// By the vector that the unit's panels are packed with.
fn split_by_unit(first: &[f32; 16], second: &[f32; 16], to: &mut [[f32; 16]; 2]) {
    by_halves!(V => for at in (0..16).step_by(V::LANES) {
        let halves = V::halves([V::load(&first[at..]), V::load(&second[at..])]);
        halves[0].store(&mut to[0][at..]);
        halves[1].store(&mut to[1][at..]);
    });
}
