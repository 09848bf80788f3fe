//! Vectors of x86-64. They are only used after [`super::Isa::detect`] found the instruction set.

#![expect(unsafe_code, reason = "intrinsics are unsafe outside code compiled for them")]

/// Selectors of shuffles: the lower or the upper two of each operand.
const LOWER: i32 = 0b01_00_01_00;
const UPPER: i32 = 0b11_10_11_10;
/// The values at even or at odd places of each operand.
const FIRST: i32 = 0b10_00_10_00;
const SECOND: i32 = 0b11_01_11_01;
/// The first and third, or the second and fourth quarter of each operand.
const EVEN: i32 = 0b10_00_10_00;
const ODD: i32 = 0b11_01_11_01;

macro_rules! arithmetic {
    ($lanes:expr, $splat:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $fma:ident, $max:ident,
     |$places:ident, $lanes_of:ident| $look_up:expr) => {
        const LANES: usize = $lanes;

        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: the processor has the instruction set (see the module).
            unsafe { $splat(value) }
        }
        #[inline(always)]
        fn load(from: &[f32]) -> Self {
            // SAFETY: the slice has enough values (checked); the instruction set as above.
            unsafe { $load(from[..$lanes].as_ptr()) }
        }
        #[inline(always)]
        fn store(self, to: &mut [f32]) {
            // SAFETY: the slice has enough room (checked); the instruction set as above.
            unsafe { $store(to[..$lanes].as_mut_ptr(), self) }
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: the processor has the instruction set (see the module).
            unsafe { $add(self, other) }
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: the processor has the instruction set (see the module).
            unsafe { $sub(self, other) }
        }
        #[inline(always)]
        fn fma(self, a: Self, b: Self) -> Self {
            // SAFETY: the processor has the instruction set (see the module).
            unsafe { $fma(self, a, b) }
        }
        #[inline(always)]
        fn relu(self) -> Self {
            // SAFETY: the processor has the instruction set (see the module). Of a NaN and a number
            // the second operand is taken.
            unsafe { $max($splat(0.0), self) }
        }
        #[inline(always)]
        fn look_up(self, places: &[u32]) -> Self {
            let ($places, $lanes_of) = (places[..$lanes].as_ptr().cast(), self);
            // SAFETY: the slice has enough values (checked); the instruction set as above.
            unsafe { $look_up }
        }
        #[inline(always)]
        fn load_by_two(from: &[f32]) -> [Self; 2] {
            let from = &from[..2 * $lanes];
            unzip([Self::load(from), Self::load(&from[$lanes..])])
        }
        #[inline(always)]
        fn store_by_two(values: [Self; 2], to: &mut [f32]) {
            let to = &mut to[..2 * $lanes];
            for (row, to) in zip(values).into_iter().zip(to.chunks_exact_mut($lanes)) {
                row.store(to);
            }
        }
        #[inline(always)]
        fn load_by_four(from: &[f32]) -> [Self; 4] {
            let from = &from[..4 * $lanes];
            let load = [
                Self::load(from),
                Self::load(&from[$lanes..]),
                Self::load(&from[2 * $lanes..]),
                Self::load(&from[3 * $lanes..]),
            ];
            transpose(gather_quads(load))
        }
        #[inline(always)]
        fn store_by_four(values: [Self; 4], to: &mut [f32]) {
            let to = &mut to[..4 * $lanes];
            let rows = scatter_quads(transpose(values));
            for (row, to) in rows.into_iter().zip(to.chunks_exact_mut($lanes)) {
                row.store(to);
            }
        }
        #[inline(always)]
        fn transpose(rows: &mut [Self; MOST_LANES]) {
            transpose_all(rows);
        }
    };
}

mod wide {
    use std::arch::x86_64::{
        __m512, _mm512_add_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_loadu_si512, _mm512_max_ps, _mm512_permutex2var_pd,
        _mm512_permutexvar_pd, _mm512_permutexvar_ps, _mm512_set_epi64, _mm512_set1_ps,
        _mm512_shuffle_f32x4, _mm512_shuffle_ps, _mm512_storeu_ps, _mm512_sub_ps,
        _mm512_unpackhi_ps, _mm512_unpacklo_ps,
    };

