//! Connected components of a mask: maximal sets of pixels of one class that hang together by sides.
//!
//! A first pass gives each pixel the label of its left or upper neighbour of the same class and
//! notes which labels turn out to be one, in a forest whose roots are the smallest labels. Then the
//! roots are numbered. So components are numbered by their first pixels in reading order.

use canet_core::{ClassId, Mask};

/// Stands for what lies outside the frame.
pub(super) const OUTSIDE: u32 = u32::MAX;

/// One connected component.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    pub(super) class: ClassId,
    /// Its first pixel in reading order: none of its pixels lies above, nor left of it in its row.
    pub(super) first: (i32, i32),
    /// Number of pixels.
    pub(super) area: u64,
}

/// All components of a mask, and which one each pixel belongs to.
#[derive(Debug)]
pub(super) struct Components {
    pub(super) list: Vec<Component>,
    pub(super) width: i32,
    pub(super) height: i32,
    /// The component of each pixel, as an index into `list`.
    pub(super) labels: Vec<u32>,
}

impl Components {
    pub(super) fn of(mask: &Mask) -> Self {
        let width = mask.width() as usize;
        let (mut labels, parents) = provisional_labels(mask.ids(), width);
        let numbers = numbered(&parents);
        let mut list: Vec<Component> = Vec::new();
        for (at, label) in labels.iter_mut().enumerate() {
            *label = numbers[*label as usize];
            if *label as usize == list.len() {
                let first = ((at % width) as i32, (at / width) as i32);
                list.push(Component { class: ClassId(mask.ids()[at]), first, area: 0 });
            }
            list[*label as usize].area += 1;
        }
        Self { list, width: mask.width() as i32, height: mask.height() as i32, labels }
    }

    /// The component at a pixel, or [`OUTSIDE`].
    pub(super) fn at(&self, x: i32, y: i32) -> u32 {
        if (0..self.width).contains(&x) && (0..self.height).contains(&y) {
            self.labels[y as usize * self.width as usize + x as usize]
        } else {
            OUTSIDE
        }
    }
}

/// Labels by the left and the upper neighbour, and for each label a smaller one that is the same, or
/// itself.
fn provisional_labels(ids: &[u8], width: usize) -> (Vec<u32>, Vec<u32>) {
    let mut labels = vec![0; ids.len()];
    let mut parents: Vec<u32> = Vec::new();
    for (at, &id) in ids.iter().enumerate() {
        let left = (!at.is_multiple_of(width) && ids[at - 1] == id).then(|| labels[at - 1]);
        let above = (at >= width && ids[at - width] == id).then(|| labels[at - width]);
        labels[at] = match (left, above) {
            (Some(left), Some(above)) if left != above => join(&mut parents, left, above),
            (Some(label), _) | (None, Some(label)) => label,
            (None, None) => {
                parents.push(parents.len() as u32);
                parents.len() as u32 - 1
            }
        };
    }
    (labels, parents)
}

/// Makes two labels one and returns the smaller root.
fn join(parents: &mut [u32], a: u32, b: u32) -> u32 {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b) as usize] = a.min(b);
    a.min(b)
}

fn root(parents: &mut [u32], mut label: u32) -> u32 {
    while parents[label as usize] != label {
        // Each step halves the path for those who come later.
        let next = parents[parents[label as usize] as usize];
        parents[label as usize] = next;
        label = next;
    }
    label
}

/// The number of each label's root among the roots.
fn numbered(parents: &[u32]) -> Vec<u32> {
    let mut numbers: Vec<u32> = Vec::new();
    let mut count = 0;
    for (label, &parent) in parents.iter().enumerate() {
        if parent as usize == label {
            numbers.push(count);
            count += 1;
        } else {
            // Parents are smaller, so theirs is known.
            numbers.push(numbers[parent as usize]);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_join_and_corners_do_not() {
        for (width, ids, labels, areas) in [
            (1, &[7][..], &[0][..], &[1][..]),
            (2, &[1, 0, 0, 1], &[0, 1, 2, 3], &[1, 1, 1, 1]),
            (3, &[1, 0, 1, 1, 1, 1], &[0, 1, 0, 0, 0, 0], &[5, 1]),
            (
                4,
                &[0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1],
                &[0, 1, 2, 3, 1, 1, 2, 3, 2, 2, 2, 3],
                &[1, 3, 5, 3],
            ),
            (3, &[255, 255, 0, 0, 255, 0, 0, 0, 0], &[0, 0, 1, 1, 0, 1, 1, 1, 1], &[3, 6]),
        ] {
            let mask = Mask::from_ids(width, ids.len() as u32 / width, ids.to_vec());
            let components = Components::of(&mask);
            assert_eq!(components.labels, labels);
            assert_eq!(components.list.iter().map(|c| c.area).collect::<Vec<_>>(), areas);
            for component in &components.list {
                let (x, y) = component.first;
                assert_eq!(mask.at(x as u32, y as u32), component.class);
            }
        }
        assert!(Components::of(&Mask::filled(0, 5, ClassId(1))).list.is_empty());
    }
}
