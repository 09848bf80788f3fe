//! Small components, absorbed by their neighbours.
//!
//! A component that is too small takes the class of the larger neighbour with which it shares the
//! longest border. So it vanishes without a hole, which leaving it out would tear open where no
//! polygon lies below. All absorb at once, chains of small ones included (each takes the class that
//! its neighbour ends up with), and again until nothing is too small.

use std::cmp::Reverse;

use canet_core::{ClassId, Mask};

use super::components::Components;

/// The mask without components of fewer than `min_area` pixels, and how many were absorbed.
pub(super) fn absorb(mask: &Mask, min_area: u64) -> (Mask, usize) {
    let (mut mask, mut absorbed) = (mask.clone(), 0);
    loop {
        let components = Components::of(&mask);
        let count = absorb_once(&mut mask, &components, min_area);
        if count == 0 {
            return (mask, absorbed);
        }
        absorbed += count;
    }
}

fn absorb_once(mask: &mut Mask, components: &Components, min_area: u64) -> usize {
    let list = &components.list;
    let rank = |label: u32| (list[label as usize].area, Reverse(label));
    let absorbers = absorbers(components, |small, other| {
        list[small as usize].area < min_area && rank(other) > rank(small)
    });
    let mut classes: Vec<ClassId> = list.iter().map(|component| component.class).collect();
    let mut largest_first: Vec<u32> = (0..list.len() as u32).collect();
    largest_first.sort_unstable_by_key(|&label| Reverse(rank(label)));
    for label in largest_first {
        if let Some(absorber) = absorbers[label as usize] {
            classes[label as usize] = classes[absorber as usize];
        }
    }
    for (id, &label) in mask.ids_mut().iter_mut().zip(&components.labels) {
        *id = classes[label as usize].0;
    }
    absorbers.iter().flatten().count()
}

/// For each component, the neighbour with the longest common border among those that may absorb it.
fn absorbers(components: &Components, may: impl Fn(u32, u32) -> bool) -> Vec<Option<u32>> {
    let mut cracks: Vec<(u32, u32)> = Vec::new();
    for (at, &here) in components.labels.iter().enumerate() {
        let x = at as i32 % components.width;
        let y = at as i32 / components.width;
        for there in [(x + 1, y), (x, y + 1)] {
            if there.0 < components.width && there.1 < components.height {
                let there = components.at(there.0, there.1);
                for (small, other) in [(here, there), (there, here)] {
                    if small != other && may(small, other) {
                        cracks.push((small, other));
                    }
                }
            }
        }
    }
    cracks.sort_unstable();
    let mut best: Vec<Option<(usize, u64, u32)>> = vec![None; components.list.len()];
    for border in cracks.chunk_by(|a, b| a == b) {
        let (small, other) = border[0];
        let candidate = (border.len(), components.list[other as usize].area, other);
        let best = &mut best[small as usize];
        // Equal borders and areas: the first in reading order.
        if best.is_none_or(|best| (candidate.0, candidate.1) > (best.0, best.1)) {
            *best = Some(candidate);
        }
    }
    best.into_iter().map(|best| best.map(|(_, _, other)| other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_take_the_class_of_the_longest_border() {
        for (ids, min_area, expected, count) in [
            ([1, 1, 1, 2, 1, 3, 1, 1, 2, 2, 2, 2], 1, [1, 1, 1, 2, 1, 3, 1, 1, 2, 2, 2, 2], 0),
            ([1, 1, 1, 1, 1, 3, 2, 1, 2, 2, 2, 2], 2, [1, 1, 1, 1, 1, 1, 2, 1, 2, 2, 2, 2], 1),
            // A chain: 4 goes where 3 goes.
            ([1, 1, 1, 1, 1, 3, 3, 1, 1, 4, 1, 1], 3, [1; 12], 2),
            // All are too small: the largest stays.
            ([1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9], 99, [1; 12], 9),
        ] {
            let mask = Mask::from_ids(4, 3, ids.to_vec());
            let (absorbed, number) = absorb(&mask, min_area);
            assert_eq!((absorbed.ids(), number), (&expected[..], count), "{ids:?}");
        }
    }
}
