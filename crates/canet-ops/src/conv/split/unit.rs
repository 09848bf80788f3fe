//! The product of a tile on the matrix unit: 32 rows by 32 columns, over any number of blocks of 32 steps.
//!
//! A block of a band or a panel has its upper halves, then its lower ones, each as two tiles of 16 lines of 64 bytes.
//! A line of a band is a row, its steps in pairs; a line of a panel is a pair of steps, a word for each column.
//! Rows need not be a band: see [`Rows`].

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

/// Most blocks of a band.
pub(super) const MOST_BLOCKS: usize = 16;
/// Where the blocks of a band start, and the one after the last.
static OF_BAND: [usize; MOST_BLOCKS + 1] = {
    let mut starts = [0; MOST_BLOCKS + 1];
    let mut block = 0;
    while block <= MOST_BLOCKS {
        starts[block] = block * BLOCK;
        block += 1;
    }
    starts
};

/// The rows of a tile, as lines that lie anywhere.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) words: &'a [f32],
    /// Where the lines of the upper sixteen rows start, and those of the lower ones.
    pub(super) starts: [usize; 2],
    /// Words from upper halves to lower ones.
    pub(super) half: usize,
    /// How much later the lines of each block start; and of one more, which is only asked for.
    pub(super) blocks: &'a [usize],
}

impl<'a> Rows<'a> {
    /// A band.
    ///
    /// # Panics
    /// If it has more than [`MOST_BLOCKS`].
    #[inline(always)]
    pub(super) fn of_band(words: &'a [f32]) -> Self {
        let blocks = &OF_BAND[..=words.len() / BLOCK];
        Self { words, starts: [0, LINE * LINE], half: HALF, blocks }
    }

    /// How many blocks there are to multiply.
    fn count(&self) -> usize {
        self.blocks.len().saturating_sub(1)
    }

    /// Whether all lines are among the words.
    fn are_within(&self) -> bool {
        let most = self.starts[0].max(self.starts[1]) + self.half + LINE * LINE;
        self.blocks[..self.count()].iter().all(|block| block + most <= self.words.len())
    }

    /// A word of a row in a block's upper or lower half.
    fn word(&self, block: usize, half: usize, row: usize, pair: usize) -> f32 {
        let line = self.starts[row / LINE] + row % LINE * LINE;
        self.words[line + self.blocks[block] + half * self.half + pair]
    }
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

