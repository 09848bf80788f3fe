//! Frames that look alike, found without comparing all with all.
//!
//! Two hashes of which at most [`BITS`] bits differ agree in one of `BITS + 1` bands (pigeonhole),
//! so that only hashes of one bucket of a band are compared; every pair within the bound is found.
//! Frames of one drive look alike by nature and are not told.

use std::collections::BTreeMap;

/// How many of the 64 bits may differ.
pub(super) const BITS: u32 = 5;

const BANDS: u32 = BITS + 1;

/// A frame's likeness to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Likeness {
    /// How many bits differ.
    pub(super) bits: u32,
    /// The place of the other frame, earlier in the list.
    pub(super) other: usize,
}

/// For each frame the nearest earlier one of another `group` within the bound, the first of equals.
/// A frame is its hash and its group: the drive and the split.
pub(super) fn find<G: Ord>(frames: &[(u64, G)]) -> Vec<Option<Likeness>> {
    // Equal hashes are one entry, so that a thousand black frames are not a million pairs.
    let mut by_hash: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (place, (hash, _)) in frames.iter().enumerate() {
        by_hash.entry(*hash).or_default().push(place);
    }
    let hashes: Vec<_> = by_hash.keys().copied().collect();
    let mut nearest = vec![None; frames.len()];
    let mut offer = |place: usize, likeness: Likeness| {
        let best: &mut Option<Likeness> = &mut nearest[place];
        if best.is_none_or(|best| likeness < best) {
            *best = Some(likeness);
        }
    };
    let mut meet = |a: u64, b: u64| {
        let bits = (a ^ b).count_ones();
        for &place in &by_hash[&a] {
            let earlier = by_hash[&b].iter().take_while(|other| **other < place);
            let mut others = earlier.filter(|other| frames[**other].1 != frames[place].1);
            if let Some(&other) = others.next() {
                offer(place, Likeness { bits, other });
            }
        }
    };
    for &hash in &hashes {
        meet(hash, hash);
    }
    for_pairs_within(&hashes, |a, b| {
        meet(a, b);
        meet(b, a);
    });
    nearest
}

/// Calls `pair` at least once for each two different hashes within the bound.
fn for_pairs_within(hashes: &[u64], mut pair: impl FnMut(u64, u64)) {
    for band in 0..BANDS {
        let (low, high) = (64 * band / BANDS, 64 * (band + 1) / BANDS);
        let key = |hash: u64| (hash >> low) & ((1 << (high - low)) - 1);
        let mut sorted = hashes.to_vec();
        sorted.sort_unstable_by_key(|&hash| (key(hash), hash));
        for bucket in sorted.chunk_by(|&a, &b| key(a) == key(b)) {
            for (i, &a) in bucket.iter().enumerate() {
                let near = |b: &&u64| (a ^ **b).count_ones() <= BITS;
                bucket[..i].iter().filter(near).for_each(|&b| pair(a, b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pairs, the plain way.
    fn plainly(frames: &[(u64, u64)]) -> Vec<Option<Likeness>> {
        let likeness = |place: usize, other: usize| {
            let bits = (frames[place].0 ^ frames[other].0).count_ones();
            (bits <= BITS && frames[place].1 != frames[other].1).then_some(Likeness { bits, other })
        };
        (0..frames.len()).map(|i| (0..i).filter_map(|j| likeness(i, j)).min()).collect()
    }

    #[test]
    fn the_bands_find_what_comparing_all_finds() {
        let mut found = 0;
        for round in 0..30 {
            let draw = |i: u64| canet_core::mix(round * 100_000 + i);
            let frames: Vec<_> = (0..400)
                .map(|n| {
                    // Some 40 scenes, each frame with up to 7 bits changed.
                    let flips =
                        (0..draw(n) % 8).fold(0, |f, i| f | 1 << (draw(n * 8 + i + 999) % 64));
                    (draw(50_000 + draw(n + 7) % 40) ^ flips, draw(n + 13) % 3)
                })
                .collect();
            let nearest = find(&frames);
            assert_eq!(nearest, plainly(&frames), "{round}");
            found += nearest.iter().flatten().count();
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn the_bound_and_the_groups_count() {
        let five = 0b1000_0100_0010_0001_0001_u64.rotate_left(31);
        for (frames, expected) in [
            (&[(0, 1), (five, 2)][..], Some(Likeness { bits: 5, other: 0 })),
            (&[(0, 1), (five | 1, 2)], None),
            (&[(0, 1), (0, 1)], None),
            (&[(0, 1), (0, 2), (0, 1)], Some(Likeness { bits: 0, other: 1 })),
            (&[(1, 1), (3, 2), (0, 3)], Some(Likeness { bits: 1, other: 0 })),
        ] {
            assert_eq!(*find(frames).last().unwrap(), expected, "{frames:?}");
        }
    }

    /// Sixteen thousand frames that are all the same take no sixteen thousand squared steps.
    #[test]
    fn a_thousand_black_frames_are_one_entry() {
        let frames: Vec<_> = (0..16_000).map(|n| (0, n / 1000)).collect();
        let nearest = find(&frames);
        assert_eq!(nearest.iter().flatten().count(), 15_000);
        assert_eq!(nearest[1500], Some(Likeness { bits: 0, other: 0 }));
    }
}
