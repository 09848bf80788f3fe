//! The windows of the pooling, and where what they see lies.
//!
//! The four pixels of a 2x2 window see, by a 3x3 kernel, 4x4 inputs of each channel; neighbouring windows lie two inputs apart.
//! So what the windows see is the lowering of a 4x4 kernel of stride 2, and each of the four pixels, a corner, has its taps
//! among those of the window.

use std::ops::Range;

use candle_core::Result;

use crate::conv::lowering::Lowering;
use crate::conv::tile::MOST_COLUMNS;
use crate::conv::weight_gradient::dots::Lines;
use crate::geometry::Problem;
use crate::real::Real;

/// Pixels of a window.
pub(super) const CORNERS: usize = 4;
/// Most inputs of a window: their products with each other are summed.
const MOST_SEEN: usize = 64;
/// Windows of a task: enough to be worth handing over, few enough for all cores to get some, and for what they see to
/// stay in the second-level cache.
const TASK: usize = 1 << 9;
/// Parts that the blocks are cut into where sums are taken, if these are not too long then.
const SLABS: usize = 16;
/// Windows of a part, at most: in the numbers of the picture, longer sums would lose digits.
const PART: usize = 1 << 14;

pub(super) struct Windows {
    problem: Problem,
    /// Height and width of the pooling's result.
    output: [usize; 2],
    /// Of the rows of a block.
    pub(super) lowering: Lowering,
    /// Rows of windows of a block.
    rows: usize,
}

/// Some rows of windows of an image.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) image: usize,
    pub(super) rows: Range<usize>,
}

impl Windows {
    /// Whether the windows see few inputs, and no pixel is outside all windows.
    pub(super) fn suit(p: &Problem) -> bool {
        let g = &p.geometry;
        [g.stride, g.dilation] == [[1; 2]; 2]
            && g.groups == 1
            && p.output.iter().all(|n| n.is_multiple_of(2))
            && p.inputs * (p.kernel[0] + 1) * (p.kernel[1] + 1) <= MOST_SEEN
    }

    pub(super) fn new(p: &Problem) -> Result<Self> {
        let kernel = p.kernel.map(|k| k + 1);
        let seen = Problem::new(
            (p.batch, p.inputs, p.input[0], p.input[1]),
            (p.outputs, p.inputs, kernel[0], kernel[1]),
            &p.geometry.with_stride(2),
        )?;
        let output = p.output.map(|n| n / 2);
        let rows = (TASK / output[1]).clamp(1, output[0]);
        let lowering = Lowering::of_rows(&seen, p.inputs, rows);
        Ok(Self { problem: *p, output, lowering, rows })
    }

    pub(super) fn outputs(&self) -> usize {
        self.problem.outputs
    }

    pub(super) fn output(&self) -> [usize; 2] {
        self.output
    }

    /// Windows of all images.
    pub(super) fn count(&self) -> usize {
        self.problem.batch * self.plane()
    }

    /// Windows of an image.
    fn plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Rows of windows of all blocks but the last of an image.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs of a window.
    pub(super) fn seen(&self) -> usize {
        self.lowering.taps.len()
    }

    /// Taps of the convolution.
    pub(super) fn taps(&self) -> usize {
        self.problem.inputs * self.problem.kernel_size()
    }

    /// Which of the inputs of a window each tap of a corner is.
    pub(super) fn corner(&self, corner: usize) -> impl Iterator<Item = usize> {
        let [height, width] = self.problem.kernel;
        (0..self.taps()).map(move |tap| {
            let (channel, y, x) = (tap / (height * width), tap / width % height, tap % width);
            let [y, x] = [y + corner / 2, x + corner % 2];
            (channel * (height + 1) + y) * (width + 1) + x
        })
    }

    /// The blocks of all images.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let [height, _] = self.output;
        let of_image = |image| {
            let starts = (0..height).step_by(self.rows);
            starts.map(move |first| Block { image, rows: first..height.min(first + self.rows) })
        };
        (0..self.problem.batch).flat_map(of_image).collect()
    }

    /// The same in parts whose sums are taken one by one, and then added in order. The parts depend on the shape alone.
    pub(super) fn slabs(&self) -> Vec<Vec<Block>> {
        let blocks = self.blocks();
        let most = (PART / (self.rows * self.output[1])).max(1);
        let len = blocks.len().div_ceil(SLABS).min(most);
        blocks.chunks(len).map(<[Block]>::to_vec).collect()
    }

    /// Values of a map of the pooling's results, all images.
    pub(super) fn len(&self) -> usize {
        self.problem.batch * self.problem.outputs * self.plane()
    }

    /// Where the rows of a block start in a channel of such a map.
    pub(super) fn place(&self, block: &Block, channel: usize) -> usize {
        let [height, width] = self.output;
        ((block.image * self.problem.outputs + channel) * height + block.rows.start) * width
    }

    /// The windows of so many rows as they lie in what a block sees.
    pub(super) fn lines(&self, rows: usize) -> Lines {
        Lines { count: rows, width: self.output[1], pitch: self.lowering.pitch }
    }

    /// Values of what a block sees, and room for a tile that leaves its last row.
    pub(super) fn source_len(&self) -> usize {
        self.lowering.source_len() + MOST_COLUMNS
    }

    /// Copies what a block sees of `x`, all images.
    pub(super) fn fill<T: Real>(&self, block: &Block, x: &[T], source: &mut [T]) {
        let image = self.problem.inputs * self.problem.input_pixels();
        let (seen, room) = source.split_at_mut(self.lowering.source_len());
        self.lowering.fill_rows(&x[block.image * image..][..image], block.rows.start, seen);
        room.fill(T::ZERO);
    }

    /// Where each row of windows starts in what its block sees.
    pub(super) fn starts(&self) -> impl Iterator<Item = usize> {
        self.lowering.pixels.iter().copied().step_by(self.output[1])
    }
}