    /// Adds the products of rows and panel, without those of lower halves with each other, to what is at `from` (to
    /// zeros, if it is nowhere), and puts the sums at `to`.
    ///
    /// # Panics
    /// If rows and panel are not of the same number of whole blocks, or lines of the rows are none of their words.
    ///
    /// # Safety
    /// Nothing else uses the places meanwhile; one can be read, the other written.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller knows the places")]
    pub(super) unsafe fn multiply(
        &self,
        rows: Rows,
        panel: &[f32],
        from: Option<Place>,
        to: Place,
    ) {
        assert!(
            panel.len() == rows.count() * BLOCK && rows.are_within(),
            "internal: rows of {} blocks in {} words, and a panel of {}",
            rows.count(),
            rows.words.len(),
            panel.len()
        );
        #[cfg(target_arch = "x86_64")]
        if self.is_there {
            // SAFETY: the unit is set up; rows and panel are of the same number of blocks, and all lines are there;
            // the caller's promise.
            return unsafe { amx::multiply(rows, panel, from, to) };
        }
        let mut sums = Sums::new();
        for row in 0..SIDE {
            if let Some(Place { start, pitch }) = from {
                // SAFETY: the caller's promise.
                let from = unsafe { std::slice::from_raw_parts(start.add(row * pitch), SIDE) };
                sums.row_mut(row).copy_from_slice(from);
            }
        }
        for (block, panel) in panel.as_chunks::<BLOCK>().0.iter().enumerate() {
            multiply_block(rows, block, panel, &mut sums);
        }
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
fn multiply_block(rows: Rows, block: usize, panel: &[f32; BLOCK], sums: &mut Sums) {
    for [a, b] in [[1, 0], [0, 0], [0, 1]] {
        for row in 0..SIDE {
            for pair in 0..LINE {
                let steps = halves::pair(rows.word(block, a, row, pair));
                for column in 0..SIDE {
                    let tile = column / LINE * LINE * LINE;
                    let word = panel[b * HALF + tile + pair * LINE + column % LINE];
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

    use super::{BLOCK, LINE, Place, Rows};

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

    /// A product of tiles, and what is asked for meanwhile: lines of the next block, six of its panel and eight of
    /// its rows, from a line of each on.
    macro_rules! product {
        ($sums:literal, $rows:literal, $panel:literal) => {
            concat!("tdpbf16ps tmm", $sums, ", tmm", $rows, ", tmm", $panel)
        };
        ($sums:literal, $rows:literal, $panel:literal, panel: $from:literal) => {
            concat!(
                product!($sums, $rows, $panel),
                "\n.irp line, 0, 64, 128, 192, 256, 320",
                "\nprefetcht0 [{panel} + 4096 + ", $from, " + \\line]",
                "\n.endr",
            )
        };
        (
            $sums:literal, $rows:literal, $panel:literal,
            panel: $from:literal, rows: $tile:literal + $at:literal
        ) => {
            concat!(
                product!($sums, $rows, $panel, panel: $from),
                "\n.irp line, 0, 64, 128, 192, 256, 320, 384, 448",
                "\nprefetcht0 [{", $tile, "} + ", $at, " + \\line]",
                "\n.endr",
            )
        };
    }

    /// See [`super::Unit::multiply`].
    ///
    /// Tiles 0 to 3 are the sums, 4 and 5 upper and lower rows, 6 columns of the panel. While another
    /// thread uses the same core, half of its registers for tiles are lost, and few are left to rename those that
    /// are written again: each tile that is in use costs time, and each load that waits for the second-level cache.
    /// With an eighth tile and without asking for lines ahead this loop takes 1.7 times as long then.
    ///
    /// # Safety
    /// The unit is set up; rows and panel are of the same number of blocks, and the lines of the rows are among their
    /// words; the places can be read and written.
    #[inline(always)]
    pub(super) unsafe fn multiply(rows: Rows, panel: &[f32], from: Option<Place>, to: Place) {
        let value = size_of::<f32>();
        // SAFETY: sixteen lines of 64 bytes, `pitch` apart, are read from each corner of a place (the caller's
        // promise), and as many are written. The loop reads a block of 4096 bytes of the panel in
        // each pass, the same of the rows where their table says, and the table's next entry; it is not entered without
        // any block. Lines that are asked for need not exist. All tiles that are changed are named.
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
            if !panel.is_empty() {
                let [upper, lower] = rows.starts.map(|start| rows.words.as_ptr().add(start));
                let first = rows.blocks[0];
                asm!(
                    "2:",
                    // Lower halves of the rows by upper ones of the panel.
                    "tileloadd tmm4, [{upper_low} + {line}]",
                    "tileloadd tmm5, [{lower_low} + {line}]",
                    "add {table}, 8",
                    "mov {upper_low}, [{table}]",
                    "lea {lower_low}, [{lower} + 4*{upper_low}]",
                    "lea {upper_low}, [{upper} + 4*{upper_low}]",
                    "tileloadd tmm6, [{panel} + {line}]",
                    product!(0, 4, 6, panel: 0, rows: "upper_low" + 0),
                    product!(2, 5, 6, panel: 384, rows: "upper_low" + 512),
                    "tileloadd tmm6, [{panel} + {line} + 1024]",
                    product!(1, 4, 6, panel: 768, rows: "lower_low" + 0),
                    "tileloadd tmm4, [{upper_high} + {line}]",
                    product!(3, 5, 6, panel: 1152, rows: "lower_low" + 512),
                    "tileloadd tmm5, [{lower_high} + {line}]",
                    "mov {upper_high}, {upper_low}",
                    "mov {lower_high}, {lower_low}",
                    "add {upper_low}, {half}",
                    "add {lower_low}, {half}",
                    // Upper halves of both.
                    product!(1, 4, 6, panel: 1536, rows: "upper_low" + 0),
                    product!(3, 5, 6, panel: 1920, rows: "upper_low" + 512),
                    "tileloadd tmm6, [{panel} + {line}]",
                    product!(0, 4, 6, panel: 2304, rows: "lower_low" + 0),
                    product!(2, 5, 6, panel: 2688, rows: "lower_low" + 512),
                    // Upper halves of the rows by lower ones of the panel.
                    "tileloadd tmm6, [{panel} + {line} + 2048]",
                    product!(0, 4, 6, panel: 3072),
                    product!(2, 5, 6, panel: 3456),
                    "tileloadd tmm6, [{panel} + {line} + 3072]",
                    product!(1, 4, 6, panel: 3840),
                    product!(3, 5, 6),
                    "add {panel}, 4096",
                    "dec {blocks}",
                    "jnz 2b",
                    upper = in(reg) upper,
                    lower = in(reg) lower,
                    half = in(reg) rows.half * value,
                    table = inout(reg) rows.blocks.as_ptr() => _,
                    upper_high = inout(reg) upper.add(first) => _,
                    lower_high = inout(reg) lower.add(first) => _,
                    upper_low = inout(reg) upper.add(first + rows.half) => _,
                    lower_low = inout(reg) lower.add(first + rows.half) => _,
                    panel = inout(reg) panel.as_ptr() => _,
                    blocks = inout(reg) panel.len() / BLOCK => _,
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
