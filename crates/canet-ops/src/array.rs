//! From tensors to slices and back, and writing one buffer from many threads.

use std::marker::PhantomData;

use candle_core::{CpuStorage, Layout, Result, Shape, Tensor};

use rayon::prelude::*;

use crate::real::Real;

/// The elements of a contiguous tensor argument of a custom operation.
pub(crate) fn elements<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let all = T::cpu_storage_as_slice(storage)?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => candle_core::bail!("internal: a kernel was given a tensor that is not contiguous"),
    }
}

/// Calls `work` with the elements of a contiguous tensor on the CPU.
pub(crate) fn with_elements<T: Real, R>(
    tensor: &Tensor,
    work: impl FnOnce(&[T]) -> Result<R>,
) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(cpu) => work(elements(cpu, layout)?),
        _ => candle_core::bail!("internal: a CPU kernel was given a tensor of another device"),
    }
}

/// A tensor on the CPU over `values`.
pub(crate) fn tensor<T: Real>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &candle_core::Device::Cpu)
}

/// The storage of a new tensor.
pub(crate) fn storage<T: Real>(values: Vec<T>) -> CpuStorage {
    T::to_cpu_storage_owned(values)
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

/// A new buffer whose planes of `to` values are made from those of `from` values in `x`.
pub(crate) fn per_plane<T: Real>(
    x: &[T],
    from: usize,
    to: usize,
    make: impl Fn(&[T], &mut [T]) + Sync,
) -> CpuStorage {
    let mut y = vec![T::ZERO; x.len() / from * to];
    y.par_chunks_mut(to).zip(x.par_chunks(from)).for_each(|(y, x)| make(x, y));
    storage(y)
}

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
}
