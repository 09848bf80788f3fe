//! The transforms of F(4x4, 3x3) and of its gradients: Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks" (arXiv 1509.09308), with the points 0, 1, -1, 2, -2 and infinity.
//!
//! Each is a small matrix, applied along one axis and then along the other, to a vector of
//! tiles at a time.

use crate::real::Real;
use crate::simd::Vector;

/// Side of an input tile; there are as many frequencies, squared.
pub(super) const SIDE: usize = 6;
/// Side of an output tile.
pub(super) const STEP: usize = 4;
/// Products that stand for one output tile.
pub(super) const FREQUENCIES: usize = SIDE * SIDE;

#[inline(always)]
fn constant<T: Real, V: Vector<T>>(value: f64) -> V {
    V::splat(T::of_f64(value))
}

/// `B^T x`: six input values to six frequencies.
#[inline(always)]
fn input<T: Real, V: Vector<T>>([x0, x1, x2, x3, x4, x5]: [V; SIDE]) -> [V; SIDE] {
    let (two, four, minus_four, minus_five) = (
        constant::<T, V>(2.0),
        constant::<T, V>(4.0),
        constant::<T, V>(-4.0),
        constant::<T, V>(-5.0),
    );
    let zero = constant::<T, V>(0.0);
    let (even, odd) = (minus_four.fma(x2, x4), minus_four.fma(x1, x3));
    let (even_half, odd_double) = (x4.sub(x2), two.fma(x3.sub(x1), zero));
    [
        four.fma(x0, minus_five.fma(x2, x4)),
        even.add(odd),
        even.sub(odd),
        even_half.add(odd_double),
        even_half.sub(odd_double),
        four.fma(x1, minus_five.fma(x3, x5)),
    ]
}

/// `A^T m`: six frequencies to four output values.
#[inline(always)]
fn output<T: Real, V: Vector<T>>([m0, m1, m2, m3, m4, m5]: [V; SIDE]) -> [V; STEP] {
    let (two, four, eight) = (constant::<T, V>(2.0), constant::<T, V>(4.0), constant::<T, V>(8.0));
    let (near, near_odd) = (m1.add(m2), m1.sub(m2));
    let (far, far_odd) = (m3.add(m4), m3.sub(m4));
    [
        m0.add(near).add(far),
        two.fma(far_odd, near_odd),
        four.fma(far, near),
        eight.fma(far_odd, near_odd).add(m5),
    ]
}

/// `A y`, the transpose of [`output`]: four gradients of outputs to six frequencies.
#[inline(always)]
fn gradient<T: Real, V: Vector<T>>([y0, y1, y2, y3]: [V; STEP]) -> [V; SIDE] {
    let (two, four) = (constant::<T, V>(2.0), constant::<T, V>(4.0));
    let (even, odd) = (y0.add(y2), y1.add(y3));
    let (even_far, odd_far) = (four.fma(y2, y0), two.fma(four.fma(y3, y1), constant::<T, V>(0.0)));
    [y0, even.add(odd), even.sub(odd), even_far.add(odd_far), even_far.sub(odd_far), y3]
}

/// `G^T u`, the transpose of [`filter`]: six frequencies to three weights.
#[inline(always)]
fn weight_gradient<T: Real, V: Vector<T>>(u: [V; SIDE]) -> [V; 3] {
    let of = constant::<T, V>;
    let (near, far) = (u[1].add(u[2]), u[3].add(u[4]));
    let (near_odd, far_odd) = (u[2].sub(u[1]), u[3].sub(u[4]));
    let (zero, sixth) = (of(0.0), of(1.0 / 6.0));
    [
        of(0.25).fma(u[0], of(1.0 / 24.0).fma(far, of(-1.0 / 6.0).fma(near, zero))),
        sixth.fma(near_odd, of(1.0 / 12.0).fma(far_odd, zero)),
        sixth.fma(far.sub(near), u[5]),
    ]
}

/// `G w`: three weights to six frequencies.
#[inline(always)]
fn filter<T: Real, V: Vector<T>>([w0, w1, w2]: [V; 3]) -> [V; SIDE] {
    let of = constant::<T, V>;
    let zero = of(0.0);
    let (near, middle) = (of(-1.0 / 6.0).fma(w0.add(w2), zero), of(-1.0 / 6.0).fma(w1, zero));
    let far = of(1.0 / 6.0).fma(w2, of(1.0 / 24.0).fma(w0, zero));
    let far_middle = of(1.0 / 12.0).fma(w1, zero);
    [
        of(0.25).fma(w0, zero),
        near.add(middle),
        near.sub(middle),
        far.add(far_middle),
        far.sub(far_middle),
        w2,
    ]
}

