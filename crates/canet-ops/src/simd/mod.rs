//! Run-time choice of the instruction set. The binary needs no `target-cpu`.

#[cfg(target_arch = "aarch64")]
mod aarch64;
pub(crate) mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::LazyLock;

pub(crate) use vector::{MOST_LANES, Vector, by_vector, load_within};

/// The vectors of `f32` that an architecture has: of 16 where there are such, and of 8.
#[cfg(target_arch = "x86_64")]
pub(crate) type Wide = std::arch::x86_64::__m512;
#[cfg(target_arch = "x86_64")]
pub(crate) type Narrow = std::arch::x86_64::__m256;
#[cfg(target_arch = "aarch64")]
pub(crate) type Narrow = aarch64::Pair;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) type Narrow = [f32; vector::PLAIN];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type Wide = Narrow;

/// What the processor can do, as far as kernels differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// 512-bit vectors (`f`, `vl`, `bw` and `dq`), 32 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 256-bit vectors and fused multiply-add, 16 registers.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 128-bit vectors and fused multiply-add, 32 registers: each processor of the architecture has them.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Whatever the compiler makes of plain loops.
    Portable,
}

impl Isa {
    /// The best of this processor, or what `CANET_SIMD` = `avx512`, `avx2`, `neon` or `portable` asks
    /// for, if the processor has it: to compare, and to test every path on one machine.
    #[inline(always)]
    pub(crate) fn detect() -> Self {
        static CHOICE: LazyLock<Isa> = LazyLock::new(|| {
            let best = Isa::supported().first().copied().unwrap_or(Isa::Portable);
            Isa::wanted().unwrap_or(best)
        });
        *CHOICE
    }

    /// What the user asks for, if the processor has it.
    fn wanted() -> Option<Self> {
        let wanted = std::env::var("CANET_SIMD").unwrap_or_default().to_lowercase();
        Self::supported().into_iter().find(|isa| isa.name() == wanted)
    }

    /// Those of this processor, the best first.
    pub(crate) fn supported() -> Vec<Self> {
        let mut supported = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
            {
                supported.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                supported.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        supported.push(Self::Neon);
        supported.push(Self::Portable);
        supported
    }

    fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }
}

/// The instruction set that kernels use here, for reports: `amx` (with AVX-512), `avx512`, `avx2`,
/// `neon` or `portable`.
pub fn instruction_set() -> &'static str {
    if has_matrix_unit() { "amx" } else { Isa::detect().name() }
}

/// Whether the processor has a unit that multiplies matrices of bf16 (AMX), and the system lets this process use it.
/// `CANET_SIMD` with the name of an instruction set leaves it out.
#[inline(always)]
pub(crate) fn has_matrix_unit() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        static FOUND: LazyLock<bool> = LazyLock::new(|| {
            Isa::wanted().is_none() && matches!(Isa::detect(), Isa::Avx512) && x86::opens_amx()
        });
        *FOUND
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// Asks for the cache lines of some values, which will be needed soon.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T]) {
    for value in values.iter().step_by((64 / size_of::<T>()).max(1)) {
        prefetch_line(value);
    }
}

/// Asks for the cache line of a place that will be read soon.
#[inline(always)]
#[cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "an instruction that the compiler does not make by itself")
)]
pub(crate) fn prefetch_line<T>(place: *const T) {
    // SAFETY: a prefetch reads nothing, wherever it points to.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}

/// Asks for the cache line of a place that will be written soon. Without it each line is waited for
/// when it is first written.
#[inline(always)]
#[cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "Rust has no intrinsic that is sure to be this instruction")
)]
pub(crate) fn prefetch_to_write<T>(place: *const T) {
    // SAFETY: a prefetch reads and writes nothing, wherever it points to; processors that do not
    // know it take it as no operation.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}

/// Runs `work` compiled for the best instruction set of the processor.
///
/// Kernels are plain loops over arrays; inlined into the right function they become vector code.
/// Everything `work` calls must be `#[inline(always)]` or a closure, and a thread pool's task has
/// to enter here itself: the choice does not cross into other tasks.
#[inline(always)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling functions compiled for detected features")
)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    match Isa::detect() {
        // SAFETY: the processor was just found to have the features.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { with_avx512(work) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { with_avx2(work) },
        // All code of the architecture is compiled for it.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => work(),
        Isa::Portable => work(),
    }
}

/// Runs `work` compiled for processors with a matrix unit.
///
/// # Panics
/// If this one has none.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "calling functions compiled for detected features")]
pub(crate) fn with_matrix_unit<R>(work: impl FnOnce() -> R) -> R {
    assert!(has_matrix_unit(), "internal: there is no matrix unit");
    // SAFETY: the processor was just found to have the features.
    unsafe { with_avx512_bf16(work) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma")]
fn with_avx512_bf16<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
fn with_avx512<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
