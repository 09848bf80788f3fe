//! A number in two halves of 16 bits.

use super::unit::LINE;
use crate::simd::{MOST_LANES, Vector};

/// Vectors whose values can be split.
pub(super) trait Halves: Vector<f32> {
    /// Two vectors as the matrix unit takes them: pairs of a value of the first and one of the second, in the lower
    /// and the upper 16 bits. The first result has the nearest bf16 of each value, the second those of what is left.
    fn halves(pair: [Self; 2]) -> [Self; 2];
}

/// Returns, from the function that calls it, what `work` gives with the vector that splits fastest here, in code that
/// is compiled for it.
macro_rules! by_halves {
    ($V:ident => $work:expr) => {{
        #[cfg(target_arch = "x86_64")]
        if $crate::simd::has_matrix_unit() {
            type $V = $crate::simd::Wide;
            return $crate::simd::with_matrix_unit(
                #[inline(always)]
                || $work,
            );
        }
        {
            type $V = [f32; 8];
            $work
        }
    }};
}
pub(super) use by_halves;

/// Splits as many pairs of vectors as one has lanes, and writes them turned, lane by lane, to lines from `to` on; those
/// of lower halves lie `half` words later.
#[inline(always)]
pub(super) fn put_turned<V: Halves>(pairs: [[V; 2]; MOST_LANES], half: usize, to: &mut [f32]) {
    let mut squares = [[V::splat(0.0); MOST_LANES]; 2];
    for lane in 0..V::LANES {
        [squares[0][lane], squares[1][lane]] = V::halves(pairs[lane]);
    }
    for (square, start) in squares.iter_mut().zip([0, half]) {
        V::transpose(square);
        for (lane, line) in square.iter().enumerate().take(V::LANES) {
            line.store(&mut to[start + lane * LINE..]);
        }
    }
}

/// The bits of the nearest bf16, of two equally near ones the even one; numbers below the normal ones become 0.
fn nearest(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_nan() {
        return bits >> 16 | 0x40;
    }
    if value.is_subnormal() {
        return bits >> 31 << 15;
    }
    (bits + 0x7fff + (bits >> 16 & 1)) >> 16
}

/// Both halves of a number.
fn split(value: f32) -> [u32; 2] {
    let high = nearest(value);
    [high, nearest(value - f32::from_bits(high << 16))]
}

/// Both 16-bit floats of a word, the first in its lower bits.
pub(super) fn pair(word: f32) -> [f32; 2] {
    [word.to_bits() << 16, word.to_bits() & 0xffff_0000].map(f32::from_bits)
}

impl<const L: usize> Halves for [f32; L]
where
    Self: Vector<f32>,
{
    #[inline(always)]
    fn halves([first, second]: [Self; 2]) -> [Self; 2] {
        let mut halves = [first; 2];
        for l in 0..L {
            let (a, b) = (split(first[l]), split(second[l]));
            for half in 0..2 {
                halves[half][l] = f32::from_bits(a[half] | b[half] << 16);
            }
        }
        halves
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![expect(unsafe_code, reason = "intrinsics are unsafe outside code compiled for them")]

    use std::arch::x86_64::{
        __m512, __m512i, _mm512_and_si512, _mm512_castsi512_ps, _mm512_cvtne2ps_pbh,
        _mm512_loadu_si512, _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_slli_epi32,
        _mm512_sub_ps,
    };

    use super::Halves;

    /// Takes the first value of the lower half, the first of the upper half, and so on.
    static IN_TURN: [u16; 32] = {
        let mut places = [0; 32];
        let mut i = 0;
        while i < 32 {
            places[i] = (i / 2 + i % 2 * 16) as u16;
            i += 1;
        }
        places
    };

    impl Halves for __m512 {
        #[inline(always)]
        fn halves([first, second]: [Self; 2]) -> [Self; 2] {
            // SAFETY: this vector is only used for splitting where there is a matrix unit, and each processor that
            // has one has these instructions; the table has 64 bytes.
            unsafe {
                let in_turn = _mm512_loadu_si512(IN_TURN.as_ptr().cast());
                let high = pairs(first, second, in_turn);
                let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
                let first =
                    _mm512_sub_ps(first, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(high)));
                let second =
                    _mm512_sub_ps(second, _mm512_castsi512_ps(_mm512_and_si512(high, upper)));
                [_mm512_castsi512_ps(high), _mm512_castsi512_ps(pairs(first, second, in_turn))]
            }
        }
    }

    /// The nearest bf16 of two vectors, in turn.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn pairs(first: __m512, second: __m512, in_turn: __m512i) -> __m512i {
        // SAFETY: both types are 512 bits, and any bits are a value of either.
        let both: __m512i = unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) };
        _mm512_permutexvar_epi16(in_turn, both)
    }
}
