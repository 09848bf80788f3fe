//! Run-time choice of the instruction set. The binary needs no `target-cpu`.

/// Runs `work` compiled for AVX2 and FMA where the processor has them, else as it is.
///
/// Kernels are plain loops over arrays; inlined into the right function they become vector code.
/// Everything `work` calls must be `#[inline(always)]` or a closure, and a thread pool's task has
/// to enter here itself: the choice does not cross into other tasks.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor was just found to have both features.
        #[expect(unsafe_code, reason = "calling a function compiled for a detected feature")]
        return unsafe { with_avx2(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
