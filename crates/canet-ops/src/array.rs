//! From tensors to slices and back, and making and changing buffers on all cores.

use std::cell::Cell;
use std::marker::PhantomData;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Shape, Storage, Tensor, WithDType};
use rayon::prelude::*;

use crate::real::Real;
use crate::simd;
use crate::tasks::for_chunks;

/// Elements of a block: what a task works on at a time.
pub(crate) const BLOCK: usize = 1024;
/// The fewest elements of a task, if its blocks are not larger.
const TASK: usize = 1 << 14;

/// Calls `work` with the elements of contiguous tensors on the CPU.
pub(crate) fn with_elements<T: WithDType, const N: usize, R>(
    tensors: [&Tensor; N],
    work: impl FnOnce([&[T]; N]) -> Result<R>,
) -> Result<R> {
    with_all(&tensors, |slices| work(std::array::from_fn(|i| slices[i])))
}

/// The same for any number of tensors.
pub(crate) fn with_all<T: WithDType, R>(
    tensors: &[&Tensor],
    work: impl FnOnce(&[&[T]]) -> Result<R>,
) -> Result<R> {
    let guards: Vec<_> = tensors.iter().map(|tensor| tensor.storage_and_layout()).collect();
    let mut slices: Vec<&[T]> = Vec::with_capacity(guards.len());
    for (storage, layout) in &guards {
        let Storage::Cpu(storage) = &**storage else {
            candle_core::bail!("internal: a CPU kernel was given a tensor of another device");
        };
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("internal: a kernel was given a tensor that is not contiguous");
        };
        slices.push(&T::cpu_storage_as_slice(storage)?[start..end]);
    }
    work(&slices)
}

/// Changes the elements of a contiguous tensor on the CPU that nothing else refers to.
pub(crate) fn change<T: Real>(tensor: &Tensor, work: impl FnOnce(&mut [T])) -> Result<()> {
    struct Change<T, W>(Cell<Option<W>>, PhantomData<T>);

    impl<T: Real, W: FnOnce(&mut [T])> InplaceOp1 for Change<T, W> {
        fn name(&self) -> &'static str {
            "change"
        }

        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            let (Some((start, end)), Some(work)) = (layout.contiguous_offsets(), self.0.take())
            else {
                candle_core::bail!("internal: a tensor to be changed is not contiguous");
            };
            let nothing = T::to_cpu_storage_owned(Vec::new());
            let mut values = T::cpu_storage_data(std::mem::replace(storage, nothing))?;
            work(&mut values[start..end]);
            *storage = T::to_cpu_storage_owned(values);
            Ok(())
        }
    }
    tensor.inplace_op1(&Change(Cell::new(Some(work)), PhantomData))
}

/// A tensor on the CPU over `values`.
pub(crate) fn tensor<T: Real>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &candle_core::Device::Cpu)
}

/// Numbers of which any bits are one.
///
/// # Safety
/// They are.
#[expect(unsafe_code, reason = "memory is taken as it is for them")]
pub(crate) unsafe trait AnyBits: Copy + Send + Sync {
    /// What stands out, where it is seen though nothing was written.
    const UNSET: Self;
}

#[expect(unsafe_code, reason = "see the trait")]
// SAFETY: any bits are a float.
unsafe impl AnyBits for f32 {
    const UNSET: Self = Self::NAN;
}

#[expect(unsafe_code, reason = "see the trait")]
// SAFETY: any bits are a float.
unsafe impl AnyBits for f64 {
    const UNSET: Self = Self::NAN;
}

#[expect(unsafe_code, reason = "see the trait")]
// SAFETY: any bits are an integer.
unsafe impl AnyBits for u8 {
    const UNSET: Self = Self::MAX;
}

/// `len` values that are anything until they are written, as all of them will be. To fill them with
/// zeros first would take one thread longer than the operation takes all of them.
///
/// In unit tests, with `CANET_UNSET` = `nan`, and on processors without the way below, they are NaN:
/// one that was left out is seen.
pub(crate) fn unspecified<T: AnyBits>(len: usize) -> Vec<T> {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(any(test, miri))))]
    if !fills() {
        let mut values: Vec<T> = Vec::with_capacity(len);
        let start = values.as_mut_ptr();
        #[expect(unsafe_code, reason = "the compiler must not know that nothing was written")]
        // SAFETY: the empty assembly is given the memory of `len` values, which it might have written
        // for all the compiler knows, and any bits are a value.
        unsafe {
            std::arch::asm!("/* {} */", in(reg) start, options(nostack, preserves_flags));
            values.set_len(len);
        }
        return values;
    }
    vec![T::UNSET; len]
}

