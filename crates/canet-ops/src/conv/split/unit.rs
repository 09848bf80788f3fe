//! The product of a tile on the matrix unit: 32 rows by 32 columns, over any number of blocks of 32 steps.
//!
//! A block of a band or a panel has its upper halves, then its lower ones, each as two tiles of 16 lines of 64 bytes.
//! A line of a band is a row, its steps in pairs; a line of a panel is a pair of steps, a word for each column.

use std::marker::PhantomData;

use super::halves;
use crate::simd;

/// Rows and columns of a tile, and steps of a block.
pub(super) const SIDE: usize = 32;
/// Words of a block: two halves for each of its numbers.
pub(super) const BLOCK: usize = SIDE * SIDE;
/// Words of the halves of a block.
pub(super) const HALF: usize = BLOCK / 2;
/// Words of a line: pairs of steps, or columns.
pub(super) const LINE: usize = 16;

/// The sums of a tile, row by row.
#[repr(align(64))]
pub(super) struct Sums([f32; SIDE * SIDE]);

impl Sums {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([0.0; SIDE * SIDE])
    }

    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &[f32; SIDE] {
        &self.0.as_chunks().0[row]
    }

    #[inline(always)]
    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f32; SIDE] {
        &mut self.0.as_chunks_mut().0[row]
    }

    #[inline(always)]
    pub(super) fn place(&mut self) -> Place {
        Place { start: self.0.as_mut_ptr(), pitch: SIDE }
    }
}

/// Where the sums of a tile lie: 32 runs of 32 values, which start `pitch` values apart.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) start: *mut f32,
    pub(super) pitch: usize,
}

/// The matrix unit of the processor that a thread runs on, set up as long as this lives. Where there is none, plain
/// loops compute the same: for tests.
pub(super) struct Unit {
    is_there: bool,
    /// What one thread has set up is of no use to another.
    _of_this_thread: PhantomData<*const ()>,
}

impl Unit {
    #[inline(always)]
    pub(super) fn new() -> Self {
        let is_there = simd::has_matrix_unit();
        #[cfg(target_arch = "x86_64")]
        if is_there {
            amx::set_up();
        }
        Self { is_there, _of_this_thread: PhantomData }
    }

    /// Adds the products of band and panel, without those of lower halves with each other, to what is at `from` (to
    /// zeros, if it is nowhere), and puts the sums at `to`.
    ///
    /// # Panics
    /// If band and panel are not of the same number of whole blocks.
    ///
    /// # Safety
    /// Nothing else uses the places meanwhile; one can be read, the other written.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller knows the places")]
    pub(super) unsafe fn multiply(
        &self,
        band: &[f32],
        panel: &[f32],
        from: Option<Place>,
        to: Place,
    ) {
        assert!(
            band.len() == panel.len() && band.len().is_multiple_of(BLOCK),
            "internal: a band of {} and a panel of {} words differ in blocks",
            band.len(),
            panel.len()
        );
        #[cfg(target_arch = "x86_64")]
        if self.is_there {
            // SAFETY: the unit is set up; band and panel are of the same number of blocks; the caller's promise.
            return unsafe { amx::multiply(band, panel, from, to) };
        }
        let mut sums = Sums::new();
        for row in 0..SIDE {
            if let Some(Place { start, pitch }) = from {
                // SAFETY: the caller's promise.
                let from = unsafe { std::slice::from_raw_parts(start.add(row * pitch), SIDE) };
                sums.row_mut(row).copy_from_slice(from);
            }
        }
        let blocks = band.as_chunks::<BLOCK>().0.iter().zip(panel.as_chunks::<BLOCK>().0);
        blocks.for_each(|(band, panel)| multiply_block(band, panel, &mut sums));
        for row in 0..SIDE {
            // SAFETY: the caller's promise.
            let to = unsafe { std::slice::from_raw_parts_mut(to.start.add(row * to.pitch), SIDE) };
            to.copy_from_slice(sums.row(row));
        }
    }
}

impl Drop for Unit {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if self.is_there {
            amx::release();
        }
    }
}

