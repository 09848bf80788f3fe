//! Vectors for the few kernels whose data has to be shuffled, which the compiler does badly alone.
//!
//! The methods are inlined into code that was compiled for the instruction set, see
//! [`super::vectorised`]; a vector of an instruction set is used nowhere else.

use crate::real::Real;

/// Some values that are worked on at once.
pub(crate) trait Vector<T: Real>: Copy {
    /// How many.
    const LANES: usize;

    fn splat(value: T) -> Self;
    /// The first of `from`.
    ///
    /// # Panics
    /// If there are too few.
    fn load(from: &[T]) -> Self;
    /// To the first of `to`.
    ///
    /// # Panics
    /// If there is too little room.
    fn store(self, to: &mut [T]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    /// `self * a + b`.
    fn fma(self, a: Self, b: Self) -> Self;
    /// The larger of each value and 0; NaN stays, so that it is not hidden.
    fn relu(self) -> Self;
    /// Sorts the first `2 * LANES` of `from`: those at even places, those at odd ones.
    fn load_by_two(from: &[T]) -> [Self; 2];
    /// The reverse of [`Self::load_by_two`].
    fn store_by_two(values: [Self; 2], to: &mut [T]);
    /// Sorts the first `4 * LANES` of `from` by their place modulo 4.
    fn load_by_four(from: &[T]) -> [Self; 4];
    /// The reverse of [`Self::load_by_four`].
    fn store_by_four(values: [Self; 4], to: &mut [T]);
    /// The lanes that the first of `places` name, modulo the number of lanes.
    fn look_up(self, places: &[u32]) -> Self;
    /// Transposes the square matrix that the first `LANES` of `rows` are.
    fn transpose(rows: &mut [Self; MOST_LANES]);
}

/// Calls a generic function with the type of numbers, the vector of this processor, and the width
/// of a panel (two or three vectors).
macro_rules! by_vector {
    ($T:ident, $($path:ident).+ ($($argument:expr),* $(,)?)) => {
        match ($crate::conv::tile::TileShape::of::<$T>().columns, $crate::simd::Isa::detect()) {
            (48, _) => $($path).+::<$T, $T::Wide, 48>($($argument),*),
            (_, $crate::simd::Isa::Portable) => $($path).+::<$T, [$T; 8], 16>($($argument),*),
            _ => $($path).+::<$T, $T::Narrow, 16>($($argument),*),
        }
    };
}
pub(crate) use by_vector;

/// A vector from `at` on, with zeros after the end of the source.
#[inline(always)]
pub(crate) fn load_within<T: Real, V: Vector<T>>(source: &[T], at: usize) -> V {
    if at + V::LANES <= source.len() {
        return V::load(&source[at..]);
    }
    let mut lanes = [T::ZERO; MOST_LANES];
    lanes.iter_mut().zip(&source[at..]).for_each(|(to, &from)| *to = from);
    V::load(&lanes)
}

/// Lanes of the widest vector.
pub(crate) const MOST_LANES: usize = 16;
/// Lanes of the plain vector.
pub(super) const PLAIN: usize = 8;

/// What the compiler makes of it.
impl<T: Real> Vector<T> for [T; PLAIN] {
    const LANES: usize = PLAIN;

