//! Where the kernels of a processor find the columns of a product.

#![expect(unsafe_code, reason = "kernels load from pointers")]

use super::{TileShape, Views};

/// Steps ahead that a panel is fetched. It comes from the second-level cache or farther, and two
/// threads of one core share the first: what the processor fetches by itself comes too late.
const AHEAD: usize = 16;

/// Where a kernel's columns come from.
///
/// # Safety
/// [`Columns::at`] points to the columns of a step, as many as the kernel wants.
pub(super) unsafe trait Columns: Copy {
    /// # Safety
    /// There is such a step.
    unsafe fn at(self, step: usize) -> *const f32;
    /// What should be fetched at a step, so that it is there some steps later.
    fn ahead(self, step: usize) -> Option<*const f32>;
}

/// `WIDTH` columns for each step, one after another.
#[derive(Clone, Copy)]
pub(super) struct Packed<const WIDTH: usize>(*const f32);

impl<const WIDTH: usize> From<&[f32]> for Packed<WIDTH> {
    #[inline(always)]
    fn from(panel: &[f32]) -> Self {
        Self(panel.as_ptr())
    }
}

// SAFETY: the panel holds `WIDTH` columns for each step (checked where it is made).
unsafe impl<const WIDTH: usize> Columns for Packed<WIDTH> {
    #[inline(always)]
    unsafe fn at(self, step: usize) -> *const f32 {
        // SAFETY: the panel has such a step, as the caller promises.
        unsafe { self.0.add(step * WIDTH) }
    }
    #[inline(always)]
    fn ahead(self, step: usize) -> Option<*const f32> {
        Some(self.0.wrapping_add((step + AHEAD) * WIDTH))
    }
}

/// The columns of [`Views`].
#[derive(Clone, Copy)]
pub(super) struct InPlace {
    source: *const f32,
    taps: *const usize,
}

impl From<Views<'_, f32>> for InPlace {
    #[inline(always)]
    fn from(views: Views<f32>) -> Self {
        Self { source: views.source[views.start..].as_ptr(), taps: views.taps.offsets().as_ptr() }
    }
}

// SAFETY: the views were checked where the kernel is called.
unsafe impl Columns for InPlace {
    #[inline(always)]
    unsafe fn at(self, step: usize) -> *const f32 {
        // SAFETY: there are as many taps as steps, and the source goes on after each.
        unsafe { self.source.add(*self.taps.add(step)) }
    }
    #[inline(always)]
    fn ahead(self, _: usize) -> Option<*const f32> {
        // Neighbouring taps share their lines.
        None
    }
}

/// How many steps band and panel have.
#[inline(always)]
pub(super) fn steps(
    band: &[f32],
    panel: &[f32],
    TileShape { rows, columns, .. }: TileShape,
) -> usize {
    let steps = panel.len() / columns;
    assert!(
        panel.len() == steps * columns && band.len() == steps * rows,
        "internal: a band of {} and a panel of {} values differ in steps",
        band.len(),
        panel.len()
    );
    steps
}