/// Whether the user wants to see what nothing was written to.
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(any(test, miri))))]
fn fills() -> bool {
    static FILLS: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        std::env::var_os("CANET_UNSET").is_some_and(|value| value == "nan")
    });
    *FILLS
}

/// `len` new values. `fill` makes all of a block, given where it starts.
pub(crate) fn build<T: AnyBits>(len: usize, fill: impl Fn(usize, &mut [T]) + Sync) -> Vec<T> {
    build_by::<BLOCK, T>(len, fill)
}

/// The same in blocks of a size of one's own.
pub(crate) fn build_by<const BLOCK: usize, T: AnyBits>(
    len: usize,
    fill: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let mut values = unspecified(len);
    for_chunks(&mut values, BLOCK, (TASK / BLOCK).max(1), |i, block| fill(i * BLOCK, block));
    values
}

/// Two vectors of `len` new values at once.
pub(crate) fn build_both<T: AnyBits, U: AnyBits>(
    len: usize,
    fill: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) -> (Vec<T>, Vec<U>) {
    let (mut a, mut b) = (unspecified(len), unspecified(len));
    let blocks = a.par_chunks_mut(BLOCK).zip(b.par_chunks_mut(BLOCK));
    let blocks = blocks.with_min_len(TASK / BLOCK).enumerate();
    blocks.for_each(|(i, (a, b))| fill(i * BLOCK, a, b));
    (a, b)
}

/// Changes `values` block by block, given where a block starts.
pub(crate) fn edit<T: Real>(values: &mut [T], change: impl Fn(usize, &mut [T]) + Sync) {
    for_chunks(values, BLOCK, TASK / BLOCK, |i, block| change(i * BLOCK, block));
}

/// Cuts a block that starts at element `at` where planes of `plane` elements end, and calls `work`
/// with the number of the plane, where the piece starts, and the piece.
#[inline(always)]
pub(crate) fn by_plane<T>(
    at: usize,
    block: &mut [T],
    plane: usize,
    mut work: impl FnMut(usize, usize, &mut [T]),
) {
    let (mut start, mut rest) = (at, block);
    while !rest.is_empty() {
        let len = (plane - start % plane).min(rest.len());
        let (piece, after) = rest.split_at_mut(len);
        work(start / plane, start, piece);
        (start, rest) = (start + len, after);
    }
}

/// Picks the float type of a kernel by the tensor's data type.
macro_rules! by_dtype {
    ($dtype:expr, $T:ident => $work:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $work
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $work
            }
            other => candle_core::bail!("canet-ops works on f32 and f64, not on {other:?}"),
        }
    };
}
pub(crate) use by_dtype;

/// A buffer that several threads fill at places that do not overlap.
///
/// Convolution tiles own a range of pixels in every channel: disjoint, but not one slice each.
pub(crate) struct DisjointWriter<'a, T> {
    start: *mut T,
    len: usize,
    buffer: PhantomData<&'a mut [T]>,
}

#[expect(unsafe_code, reason = "moving the writer moves only the right to call its unsafe method")]
// SAFETY: the pointer comes from a `&mut [T]` that lives as long as the writer; T may be sent.
unsafe impl<T: Send> Send for DisjointWriter<'_, T> {}
#[expect(
    unsafe_code,
    reason = "sharing the writer shares only the right to call its unsafe method"
)]
// SAFETY: all access goes through `slice_mut`, whose caller promises disjoint ranges.
unsafe impl<T: Send> Sync for DisjointWriter<'_, T> {}

impl<'a, T> DisjointWriter<'a, T> {
    pub(crate) fn new(buffer: &'a mut [T]) -> Self {
        Self { start: buffer.as_mut_ptr(), len: buffer.len(), buffer: PhantomData }
    }

    /// The elements `at .. at + len`.
    ///
    /// # Safety
    /// No other live slice of this writer, on any thread, may overlap the range.
    ///
    /// # Panics
    /// If the range leaves the buffer.
    #[expect(unsafe_code, reason = "the one place where a shared buffer is cut")]
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub(crate) unsafe fn slice_mut(&self, at: usize, len: usize) -> &mut [T] {
        assert!(at.checked_add(len).is_some_and(|end| end <= self.len), "range leaves the buffer");
        // SAFETY: the range is inside the buffer (checked above), the buffer outlives the writer,
        // and the caller promises that nothing else refers to the range.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }

    /// Asks for the cache lines of a range that will be written soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, at: usize, len: usize) {
        for at in (at..at + len).step_by(64 / size_of::<T>()) {
            simd::prefetch_to_write(self.start.wrapping_add(at));
        }
    }
}
