//! Mean and variance of each channel.

use super::{Extent, UNIT};
use crate::lanes::sum;
use crate::real::Real;
use crate::simd;
use crate::tasks::map_tasks;

/// Mean and squared deviations of each channel.
pub(super) struct Moments<T> {
    pub(super) mean: Vec<T>,
    squares: Vec<f64>,
    count: usize,
}

impl<T: Real> Moments<T> {
    pub(super) fn of(x: &[T], extent: Extent) -> Self {
        let Extent { images, channels, plane } = extent;
        let of_channels = map_tasks(channels, 1, |channel| {
            let planes = map_tasks(images, 1, |image| {
                let plane = &x[(image * channels + channel) * plane..][..plane];
                map_tasks(plane.len().div_ceil(UNIT), 4, |unit| {
                    Part::of(&plane[unit * UNIT..plane.len().min((unit + 1) * UNIT)])
                })
            });
            planes.concat().into_iter().fold(Part::default(), Part::and)
        });
        let mean = of_channels.iter().map(|all| T::of_f64(all.mean)).collect();
        let squares = of_channels.iter().map(|all| all.squares.max(0.0)).collect();
        Self { mean, squares, count: images * plane }
    }

    /// `1 / sqrt(var + eps)`.
    pub(super) fn scale(&self, eps: f64) -> Vec<T> {
        self.squares.iter().map(|s| inverse_deviation(s / self.count as f64, eps)).collect()
    }

    pub(super) fn unbiased_var(&self) -> Vec<T> {
        let free = self.count.saturating_sub(1).max(1) as f64;
        self.squares.iter().map(|s| T::of_f64(s / free)).collect()
    }
}

pub(crate) fn inverse_deviation<T: Real>(var: f64, eps: f64) -> T {
    T::of_f64(1.0 / (var + eps).sqrt())
}

/// Number, mean and sum of squared deviations of some values.
#[derive(Clone, Copy, Default)]
struct Part {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Part {
    /// Of a block: one trip to memory, and no cancellation however far the mean is from 0.
    fn of<T: Real>(block: &[T]) -> Self {
        let count = block.len() as f64;
        simd::vectorised(
            #[inline(always)]
            || {
                let mean = sum(block, |v| v).as_f64() / count;
                let centre = T::of_f64(mean);
                let squares = sum(block, |v| (v - centre) * (v - centre)).as_f64();
                // `centre` is rounded; the mean's share of that is put right.
                let off = centre.as_f64() - mean;
                Self { count, mean, squares: squares - off * off * count }
            },
        )
    }

    /// Of two sets of values (Chan's update).
    fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + delta * other.count / count,
            squares: self.squares
                + other.squares
                + delta * delta * self.count * other.count / count,
        }
    }
}
