//! From the lowered input to panels of halves: a line for each pair of taps, a word for each pixel.

use std::ops::Range;

use super::halves::Halves;
use super::unit::{BLOCK, HALF, LINE, SIDE};
use crate::conv::lowering::Lowering;
use crate::conv::panel::Columns;
use crate::conv::tile::TileShape;
use crate::conv::window::Window;

/// Columns of a panel, a line's at a time.
const SHAPE: TileShape = TileShape { rows: SIDE, columns: SIDE, lanes: LINE };

/// Where panels come from.
#[derive(Debug)]
pub(super) enum Panels {
    /// From the input as it is.
    Window(Window),
    /// From the lowering's source.
    Source(Vec<Columns>),
}

impl Panels {
    pub(super) fn new(lowering: &Lowering) -> Self {
        match lowering.window {
            Some(window) if lowering.copies() && window.suits(LINE) => Self::Window(window),
            _ => Self::Source(Columns::all(lowering, SHAPE)),
        }
    }

    /// Whether the source is a copy of the input.
    pub(super) fn copies(&self, lowering: &Lowering) -> bool {
        matches!(self, Self::Source(_)) && lowering.copies()
    }

    /// Packs the panels of some pixels, one after another, for some blocks of taps. Taps past the last are zeros.
    #[inline(always)]
    pub(super) fn pack<V: Halves>(
        &self,
        lowering: &Lowering,
        source: &[f32],
        taps: Range<usize>,
        pixels: Range<usize>,
        packed: &mut [f32],
    ) {
        let panel_len = taps.len() * SIDE;
        for tap in taps.clone().step_by(2) {
            let (step, pair) = (tap - taps.start, [tap, tap + 1]);
            let line = step / SIDE * BLOCK + step % SIDE / 2 * LINE;
            match self {
                Self::Window(window) => {
                    let all = lowering.taps.len();
                    let seen = pair.map(|tap| (tap < all).then(|| window.tap(source, tap)));
                    let mut at = [pixels.start / window.width, pixels.start % window.width];
                    for i in 0..pixels.len().div_ceil(LINE) {
                        let to = &mut packed[i / 2 * panel_len + line + i % 2 * LINE * LINE..];
                        for j in (0..LINE).step_by(V::LANES) {
                            let mut values = [[0.0; LINE]; 2];
                            for (tap, values) in seen.iter().zip(&mut values) {
                                if let Some(tap) = tap {
                                    window.load::<f32, V>(tap, at, &mut values[..V::LANES]);
                                }
                            }
                            put([V::load(&values[0]), V::load(&values[1])], j, to);
                            at = window.next(at, V::LANES);
                        }
                    }
                }
                Self::Source(columns) => {
                    let columns = &columns[pixels.start / SIDE..pixels.end.div_ceil(SIDE)];
                    let taps = pair.map(|tap| lowering.taps.get(tap).copied());
                    let ahead = pair.map(|tap| lowering.taps.get(tap + 2).copied());
                    for (columns, packed) in columns.iter().zip(packed.chunks_exact_mut(panel_len))
                    {
                        for half in 0..columns.vectors(LINE, SIDE) {
                            for tap in ahead.into_iter().flatten() {
                                columns.prefetch::<_, LINE>(half, source, tap);
                            }
                            let to = &mut packed[line + half * LINE * LINE..];
                            for j in (0..LINE).step_by(V::LANES) {
                                let mut values = [V::splat(0.0); 2];
                                for (tap, values) in taps.iter().zip(&mut values) {
                                    if let Some(tap) = *tap {
                                        *values = columns.load::<_, V, LINE>(half, j, source, tap);
                                    }
                                }
                                put(values, j, to);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Writes the pairs of some pixels to their places in a line, from the `j`th on.
#[inline(always)]
fn put<V: Halves>(values: [V; 2], j: usize, line: &mut [f32]) {
    let halves = V::halves(values);
    halves[0].store(&mut line[j..]);
    halves[1].store(&mut line[HALF + j..]);
}
