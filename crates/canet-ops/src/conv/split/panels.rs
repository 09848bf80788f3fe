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
            let panels = packed.chunks_exact_mut(panel_len).map(|panel| &mut panel[line..]);
            match self {
                Self::Window(window) => {
                    let taps = pair.map(|tap| (tap < lowering.taps.len()).then_some(tap));
                    pack_window::<V>(window, source, taps, pixels.clone(), panels);
                }
                Self::Source(columns) => {
                    let columns = &columns[pixels.start / SIDE..pixels.end.div_ceil(SIDE)];
                    let offsets = |first: usize| {
                        [first, first + 1].map(|tap| lowering.taps.get(tap).copied())
                    };
                    pack_source::<V>(columns, source, [offsets(tap), offsets(tap + 2)], panels);
                }
            }
        }
    }
}

/// A line of each panel from the input as it is.
#[inline(always)]
fn pack_window<'a, V: Halves>(
    window: &Window,
    source: &[f32],
    taps: [Option<usize>; 2],
    pixels: Range<usize>,
    mut panels: impl Iterator<Item = &'a mut [f32]>,
) {
    let seen = taps.map(|tap| tap.map(|tap| window.tap(source, tap)));
    let mut at = [pixels.start / window.width, pixels.start % window.width];
    let mut left = pixels.len().div_ceil(LINE);
    while left > 0
        && let Some(panel) = panels.next()
    {
        for half in 0..left.min(2) {
            for j in (0..LINE).step_by(V::LANES) {
                let mut values = [[0.0; LINE]; 2];
                for (tap, values) in seen.iter().zip(&mut values) {
                    if let Some(tap) = tap {
                        window.load::<f32, V>(tap, at, &mut values[..V::LANES]);
                    }
                }
                let to = &mut panel[half * LINE * LINE + j..];
                put([V::load(&values[0]), V::load(&values[1])], to);
                at = window.next(at, V::LANES);
            }
        }
        left = left.saturating_sub(2);
    }
}

/// A line of each panel from the lowering's source; the taps `ahead` are asked for.
#[inline(always)]
fn pack_source<'a, V: Halves>(
    columns: &[Columns],
    source: &[f32],
    [taps, ahead]: [[Option<usize>; 2]; 2],
    panels: impl Iterator<Item = &'a mut [f32]>,
) {
    for (columns, panel) in columns.iter().zip(panels) {
        for half in 0..columns.vectors(LINE, SIDE) {
            for tap in ahead.into_iter().flatten() {
                columns.prefetch::<_, LINE>(half, source, tap);
            }
            for j in (0..LINE).step_by(V::LANES) {
                let mut values = [V::splat(0.0); 2];
                for (tap, values) in taps.iter().zip(&mut values) {
                    if let Some(tap) = *tap {
                        *values = columns.load::<_, V, LINE>(half, j, source, tap);
                    }
                }
                put(values, &mut panel[half * LINE * LINE + j..]);
            }
        }
    }
}

/// Writes the pairs of some pixels to their place in a line, and in that of the lower halves.
#[inline(always)]
fn put<V: Halves>(values: [V; 2], line: &mut [f32]) {
    let halves = V::halves(values);
    halves[0].store(line);
    halves[1].store(&mut line[HALF..]);
}
