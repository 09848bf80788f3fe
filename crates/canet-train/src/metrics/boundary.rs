//! Boundary IoU: IoU of the pixels near outlines (Cheng, Girshick, Dollar, Berg and Kirillov,
//! "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021).
//!
//! Of a class's region R in a mask, the inner boundary is R without its erosion by a square of side
//! `2 d + 1`: the pixels from which a pixel of another class, or the edge of the frame, is at most `d`
//! rows and columns away. `d` is 2 % of the frame's diagonal, rounded, at least 1. The score of
//! a class is the IoU of the inner boundaries in truth and prediction, summed over the split. So far
//! this is the authors' own program. It knows no void. Here a prediction is made void where the truth
//! is, before anything is eroded, and void is a region as others are: a perfect prediction scores 1.

use canet_core::{ClassId, Mask};

use super::confusion::Counts;

/// The counts of boundary pixels, by class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    counts: Vec<Counts>,
}

impl Boundary {
    /// No frames yet.
    pub fn new(classes: usize) -> Self {
        Self { counts: vec![Counts::default(); classes] }
    }

    /// Adds a frame.
    ///
    /// # Panics
    /// If the masks differ in size.
    pub fn add(&mut self, truth: &Mask, prediction: &Mask) {
        let (width, height) = (truth.width(), truth.height());
        assert_eq!((width, height), (prediction.width(), prediction.height()), "one size");
        let d = distance(width, height);
        let cut = |(&truth, &id): (&u8, &u8)| if truth == ClassId::VOID.0 { truth } else { id };
        let predicted: Vec<u8> = truth.ids().iter().zip(prediction.ids()).map(cut).collect();
        let [of_truth, of_predicted] =
            [truth.ids(), &predicted].map(|ids| interior(ids, width as usize, d));
        for (i, (&t, &p)) in truth.ids().iter().zip(&predicted).enumerate() {
            let (near_truth, near_predicted) = (!of_truth[i], !of_predicted[i]);
            if near_truth && let Some(class) = self.counts.get_mut(usize::from(t)) {
                class.truth += 1;
                class.hits += u64::from(near_predicted && t == p);
            }
            if near_predicted && let Some(class) = self.counts.get_mut(usize::from(p)) {
                class.predicted += 1;
            }
        }
    }

    /// The counts of a class.
    pub fn class(&self, class: usize) -> Counts {
        self.counts[class]
    }
}

/// `max(1, round(0.02 * sqrt(width^2 + height^2)))` in whole numbers; a half goes to the even number,
/// as in Python, which the authors use.
fn distance(width: u32, height: u32) -> usize {
    let square = u64::from(width).pow(2) + u64::from(height).pow(2);
    // 2 % of the diagonal is at least k - 1/2 if the square of the diagonal is at least this.
    let threshold = |k: u64| 625 * (2 * k - 1).pow(2);
    let mut d = 0;
    while threshold(d + 1) <= square {
        d += 1;
    }
    if d > 0 && threshold(d) == square && d % 2 == 1 {
        d -= 1;
    }
    d.max(1) as usize
}

/// Which pixels lie in the middle of a square of side `2 d + 1` that has one id and lies in the frame.
/// Two passes: along a row the runs of one id are shortened by `d` at both ends; down a column,
/// `2 d + 1` such pixels of one id in a row make their middle one an inner pixel.
fn interior(ids: &[u8], width: usize, d: usize) -> Vec<bool> {
    let mut inner = vec![false; ids.len()];
    let mut run = vec![0u32; width];
    let mut core = vec![false; width];
    let full = 2 * d as u32 + 1;
    let mut above: &[u8] = &[];
    for (y, row) in ids.chunks_exact(width.max(1)).enumerate() {
        shorten_runs(row, d, &mut core);
        for x in 0..width {
            let goes_on = above.get(x) == Some(&row[x]);
            run[x] = if !core[x] {
                0
            } else if goes_on {
                run[x] + 1
            } else {
                1
            };
            if run[x] >= full {
                inner[(y - d) * width + x] = true;
            }
        }
        above = row;
    }
    inner
}

