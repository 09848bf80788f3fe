//! Probabilities, and their running mean over a picture.

use super::tiles::tent;

/// Pixels whose softmax is taken together; they stay in the first cache.
const CHUNK: usize = 512;

/// Makes probabilities of scores `(classes, pixels)`; false if any score is not finite.
pub(crate) fn softmax(scores: &mut [f32], pixels: usize) -> bool {
    let mut finite = true;
    for first in (0..pixels).step_by(CHUNK) {
        let count = CHUNK.min(pixels - first);
        let (mut best, mut sums) = ([f32::NEG_INFINITY; CHUNK], [0.0; CHUNK]);
        for plane in scores.chunks_exact(pixels) {
            for (best, &score) in best.iter_mut().zip(&plane[first..first + count]) {
                finite &= score.is_finite();
                *best = best.max(score);
            }
        }
        for plane in scores.chunks_exact_mut(pixels) {
            let pixels = plane[first..first + count].iter_mut();
            for ((score, best), sum) in pixels.zip(&best).zip(&mut sums) {
                *score = (*score - best).exp();
                *sum += *score;
            }
        }
        for plane in scores.chunks_exact_mut(pixels) {
            let pixels = plane[first..first + count].iter_mut();
            pixels.zip(&sums).for_each(|(score, sum)| *score /= sum);
        }
    }
    finite
}

/// Adds to probabilities `(classes, H, W)` those of the mirrored picture, and halves the sum. The
/// order of the two does not matter.
pub(super) fn join_mirrored(probabilities: &mut [f32], mirrored: &[f32], width: usize) {
    let rows = probabilities.chunks_exact_mut(width).zip(mirrored.chunks_exact(width));
    for (row, mirrored) in rows {
        row.iter_mut().zip(mirrored.iter().rev()).for_each(|(p, q)| *p = (*p + q) * 0.5);
    }
}

/// The mean of what tiles say of a picture.
pub(super) struct Mean {
    /// `[height, width]`.
    size: [usize; 2],
    /// `(classes, H, W)`.
    values: Vec<f32>,
    /// `(H, W)`: what the weights of the tiles so far sum up to.
    weights: Vec<f32>,
}

impl Mean {
    pub(super) fn new(classes: usize, size: [usize; 2]) -> Self {
        let pixels = size[0] * size[1];
        Self { size, values: vec![0.0; classes * pixels], weights: vec![0.0; pixels] }
    }

    /// Takes in a tile `(classes, h, w)` that lies at `[y, x]`.
    pub(super) fn add(&mut self, tile: &[f32], [top, left]: [usize; 2], [h, w]: [usize; 2]) {
        let [height, width] = self.size;
        // What share of the new mean each pixel of a row has: the same for all classes.
        let mut shares = vec![0.0; w];
        for (y, tall) in tent(h).enumerate() {
            let row = (top + y) * width + left;
            let weights = &mut self.weights[row..row + w];
            for ((share, sum), wide) in shares.iter_mut().zip(weights).zip(tent(w)) {
                *sum += tall * wide;
                *share = tall * wide / *sum;
            }
            let planes = self.values.chunks_exact_mut(height * width);
            for (mean, tile) in planes.zip(tile.chunks_exact(h * w)) {
                let pixels = mean[row..row + w].iter_mut().zip(&tile[y * w..(y + 1) * w]);
                pixels.zip(&shares).for_each(|((mean, p), share)| take_in(mean, *p, *share));
            }
        }
    }

    /// The mean, `(classes, H, W)`.
    pub(super) fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// Moves a running mean by the newcomer's share of it. A first one, of share 1, replaces the 0 that
/// was there; an equal one changes no bit.
pub(super) fn take_in(mean: &mut f32, new: f32, share: f32) {
    *mean += (new - *mean) * share;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_up_to_one() {
        for pixels in [1, 511, 512, 1300] {
            let score = |i: usize| (i * 37 % 101) as f32 / 4.0 - 12.0;
            let mut scores: Vec<f32> = (0..3 * pixels).map(score).collect();
            assert!(softmax(&mut scores, pixels));
            for pixel in 0..pixels {
                let [a, b, c] = [0, 1, 2].map(|class| scores[class * pixels + pixel]);
                assert!((a + b + c - 1.0).abs() < 1e-6);
                let difference = score(pixel) - score(pixels + pixel);
                assert!(((a / b).ln() - difference).abs() < 1e-4 * (1.0 + difference.abs()));
            }
            for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut scores = vec![0.0; 2 * pixels];
                scores[pixels - 1] = broken;
                assert!(!softmax(&mut scores, pixels), "{broken}");
            }
        }
        // Far apart, and still numbers.
        let mut scores = [-300.0, 300.0];
        assert!(softmax(&mut scores, 1));
        assert_eq!(scores.map(f32::to_bits), [0.0, 1.0].map(f32::to_bits));
    }

    #[test]
    fn equal_tiles_keep_their_bits_and_others_are_weighted() {
        let whole: Vec<f32> = (0..2 * 6).map(|i| 1.0 / (3.0 + i as f32)).collect();
        let part = |left: usize| -> Vec<f32> {
            whole.chunks(6).flat_map(|row| row[left..left + 4].to_vec()).collect()
        };
        let mut mean = Mean::new(2, [1, 6]);
        mean.add(&part(0), [0, 0], [1, 4]);
        mean.add(&part(2), [0, 2], [1, 4]);
        assert_eq!(mean.into_values(), whole);

        let mut mean = Mean::new(1, [1, 6]);
        mean.add(&[0.0; 4], [0, 0], [1, 4]);
        mean.add(&[1.0; 4], [0, 2], [1, 4]);
        // Weights 1 2 2 1 and 1 2 2 1, two pixels further right.
        let expected = [0.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0];
        let values = mean.into_values();
        assert!(values.iter().zip(expected).all(|(v, e)| (v - e).abs() < 1e-6), "{values:?}");
    }

    #[test]
    fn mirrored_pairs_can_be_swapped() {
        let (a, b) = ([0.1_f32, 0.2, 0.7, 0.3, 0.9, 0.4], [0.5_f32, 0.6, 0.8, 0.1, 0.3, 0.2]);
        let mirrored = |values: &[f32]| -> Vec<f32> {
            values.chunks(3).flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect()
        };
        let (mut ab, mut ba) = (a, b);
        join_mirrored(&mut ab, &b, 3);
        join_mirrored(&mut ba, &a, 3);
        assert_eq!(ab.to_vec(), mirrored(&ba));
    }
}