    #[inline(always)]
    fn splat(value: T) -> Self {
        [value; PLAIN]
    }
    #[inline(always)]
    fn load(from: &[T]) -> Self {
        let mut lanes = [T::ZERO; PLAIN];
        lanes.copy_from_slice(&from[..PLAIN]);
        lanes
    }
    #[inline(always)]
    fn store(self, to: &mut [T]) {
        to[..PLAIN].copy_from_slice(&self);
    }
    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for l in 0..PLAIN {
            self[l] += other[l];
        }
        self
    }
    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for l in 0..PLAIN {
            self[l] -= other[l];
        }
        self
    }
    #[inline(always)]
    fn fma(mut self, a: Self, b: Self) -> Self {
        for l in 0..PLAIN {
            self[l] = self[l].fma(a[l], b[l]);
        }
        self
    }
    #[inline(always)]
    fn relu(mut self) -> Self {
        for lane in &mut self {
            *lane = lane.larger(T::ZERO);
        }
        self
    }
    #[inline(always)]
    fn load_by_two(from: &[T]) -> [Self; 2] {
        let pairs = from[..2 * PLAIN].as_chunks::<2>().0;
        let mut values = [[T::ZERO; PLAIN]; 2];
        for l in 0..PLAIN {
            for j in 0..2 {
                values[j][l] = pairs[l][j];
            }
        }
        values
    }
    #[inline(always)]
    fn store_by_two(values: [Self; 2], to: &mut [T]) {
        let pairs = to[..2 * PLAIN].as_chunks_mut::<2>().0;
        for l in 0..PLAIN {
            for j in 0..2 {
                pairs[l][j] = values[j][l];
            }
        }
    }
    #[inline(always)]
    fn load_by_four(from: &[T]) -> [Self; 4] {
        let quads = &from[..4 * PLAIN].as_chunks::<4>().0;
        let mut values = [[T::ZERO; PLAIN]; 4];
        for l in 0..PLAIN {
            for j in 0..4 {
                values[j][l] = quads[l][j];
            }
        }
        values
    }
    #[inline(always)]
    fn store_by_four(values: [Self; 4], to: &mut [T]) {
        let quads = to[..4 * PLAIN].as_chunks_mut::<4>().0;
        for l in 0..PLAIN {
            for j in 0..4 {
                quads[l][j] = values[j][l];
            }
        }
    }
    #[inline(always)]
    fn look_up(self, places: &[u32]) -> Self {
        let mut lanes = self;
        lanes
            .iter_mut()
            .zip(&places[..PLAIN])
            .for_each(|(to, &at)| *to = self[at as usize % PLAIN]);
        lanes
    }
    #[inline(always)]
    fn transpose(rows: &mut [Self; MOST_LANES]) {
        let from = *rows;
        for i in 0..PLAIN {
            for j in 0..PLAIN {
                rows[i][j] = from[j][i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{self, Isa};

    fn check<V: Vector<f32>>() {
        let lanes = V::LANES;
        let from: Vec<f32> = (0..4 * lanes as u16).map(f32::from).collect();
        let values = V::load_by_four(&from);
        for (j, value) in values.into_iter().enumerate() {
            let mut to = vec![0.0; lanes];
            value.store(&mut to);
            let expected: Vec<f32> = (0..lanes).map(|l| (4 * l + j) as f32).collect();
            assert_eq!(to, expected, "place {j}");
        }
        let mut back = vec![0.0; 4 * lanes];
        V::store_by_four(values, &mut back);
        assert_eq!(back, from);
        let pairs = V::load_by_two(&from);
        for (j, value) in pairs.into_iter().enumerate() {
            let mut to = vec![0.0; lanes];
            value.store(&mut to);
            let expected: Vec<f32> = (0..lanes).map(|l| (2 * l + j) as f32).collect();
            assert_eq!(to, expected, "place {j}");
        }
        let mut back = vec![0.0; 2 * lanes];
        V::store_by_two(pairs, &mut back);
        assert_eq!(back, from[..2 * lanes]);
        let places: Vec<u32> = (0..lanes as u32).map(|l| (3 * l + 1) % lanes as u32).collect();
        let mut to = vec![0.0; lanes];
        V::load(&from).look_up(&places).store(&mut to);
        let expected: Vec<f32> = places.iter().map(|&at| from[at as usize]).collect();
        assert_eq!(to, expected);
        let mut rows = [V::splat(0.0); MOST_LANES];
        for (i, row) in rows.iter_mut().enumerate().take(lanes) {
            let values: Vec<f32> = (0..lanes).map(|j| (100 * i + j) as f32).collect();
            *row = V::load(&values);
        }
        V::transpose(&mut rows);
        for (i, row) in rows.into_iter().enumerate().take(lanes) {
            let mut to = vec![0.0; lanes];
            row.store(&mut to);
            let expected: Vec<f32> = (0..lanes).map(|j| (100 * j + i) as f32).collect();
            assert_eq!(to, expected, "row {i}");
        }
        let three = V::splat(3.0);
        let mut to = vec![0.0; lanes];
        V::load(&from).fma(three, three.add(three)).sub(three).store(&mut to);
        let expected: Vec<f32> = (0..lanes).map(|l| 3.0 * l as f32 + 3.0).collect();
        assert_eq!(to, expected);
    }

    #[test]
    fn vectors_agree_with_plain_arrays() {
        check::<[f32; PLAIN]>();
        for isa in Isa::supported() {
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => check::<simd::Wide>(),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => check::<simd::Narrow>(),
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => check::<simd::Narrow>(),
                Isa::Portable => {}
            }
        }
    }
}