    use super::{EVEN, FIRST, LOWER, ODD, SECOND, UPPER};
    use crate::simd::{MOST_LANES, Vector};

    impl Vector<f32> for __m512 {
        arithmetic!(
            16,
            _mm512_set1_ps,
            _mm512_loadu_ps,
            _mm512_storeu_ps,
            _mm512_add_ps,
            _mm512_sub_ps,
            _mm512_fmadd_ps,
            _mm512_max_ps,
            |places, lanes| _mm512_permutexvar_ps(_mm512_loadu_si512(places), lanes)
        );
    }

    /// The values at even places, and those at odd ones.
    #[inline(always)]
    fn unzip([a, b]: [__m512; 2]) -> [__m512; 2] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            let even = _mm512_castps_pd(_mm512_shuffle_ps::<FIRST>(a, b));
            let odd = _mm512_castps_pd(_mm512_shuffle_ps::<SECOND>(a, b));
            // The halves of each quarter came from both operands in turn.
            let order = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
            [
                _mm512_castpd_ps(_mm512_permutexvar_pd(order, even)),
                _mm512_castpd_ps(_mm512_permutexvar_pd(order, odd)),
            ]
        }
    }

    /// The reverse of [`unzip`].
    #[inline(always)]
    fn zip([even, odd]: [__m512; 2]) -> [__m512; 2] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            let (low, high) = (_mm512_unpacklo_ps(even, odd), _mm512_unpackhi_ps(even, odd));
            let (low, high) = (_mm512_castps_pd(low), _mm512_castps_pd(high));
            let first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
            let second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
            [
                _mm512_castpd_ps(_mm512_permutex2var_pd(low, first, high)),
                _mm512_castpd_ps(_mm512_permutex2var_pd(low, second, high)),
            ]
        }
    }

    /// Transposes the 4x4 blocks that the quarters of four vectors make.
    #[inline(always)]
    fn transpose([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            let (ab_low, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            [
                _mm512_shuffle_ps::<LOWER>(ab_low, cd_low),
                _mm512_shuffle_ps::<UPPER>(ab_low, cd_low),
                _mm512_shuffle_ps::<LOWER>(ab_high, cd_high),
                _mm512_shuffle_ps::<UPPER>(ab_high, cd_high),
            ]
        }
    }

    /// Transposes the 4x4 matrix of quarters.
    #[inline(always)]
    fn gather_quads([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            let (ab_even, ab_odd) =
                (_mm512_shuffle_f32x4::<EVEN>(a, b), _mm512_shuffle_f32x4::<ODD>(a, b));
            let (cd_even, cd_odd) =
                (_mm512_shuffle_f32x4::<EVEN>(c, d), _mm512_shuffle_f32x4::<ODD>(c, d));
            [
                _mm512_shuffle_f32x4::<EVEN>(ab_even, cd_even),
                _mm512_shuffle_f32x4::<EVEN>(ab_odd, cd_odd),
                _mm512_shuffle_f32x4::<ODD>(ab_even, cd_even),
                _mm512_shuffle_f32x4::<ODD>(ab_odd, cd_odd),
            ]
        }
    }

    /// A transposition is its own reverse.
    #[inline(always)]
    fn scatter_quads(quads: [__m512; 4]) -> [__m512; 4] {
        gather_quads(quads)
    }

    /// Transposes 16x16 values: the 4x4 blocks first, then the matrix of the blocks.
    #[inline(always)]
    fn transpose_all(rows: &mut [__m512; MOST_LANES]) {
        for rows in rows.as_chunks_mut::<4>().0 {
            *rows = transpose(*rows);
        }
        let from = *rows;
        for j in 0..4 {
            let columns = gather_quads([from[j], from[4 + j], from[8 + j], from[12 + j]]);
            for (q, column) in columns.into_iter().enumerate() {
                rows[4 * q + j] = column;
            }
        }
    }
}