/// Two-dimensional input tiles, a vector of them: rows first, then columns. `x[i][j]` is row `i`,
/// column `j`; the frequency of row `a` and column `b` goes to `put(a * SIDE + b, _)`.
#[inline(always)]
pub(super) fn input_tiles<T: Real, V: Vector<T>>(
    x: &[[V; SIDE]; SIDE],
    mut put: impl FnMut(usize, V),
) {
    let mut rows = *x;
    for j in 0..SIDE {
        let column = input([x[0][j], x[1][j], x[2][j], x[3][j], x[4][j], x[5][j]]);
        for a in 0..SIDE {
            rows[a][j] = column[a];
        }
    }
    for (a, row) in rows.into_iter().enumerate() {
        for (b, value) in input(row).into_iter().enumerate() {
            put(a * SIDE + b, value);
        }
    }
}

/// Two-dimensional tiles of the gradient of outputs; only the first [`STEP`] rows and columns count.
#[inline(always)]
pub(super) fn gradient_tiles<T: Real, V: Vector<T>>(
    y: &[[V; SIDE]; SIDE],
    mut put: impl FnMut(usize, V),
) {
    let mut rows = *y;
    for j in 0..STEP {
        let column = gradient([y[0][j], y[1][j], y[2][j], y[3][j]]);
        for a in 0..SIDE {
            rows[a][j] = column[a];
        }
    }
    for (a, row) in rows.into_iter().enumerate() {
        let row = gradient([row[0], row[1], row[2], row[3]]);
        for (b, value) in row.into_iter().enumerate() {
            put(a * SIDE + b, value);
        }
    }
}

/// The gradients of a vector of 3x3 filters from those of their frequencies.
#[inline(always)]
pub(super) fn weight_gradient_tiles<T: Real, V: Vector<T>>(at: impl Fn(usize) -> V) -> [[V; 3]; 3] {
    let [mut row0, mut row1, mut row2] = [[V::splat(T::ZERO); SIDE]; 3];
    for b in 0..SIDE {
        [row0[b], row1[b], row2[b]] =
            weight_gradient([at(b), at(b + 6), at(b + 12), at(b + 18), at(b + 24), at(b + 30)]);
    }
    [weight_gradient(row0), weight_gradient(row1), weight_gradient(row2)]
}

/// Two-dimensional output tiles, a vector of them; frequencies as in [`input_tiles`].
#[inline(always)]
pub(super) fn output_tiles<T: Real, V: Vector<T>>(at: impl Fn(usize) -> V) -> [[V; STEP]; STEP] {
    let [mut row0, mut row1, mut row2, mut row3] = [[V::splat(T::ZERO); SIDE]; STEP];
    for b in 0..SIDE {
        [row0[b], row1[b], row2[b], row3[b]] =
            output([at(b), at(b + 6), at(b + 12), at(b + 18), at(b + 24), at(b + 30)]);
    }
    [output(row0), output(row1), output(row2), output(row3)]
}

/// A vector of 3x3 filters, tap by tap; frequencies as in [`input_tiles`].
#[inline(always)]
pub(super) fn filter_tiles<T: Real, V: Vector<T>>(w: &[V; 9], mut put: impl FnMut(usize, V)) {
    let mut rows = [[V::splat(T::ZERO); 3]; SIDE];
    for k in 0..3 {
        let column = filter([w[k], w[3 + k], w[6 + k]]);
        for a in 0..SIDE {
            rows[a][k] = column[a];
        }
    }
    for (a, row) in rows.into_iter().enumerate() {
        for (b, value) in filter(row).into_iter().enumerate() {
            put(a * SIDE + b, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tiles against the convolution's definition, in f64.
    #[test]
    fn a_tile_is_a_convolution() {
        type V = [f64; 8];
        let wave = |i: usize| ((i * 29 % 17) as f64 - 8.0) / 4.0;
        let x: [[V; SIDE]; SIDE] = std::array::from_fn(|i| {
            std::array::from_fn(|j| std::array::from_fn(|l| wave(i * 7 + j * 3 + l)))
        });
        let w: [f64; 9] = std::array::from_fn(|k| wave(k + 4));
        let mut products = [[0.0; 8]; FREQUENCIES];
        input_tiles::<f64, V>(&x, |f, v| products[f] = v);
        filter_tiles::<f64, V>(&w.map(V::splat), |f, u| {
            products[f].iter_mut().zip(u).for_each(|(m, u)| *m *= u);
        });
        let y = output_tiles::<f64, V>(|f| products[f]);
        for (i, j, l) in (0..STEP * STEP * 8).map(|n| (n / 8 / STEP, n / 8 % STEP, n % 8)) {
            let terms = (0..9).map(|k| w[k] * x[i + k / 3][j + k % 3][l]);
            assert!((y[i][j][l] - terms.sum::<f64>()).abs() < 1e-12, "({i}, {j}) {l}");
        }
    }
}
