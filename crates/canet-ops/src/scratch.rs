//! Buffers that tasks work in: each thread keeps its largest one, so that a task does not allocate.

use crate::real::Real;

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// A buffer of this thread's own, from the start of a cache line on; the thread gets it back in the
/// end. (Not a function that calls a closure: the closure would be compiled without the
/// instruction set of its caller, see [`crate::simd`].)
pub(crate) struct Scratch<T: Real> {
    buffer: Vec<T>,
    len: usize,
}

impl<T: Real> Scratch<T> {
    /// `len` values. What they hold does not matter to a right kernel: it is left from earlier
    /// work.
    pub(crate) fn new(len: usize) -> Self {
        if len == 0 {
            return Self { buffer: Vec::new(), len };
        }
        // Taken out while in use: work within this work gets a buffer of its own.
        let mut buffer = T::scratch().take();
        if buffer.len() < len + slack::<T>() {
            buffer = vec![T::ZERO; len + slack::<T>()];
        }
        Self { buffer, len }
    }

    pub(crate) fn values(&mut self) -> &mut [T] {
        &mut aligned(&mut self.buffer)[..self.len]
    }
}

impl<T: Real> Drop for Scratch<T> {
    fn drop(&mut self) {
        // What work within this work has left may be larger.
        let other = T::scratch().take();
        let ours = std::mem::take(&mut self.buffer);
        T::scratch().set(if other.len() > ours.len() { other } else { ours });
    }
}

/// A buffer without the values before its first whole cache line: at most [`slack`] fewer.
pub(crate) fn aligned<T>(buffer: &mut [T]) -> &mut [T] {
    let skip = buffer.as_ptr().align_offset(LINE).min(buffer.len());
    &mut buffer[skip..]
}

/// Values that [`aligned`] may take off.
pub(crate) const fn slack<T>() -> usize {
    LINE / size_of::<T>()
}