/// Sets `core` where the run of one id reaches at least `d` pixels to both sides.
fn shorten_runs(row: &[u8], d: usize, core: &mut [bool]) {
    core.fill(false);
    let mut start = 0;
    for run in row.chunk_by(|a, b| a == b) {
        if run.len() > 2 * d {
            core[start + d..start + run.len() - d].fill(true);
        }
        start += run.len();
    }
}

#[cfg(test)]
mod tests {
    use canet_data::draw::Draws;

    use super::*;

    #[test]
    fn the_distance_is_two_per_cent_of_the_diagonal() {
        for (width, height, expected) in [
            (1920, 1080, 44),
            (1280, 720, 29),
            (256, 128, 6),
            (512, 512, 14),
            (1, 1, 1),
            // Diagonals of 125 and 175: 2.5 and 3.5, to the even number.
            (100, 75, 2),
            (140, 105, 4),
        ] {
            assert_eq!(distance(width, height), expected, "{width}x{height}");
        }
    }

    /// By the definition: every pixel of the square is looked at.
    fn naive_interior(ids: &[u8], width: usize, d: usize) -> Vec<bool> {
        let height = ids.len() / width;
        let inside = |x: usize, y: usize| {
            x >= d
                && y >= d
                && x + d < width
                && y + d < height
                && (y - d..=y + d)
                    .all(|v| (x - d..=x + d).all(|u| ids[v * width + u] == ids[y * width + x]))
        };
        (0..ids.len()).map(|i| inside(i % width, i / width)).collect()
    }

    #[test]
    fn erosion_agrees_with_its_definition() {
        let mut inner = 0;
        for seed in 0..300 {
            let mut draws = Draws::new(seed, 0, 0, "erosion");
            let (width, height) = (1 + draws.below(24), 1 + draws.below(24));
            let (d, cell) = (1 + draws.below(3), 1 + draws.below(14));
            let tones: Vec<u8> = (0..1024).map(|_| draws.below(2) as u8).collect();
            let id = |i: usize| tones[i / width / cell * 32 + i % width / cell];
            let ids: Vec<u8> = (0..width * height).map(id).collect();
            let found = interior(&ids, width, d);
            inner += found.iter().filter(|&&inner| inner).count();
            assert_eq!(found, naive_interior(&ids, width, d), "{seed}: {width}x{height}, {d}");
        }
        assert!(inner > 1000, "{inner}");
    }

    #[test]
    fn perfect_is_one_and_void_is_for_nobody() {
        let truth = Mask::from_ids(6, 1, vec![0, 0, 1, 1, 255, 255]);
        let found = Mask::from_ids(6, 1, vec![0, 0, 1, 1, 0, 1]);
        let mut boundary = Boundary::new(3);
        boundary.add(&truth, &found);
        let ious: Vec<_> = (0..3).map(|c| boundary.class(c).iou()).collect();
        assert_eq!(ious, [Some(1.0), Some(1.0), None]);
        boundary.add(&truth, &Mask::filled(6, 1, ClassId(0)));
        assert_eq!(boundary.class(0), Counts { hits: 4, truth: 4, predicted: 6 });
        assert_eq!(boundary.class(1), Counts { hits: 2, truth: 4, predicted: 2 });
    }

    /// A shift of one pixel costs a large square little IoU, and much of its boundary's.
    #[test]
    fn boundaries_are_stricter_than_regions() {
        let square = |left: u32| {
            let id = |i: u32| {
                u8::from((left..left + 60).contains(&(i % 100)) && (20..80).contains(&(i / 100)))
            };
            Mask::from_ids(100, 100, (0..10_000).map(id).collect())
        };
        let (mut region, mut boundary) = (super::super::Confusion::new(2), Boundary::new(2));
        region.add(&square(20), &square(22));
        boundary.add(&square(20), &square(22));
        let [region, boundary] = [region.class(1), boundary.class(1)].map(|c| c.iou().unwrap());
        assert!(boundary < region - 0.1, "{boundary} {region}");
    }
}
