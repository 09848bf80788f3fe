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
    /// Whether the lines stay in the first-level cache; else they are asked for ahead.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "plain loops ask for none")
    )]
    pub(super) are_near: bool,
}

impl<'a> Rows<'a> {
    /// A band.
    ///
    /// # Panics
    /// If it has more than [`MOST_BLOCKS`].
    #[inline(always)]
    pub(super) fn of_band(words: &'a [f32]) -> Self {
        let blocks = &OF_BAND[..=words.len() / BLOCK];
        Self { words, starts: [0, LINE * LINE], half: HALF, blocks, are_near: false }
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
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "it never is"))]
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
            return unsafe {
                if rows.are_near && !panel.is_empty() {
                    amx::multiply_near(rows, panel, from, to);
                } else {
                    amx::multiply(rows, panel, from, to);
                }
            };
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
mod amx;
