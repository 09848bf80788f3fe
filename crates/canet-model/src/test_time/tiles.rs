//! Where tiles lie, and how much their pixels count.

use std::ops::Range;

/// Tiles begin at multiples of this, where they can: the grid on which the networks' features lie, so
/// that a tile's features are those of the whole picture as far as it sees the same.
const GRID: usize = 8;

/// Where the tiles of an axis begin, in order. All are `tile` long, or, where that is more than
/// `length`, there is one of `length`.
///
/// They are spread evenly, and each lies at least `overlap` of a tile in the one before it (or, where
/// the grid is too coarse for that, as much as it allows).
pub(super) fn starts(length: usize, tile: usize, overlap: f64) -> Vec<usize> {
    if length <= tile {
        return vec![0];
    }
    let down = |at: usize| at / GRID * GRID;
    let stride = down((tile as f64 * (1.0 - overlap)) as usize).clamp(GRID, tile);
    let (last, reach) = (length - tile, (length - tile).next_multiple_of(GRID));
    let steps = reach.div_ceil(stride);
    let start = |index: usize| if index == steps { last } else { down(index * reach / steps) };
    (0..=steps).map(start).collect()
}

/// Which rows (or columns) of each tile are its own: neighbours part in the middle of where they
/// overlap, on the grid if they can.
pub(super) fn middles(starts: &[usize], tile: usize) -> Vec<Range<usize>> {
    let cut = |pair: &[usize]| (pair[1] + pair[0] + tile) / 2 / GRID * GRID;
    let cuts: Vec<usize> = starts.windows(2).map(|pair| cut(pair).max(pair[1])).collect();
    let firsts = std::iter::once(starts[0]).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain(std::iter::once(starts[starts.len() - 1] + tile));
    firsts.zip(ends).zip(starts).map(|((a, b), start)| a - start..b - start).collect()
}

/// The tent over an axis of a tile: 1 at both ends, more by 1 for each pixel inwards. Where two tiles
/// overlap, the weight goes over from one to the other evenly.
pub(super) fn tent(length: usize) -> impl Iterator<Item = f32> + Clone {
    (0..length).map(move |at| (at + 1).min(length - at) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_covered_and_tiles_overlap() {
        for length in (1..400).chain([1079, 1080, 1081, 1919, 1920, 1921]) {
            for tile in [32, 33, 64, 100, 511, 512] {
                for overlap in [0.0, 0.25, 0.5, 0.75] {
                    let starts = starts(length, tile, overlap);
                    let what = format!("{length} {tile} {overlap}: {starts:?}");
                    assert_eq!(starts[0], 0, "{what}");
                    assert_eq!(starts[starts.len() - 1] + tile.min(length), length, "{what}");
                    let most = ((tile as f64 * (1.0 - overlap)) as usize).max(GRID);
                    let pairs = starts.windows(2);
                    assert!(
                        pairs.into_iter().all(|p| p[0] < p[1] && p[1] - p[0] <= most),
                        "{what}"
                    );
                    let [inner @ .., _] = &starts[..] else { panic!("{what}") };
                    assert!(inner.iter().all(|at| at % GRID == 0), "{what}");
                    // No more tiles than it takes, but for the grid.
                    let stride = (most / GRID * GRID).max(GRID);
                    let least = length.saturating_sub(tile).div_ceil(stride) + 1;
                    assert!(starts.len() <= least + 1, "{what}");
                }
            }
        }
    }

    #[test]
    fn every_pixel_is_one_tiles_own() {
        for (length, tile, overlap) in
            [(448, 256, 0.5), (257, 100, 0.25), (1080, 511, 0.75), (65, 64, 0.0), (9, 9, 0.5)]
        {
            let starts = starts(length, tile.min(length), overlap);
            let own = middles(&starts, tile.min(length));
            let mut next = 0;
            for (start, own) in starts.iter().zip(&own) {
                assert_eq!(start + own.start, next, "{length} {tile} {starts:?} {own:?}");
                assert!(own.end <= tile);
                next = start + own.end;
            }
            assert_eq!((next, own.len()), (length, starts.len()));
        }
    }

    #[test]
    fn a_tent_rises_and_falls_by_one() {
        assert_eq!(tent(5).collect::<Vec<_>>(), [1.0, 2.0, 3.0, 2.0, 1.0]);
        assert_eq!(tent(4).collect::<Vec<_>>(), [1.0, 2.0, 2.0, 1.0]);
        assert_eq!(tent(1).collect::<Vec<_>>(), [1.0]);
    }
}