mod narrow {
    use std::arch::x86_64::{
        __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps,
        _mm256_permute2f128_ps, _mm256_permutevar8x32_ps, _mm256_set1_ps, _mm256_shuffle_ps,
        _mm256_storeu_ps, _mm256_sub_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };

    use super::{FIRST, LOWER, SECOND, UPPER};
    use crate::simd::{MOST_LANES, Vector};

    impl Vector<f32> for __m256 {
        arithmetic!(
            8,
            _mm256_set1_ps,
            _mm256_loadu_ps,
            _mm256_storeu_ps,
            _mm256_add_ps,
            _mm256_sub_ps,
            _mm256_fmadd_ps,
            _mm256_max_ps,
            |places, lanes| _mm256_permutevar8x32_ps(lanes, _mm256_loadu_si256(places))
        );
    }

    /// The values at even places, and those at odd ones.
    #[inline(always)]
    fn unzip([a, b]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            let low = _mm256_permute2f128_ps::<0x20>(a, b);
            let high = _mm256_permute2f128_ps::<0x31>(a, b);
            [_mm256_shuffle_ps::<FIRST>(low, high), _mm256_shuffle_ps::<SECOND>(low, high)]
        }
    }

    /// The reverse of [`unzip`].
    #[inline(always)]
    fn zip([even, odd]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd));
            [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
        }
    }

    /// Transposes the 4x4 blocks that the halves of four vectors make.
    #[inline(always)]
    fn transpose([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            [
                _mm256_shuffle_ps::<LOWER>(ab_low, cd_low),
                _mm256_shuffle_ps::<UPPER>(ab_low, cd_low),
                _mm256_shuffle_ps::<LOWER>(ab_high, cd_high),
                _mm256_shuffle_ps::<UPPER>(ab_high, cd_high),
            ]
        }
    }

    /// Quads 0 to 7 in order to 0 4, 1 5, 2 6, 3 7.
    #[inline(always)]
    fn gather_quads([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            [
                _mm256_permute2f128_ps::<0x20>(a, c),
                _mm256_permute2f128_ps::<0x31>(a, c),
                _mm256_permute2f128_ps::<0x20>(b, d),
                _mm256_permute2f128_ps::<0x31>(b, d),
            ]
        }
    }

    /// The reverse of [`gather_quads`].
    #[inline(always)]
    fn scatter_quads([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: the processor has the instruction set (see the module).
        unsafe {
            [
                _mm256_permute2f128_ps::<0x20>(a, b),
                _mm256_permute2f128_ps::<0x20>(c, d),
                _mm256_permute2f128_ps::<0x31>(a, b),
                _mm256_permute2f128_ps::<0x31>(c, d),
            ]
        }
    }

    /// Transposes 8x8 values: the 4x4 blocks first, then the matrix of the blocks.
    #[inline(always)]
    fn transpose_all(rows: &mut [__m256; MOST_LANES]) {
        for rows in rows[..8].as_chunks_mut::<4>().0 {
            *rows = transpose(*rows);
        }
        for j in 0..4 {
            let (upper, lower) = (rows[j], rows[4 + j]);
            // SAFETY: the processor has the instruction set (see the module).
            unsafe {
                rows[j] = _mm256_permute2f128_ps::<0x20>(upper, lower);
                rows[4 + j] = _mm256_permute2f128_ps::<0x31>(upper, lower);
            }
        }
    }
}

/// Whether the processor has AMX for bf16, with the vector instructions that make bf16, and the kernel lets this
/// process use it: it has to be asked, since the unit's state makes threads larger.
#[cfg(target_os = "linux")]
pub(super) fn opens_amx() -> bool {
    const TILE_DATA: libc::c_long = 18;
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    let has_leaf = std::arch::x86_64::__cpuid(0).eax >= 7;
    if !has_leaf || !is_x86_feature_detected!("avx512bf16") {
        return false;
    }
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    if features & (AMX_BF16 | AMX_TILE) != AMX_BF16 | AMX_TILE {
        return false;
    }
    // SAFETY: this call takes two numbers, and changes nothing but what the process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}