/// A block in plain loops.
fn multiply_block(band: &[f32; BLOCK], panel: &[f32; BLOCK], sums: &mut Sums) {
    for [a, b] in [[HALF, 0], [0, 0], [0, HALF]] {
        for row in 0..SIDE {
            for pair in 0..LINE {
                let steps = halves::pair(band[a + row * LINE + pair]);
                for column in 0..SIDE {
                    let tile = column / LINE * LINE * LINE;
                    let word = panel[b + tile + pair * LINE + column % LINE];
                    let sum = &mut sums.row_mut(row)[column];
                    for (a, b) in steps.into_iter().zip(halves::pair(word)) {
                        *sum = a.mul_add(b, *sum);
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod amx {
    #![expect(unsafe_code, reason = "the compiler has no other way to the matrix unit")]

    use std::arch::asm;

    use super::{BLOCK, LINE, Place};

    /// Palette 1, and eight tiles of 16 lines of 64 bytes.
    #[repr(align(64))]
    #[expect(dead_code, reason = "it is read by address")]
    struct Shapes([u8; 64]);

    static SHAPES: Shapes = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = 16;
            tile += 1;
        }
        Shapes(bytes)
    };

    /// Sets the unit up for this thread, which must have one.
    #[inline(always)]
    pub(super) fn set_up() {
        // SAFETY: the caller found the unit, and the kernel to permit its use. `SHAPES` has the 64 bytes that are
        // read; no code of the compiler's uses tiles.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, preserves_flags, readonly));
        }
    }

    /// Gives the unit back: a thread that sleeps has 8 KiB less to keep.
    #[inline(always)]
    pub(super) fn release() {
        // SAFETY: as above.
        unsafe {
            asm!("tilerelease", options(nostack, preserves_flags, nomem));
        }
    }

    /// A product of a tile of the band and one of the panel, and the lines of the next block from a place on: six
    /// of its band and six of its panel.
    macro_rules! product {
        ($sums:literal, $band:literal, $panel:literal) => {
            concat!("tdpbf16ps tmm", $sums, ", tmm", $band, ", tmm", $panel)
        };
        ($sums:literal, $band:literal, $panel:literal, next: $from:literal) => {
            concat!(
                product!($sums, $band, $panel),
                "\n.irp line, 0, 64, 128, 192, 256, 320",
                "\nprefetcht0 [{band} + 4096 + ",
                $from,
                " + \\line]",
                "\nprefetcht0 [{panel} + 4096 + ",
                $from,
                " + \\line]",
                "\n.endr",
            )
        };
    }

    /// See [`super::Unit::multiply`].
    ///
    /// Tiles 0 to 3 are the sums, 4 and 5 upper and lower rows of the band, 6 are columns of the panel. While another
    /// thread uses the same core, half of its registers for tiles are lost, and few are left to rename those that
    /// are written again: each tile that is in use costs time, and each load that waits for the second-level cache.
    /// With an eighth tile and without asking for lines ahead this loop takes 1.7 times as long then.
    ///
    /// # Safety
    /// The unit is set up; band and panel are of the same number of whole blocks; the places can be read and written.
    #[inline(always)]
    pub(super) unsafe fn multiply(band: &[f32], panel: &[f32], from: Option<Place>, to: Place) {
        let value = size_of::<f32>();
        // SAFETY: sixteen lines of 64 bytes, `pitch` apart, are read from each corner of a place (the caller's
        // promise), and as many are written. Of band and panel there are `blocks` blocks of 4096 bytes, of which the
        // loop reads one each; it is not entered without any. Lines that are asked for need not exist. All tiles that are changed are named.
        unsafe {
            match from {
                None => asm!(
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    options(nostack, preserves_flags, nomem),
                ),
                Some(Place { start, pitch }) => asm!(
                    "tileloadd tmm0, [{upper} + {pitch}]",
                    "tileloadd tmm1, [{upper} + {pitch} + 64]",
                    "tileloadd tmm2, [{lower} + {pitch}]",
                    "tileloadd tmm3, [{lower} + {pitch} + 64]",
                    upper = in(reg) start,
                    lower = in(reg) start.add(LINE * pitch),
                    pitch = in(reg) pitch * value,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    options(nostack, preserves_flags, readonly),
                ),
            }
            if !band.is_empty() {
                asm!(
                    "2:",
                    // Lower halves of the band by upper ones of the panel.
                    "tileloadd tmm4, [{band} + {line} + 2048]",
                    "tileloadd tmm5, [{band} + {line} + 3072]",
                    "tileloadd tmm6, [{panel} + {line}]",
                    product!(0, 4, 6, next: 0),
                    product!(2, 5, 6, next: 384),
                    "tileloadd tmm6, [{panel} + {line} + 1024]",
                    product!(1, 4, 6, next: 768),
                    "tileloadd tmm4, [{band} + {line}]",
                    product!(3, 5, 6, next: 1152),
                    "tileloadd tmm5, [{band} + {line} + 1024]",
                    // Upper halves of both.
                    product!(1, 4, 6, next: 1536),
                    product!(3, 5, 6, next: 1920),
                    "tileloadd tmm6, [{panel} + {line}]",
                    product!(0, 4, 6, next: 2304),
                    product!(2, 5, 6, next: 2688),
                    // Upper halves of the band by lower ones of the panel.
                    "tileloadd tmm6, [{panel} + {line} + 2048]",
                    product!(0, 4, 6, next: 3072),
                    product!(2, 5, 6, next: 3456),
                    "tileloadd tmm6, [{panel} + {line} + 3072]",
                    product!(1, 4, 6, next: 3840),
                    product!(3, 5, 6),
                    "add {band}, 4096",
                    "add {panel}, 4096",
                    "dec {blocks}",
                    "jnz 2b",
                    band = inout(reg) band.as_ptr() => _,
                    panel = inout(reg) panel.as_ptr() => _,
                    blocks = inout(reg) band.len() / BLOCK => _,
                    line = in(reg) LINE * value,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _,
                    options(nostack, readonly),
                );
            }
            asm!(
                "tilestored [{upper} + {pitch}], tmm0",
                "tilestored [{upper} + {pitch} + 64], tmm1",
                "tilestored [{lower} + {pitch}], tmm2",
                "tilestored [{lower} + {pitch} + 64], tmm3",
                upper = in(reg) to.start,
                lower = in(reg) to.start.add(LINE * to.pitch),
                pitch = in(reg) to.pitch * value,
                options(nostack, preserves_flags),
            );
        }
    }
}
