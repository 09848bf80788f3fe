//! Vectors of `AArch64`. NEON has 128 bits; two of them make the eight lanes that kernels work on.

#![expect(unsafe_code, reason = "intrinsics are unsafe outside code compiled for them")]

use std::arch::aarch64::{
    float32x4_t, float32x4x2_t, float32x4x4_t, uint8x16x2_t, vaddq_f32, vaddq_u32, vandq_u32,
    vdupq_n_f32, vdupq_n_u32, vfmaq_f32, vld1q_f32, vld1q_u32, vld2q_f32, vld4q_f32, vmaxq_f32,
    vmulq_n_u32, vqtbl2q_u8, vreinterpretq_f32_f64, vreinterpretq_f32_u8, vreinterpretq_f64_f32,
    vreinterpretq_u8_f32, vreinterpretq_u8_u32, vst1q_f32, vst2q_f32, vst4q_f32, vsubq_f32,
    vtrn1q_f32, vtrn1q_f64, vtrn2q_f32, vtrn2q_f64,
};
use std::array::from_fn;

use super::{MOST_LANES, Vector};

const HALF: usize = 4;
const LANES: usize = 2 * HALF;

/// The lower four lanes and the upper four.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair([float32x4_t; 2]);

impl Vector<f32> for Pair {
    const LANES: usize = LANES;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: each processor of the architecture has NEON.
        Self([unsafe { vdupq_n_f32(value) }; 2])
    }
    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let halves = from[..LANES].as_chunks::<HALF>().0;
        // SAFETY: each processor of the architecture has NEON; a half has four values.
        Self(from_fn(|half| unsafe { vld1q_f32(halves[half].as_ptr()) }))
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        for (to, half) in to[..LANES].as_chunks_mut::<HALF>().0.iter_mut().zip(self.0) {
            // SAFETY: each processor of the architecture has NEON, and there is room for four values.
            unsafe { vst1q_f32(to.as_mut_ptr(), half) };
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: each processor of the architecture has NEON.
        Self(from_fn(|half| unsafe { vaddq_f32(self.0[half], other.0[half]) }))
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: each processor of the architecture has NEON.
        Self(from_fn(|half| unsafe { vsubq_f32(self.0[half], other.0[half]) }))
    }
    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: each processor of the architecture has NEON.
        Self(from_fn(|half| unsafe { vfmaq_f32(b.0[half], self.0[half], a.0[half]) }))
    }
    #[inline(always)]
    fn relu(self) -> Self {
        // SAFETY: each processor of the architecture has NEON. The larger of a NaN and a number is NaN.
        Self(self.0.map(|half| unsafe { vmaxq_f32(half, vdupq_n_f32(0.0)) }))
    }
    #[inline(always)]
    fn load_by_two(from: &[f32]) -> [Self; 2] {
        let parts = from[..2 * LANES].as_chunks::<{ 2 * HALF }>().0;
        // SAFETY: each processor of the architecture has NEON; a part has twice four values.
        let sorted: [float32x4x2_t; 2] = from_fn(|half| unsafe { vld2q_f32(parts[half].as_ptr()) });
        let [low, high] = sorted;
        [Self([low.0, high.0]), Self([low.1, high.1])]
    }
    #[inline(always)]
    fn store_by_two([even, odd]: [Self; 2], to: &mut [f32]) {
        let parts = to[..2 * LANES].as_chunks_mut::<{ 2 * HALF }>().0;
        for (half, to) in parts.iter_mut().enumerate() {
            // SAFETY: each processor of the architecture has NEON, and there is room for twice four values.
            unsafe { vst2q_f32(to.as_mut_ptr(), float32x4x2_t(even.0[half], odd.0[half])) };
        }
    }
    #[inline(always)]
    fn load_by_four(from: &[f32]) -> [Self; 4] {
        let parts = from[..4 * LANES].as_chunks::<{ 4 * HALF }>().0;
        // SAFETY: each processor of the architecture has NEON; a part has four times four values.
        let sorted: [float32x4x4_t; 2] = from_fn(|half| unsafe { vld4q_f32(parts[half].as_ptr()) });
        let [low, high] = sorted;
        [[low.0, high.0], [low.1, high.1], [low.2, high.2], [low.3, high.3]].map(Self)
    }
    #[inline(always)]
    fn store_by_four([a, b, c, d]: [Self; 4], to: &mut [f32]) {
        let parts = to[..4 * LANES].as_chunks_mut::<{ 4 * HALF }>().0;
        for (half, to) in parts.iter_mut().enumerate() {
            let sorted = float32x4x4_t(a.0[half], b.0[half], c.0[half], d.0[half]);
            // SAFETY: each processor of the architecture has NEON, and there is room for four times four values.
            unsafe { vst4q_f32(to.as_mut_ptr(), sorted) };
        }
    }
    #[inline(always)]
    fn look_up(self, places: &[u32]) -> Self {
        let places = places[..LANES].as_chunks::<HALF>().0;
        // SAFETY: each processor of the architecture has NEON; a half has four places.
        Self(from_fn(|half| unsafe {
            let [low, high] = self.0;
            let table = uint8x16x2_t(vreinterpretq_u8_f32(low), vreinterpretq_u8_f32(high));
            let places = vandq_u32(vld1q_u32(places[half].as_ptr()), vdupq_n_u32(7));
            // Lane `p` is bytes `4 p` to `4 p + 3`.
            let first = vmulq_n_u32(places, 0x0404_0404);
            let bytes = vreinterpretq_u8_u32(vaddq_u32(first, vdupq_n_u32(0x0302_0100)));
            vreinterpretq_f32_u8(vqtbl2q_u8(table, bytes))
        }))
    }
    /// The 4x4 blocks first, then the matrix of the blocks.
    #[inline(always)]
    fn transpose(rows: &mut [Self; MOST_LANES]) {
        let block =
            |first: usize, half: usize| transpose_block(from_fn(|row| rows[first + row].0[half]));
        let blocks = [[block(0, 0), block(HALF, 0)], [block(0, 1), block(HALF, 1)]];
        for (row, to) in rows[..LANES].iter_mut().enumerate() {
            let [left, right] = blocks[row / HALF];
            *to = Self([left[row % HALF], right[row % HALF]]);
        }
    }
}

/// Transposes 4x4 values.
#[inline(always)]
fn transpose_block([a, b, c, d]: [float32x4_t; HALF]) -> [float32x4_t; HALF] {
    // SAFETY: each processor of the architecture has NEON.
    unsafe {
        let pairs = |a, b| [vtrn1q_f32(a, b), vtrn2q_f32(a, b)].map(|v| vreinterpretq_f64_f32(v));
        let ([ab_even, ab_odd], [cd_even, cd_odd]) = (pairs(a, b), pairs(c, d));
        [
            vtrn1q_f64(ab_even, cd_even),
            vtrn1q_f64(ab_odd, cd_odd),
            vtrn2q_f64(ab_even, cd_even),
            vtrn2q_f64(ab_odd, cd_odd),
        ]
        .map(|v| vreinterpretq_f32_f64(v))
    }
}
