//! What a network learns from the whole picture: its global averages, which a tile can be told.
//!
//! CANet has two, one after the other: that of C4, of which the global flow is made, and that of the
//! aggregated context, which opens and shuts the gates of the feature selection. A tile alone takes
//! them from what it shows; a tile that is told those of its picture is seen as a part of it.

use std::ops::Range;

use canet_ops::frozen::AveragePool;

/// Global averages of a picture, in the order in which the network takes them: the channels' means.
pub(crate) type Averages = Vec<Vec<f32>>;

/// The part of a picture that a tile answers for.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Rows and columns of the tile.
    pub(crate) of: [Range<usize>; 2],
    /// Height and width of the tile.
    pub(crate) tile: [usize; 2],
}

/// Sums over the cells of a part, by channel, and how many cells there were.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    by_channel: Vec<f64>,
    cells: usize,
}

/// What becomes of the global averages in a run.
pub(super) struct Context<'a> {
    /// The first ones are told; further ones are the picture's own.
    told: &'a [Vec<f32>],
    /// Where the first that is not told goes, instead; it ends the run.
    wanted: Option<(&'a Part, &'a mut Sums)>,
    next: usize,
}

impl<'a> Context<'a> {
    /// As the picture has it.
    pub(super) fn own() -> Self {
        Self::told(&[])
    }

    pub(super) fn told(told: &'a [Vec<f32>]) -> Self {
        Self { told, wanted: None, next: 0 }
    }

    pub(super) fn wanted(told: &'a [Vec<f32>], part: &'a Part, sums: &'a mut Sums) -> Self {
        Self { told, wanted: Some((part, sums)), next: 0 }
    }

    /// Makes the next global average `y` of `x`; false if the run has nothing more to do.
    pub(super) fn average(&mut self, pool: &AveragePool, x: &[f32], y: &mut [f32]) -> bool {
        self.next += 1;
        if let Some(told) = self.told.get(self.next - 1) {
            y.copy_from_slice(told);
        } else if let Some((part, sums)) = &mut self.wanted {
            sums.add(part, x, pool.input());
            return false;
        } else {
            pool.run(x, y);
        }
        true
    }
}

impl Sums {
    /// Takes in the cells of a map `(C, h, w)` of a tile that lie in a part of it.
    fn add(&mut self, part: &Part, x: &[f32], [h, w]: [usize; 2]) {
        // A cell belongs to whom its upper left corner belongs to.
        let cells = |axis: usize, cells: usize| {
            let first = |pixel: usize| (pixel * cells).div_ceil(part.tile[axis]);
            first(part.of[axis].start)..first(part.of[axis].end)
        };
        let (rows, columns) = (cells(0, h), cells(1, w));
        self.cells += rows.len() * columns.len();
        self.by_channel.resize(x.len() / (h * w), 0.0);
        for (sum, plane) in self.by_channel.iter_mut().zip(x.chunks_exact(h * w)) {
            for row in rows.clone() {
                let row = &plane[row * w..][columns.clone()];
                *sum += row.iter().map(|&v| f64::from(v)).sum::<f64>();
            }
        }
    }

    /// The means.
    pub(crate) fn means(&self) -> Vec<f32> {
        self.by_channel.iter().map(|sum| (sum / self.cells as f64) as f32).collect()
    }
}
