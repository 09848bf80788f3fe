//! The normalisation and its gradients.

use candle_core::{Result, Tensor};

use super::{Extent, UNIT};
use crate::array::{build, by_plane, change, edit, tensor, with_elements};
use crate::elementwise::edited;
use crate::graph::Gradient;
use crate::lanes::LANES;
use crate::real::Real;
use crate::simd;
use crate::tasks::{for_chunks, map_tasks};

/// Values of a group of channels: the gradient and what it is taken of stay in the last-level cache
/// from one pass to the next.
const GROUP: usize = 1 << 20;

/// A batch norm with its statistics.
pub(crate) struct BatchNorm<T> {
    pub(crate) extent: Extent,
    pub(crate) mean: Vec<T>,
    /// `1 / sqrt(var + eps)`.
    pub(crate) scale: Vec<T>,
    pub(crate) weight: Vec<T>,
    pub(crate) bias: Vec<T>,
    /// Whether the statistics do not depend on the input.
    pub(crate) frozen: bool,
}

/// One channel's line from input to output.
#[derive(Clone, Copy)]
pub(crate) struct Line<T> {
    mean: T,
    pub(crate) factor: T,
    bias: T,
}

impl<T: Real> Line<T> {
    /// The mean comes off first: folded into the bias it would cancel badly where it is large.
    #[inline(always)]
    pub(crate) fn at(self, v: T) -> T {
        (v - self.mean).fma(self.factor, self.bias)
    }
}

/// Sums over a channel: of the gradient, and of it times the distance of the input to the mean.
pub(crate) type Sums = [f64; 2];

fn add(a: Sums, b: Sums) -> Sums {
    [a[0] + b[0], a[1] + b[1]]
}

impl<T: Real> BatchNorm<T> {
    pub(crate) fn line(&self, channel: usize) -> Line<T> {
        Line {
            mean: self.mean[channel],
            factor: self.scale[channel] * self.weight[channel],
            bias: self.bias[channel],
        }
    }

    /// `y = activation(line(x) + residual)`.
    pub(super) fn forward(&self, x: &[T], residual: Option<&[T]>, relu: bool) -> Vec<T> {
        let Extent { channels, plane, .. } = self.extent;
        build(x.len(), |at, y| {
            simd::vectorised(
                #[inline(always)]
                || {
                    by_plane(
                        at,
                        y,
                        plane,
                        #[inline(always)]
                        |i, at, y| {
                            let residual = residual.map(|r| &r[at..][..y.len()]);
                            self.line(i % channels).fill(y, &x[at..], residual, relu);
                        },
                    );
                },
            );
        })
    }

    /// The gradient of `x`, and the sums from which those of weight and bias follow. `x` and the
    /// gradient of the result, before the activation if not `relu`.
    pub(super) fn backward(
        &self,
        x: &[T],
        gradient: Gradient,
        relu: bool,
    ) -> Result<(Tensor, Vec<Sums>)> {
        match gradient {
            Gradient::Own(g) => {
                let mut sums = Vec::new();
                change(&g, |g| sums = self.backward_in_place(x, g, relu))?;
                Ok((g, sums))
            }
            shared @ Gradient::Shared(_) => {
                let sums = self.all_sums(x, &shared, relu)?;
                let Extent { channels, plane, .. } = self.extent;
                let slopes: Vec<_> = (0..channels).map(|c| self.slope(c, sums[c])).collect();
                let gx = edited(shared, |at, block| {
                    by_plane(at, block, plane, |i, at, g| {
                        let c = i % channels;
                        self.line(c).pull_back(&x[at..], g, slopes[c], relu);
                    });
                })?;
                Ok((gx, sums))
            }
        }
    }

    /// The sums alone, where `x` needs no gradient.
    pub(super) fn all_sums(&self, x: &[T], gradient: &Gradient, relu: bool) -> Result<Vec<Sums>> {
        with_elements([gradient.tensor()], |[g]| {
            let planes: Vec<_> = g.chunks(self.extent.plane).enumerate().collect();
            let of_channels = self.by_channel(planes);
            Ok(self.sums_of_channels(x, &of_channels, relu))
        })
    }

    /// Both passes over a group of channels after another, so that the second finds in the cache
    /// what the first has read.
    fn backward_in_place(&self, x: &[T], g: &mut [T], relu: bool) -> Vec<Sums> {
        let Extent { images, channels, plane } = self.extent;
        let mut planes = self.by_channel(g.chunks_mut(plane).enumerate().collect());
        let channels_a_group = (GROUP / (images * plane)).max(1);
        let mut sums = Vec::with_capacity(channels);
        for group in planes.chunks_mut(channels_a_group * images) {
            let first = sums.len();
            sums.append(&mut self.sums_of_channels(x, group, relu));
            let slope = |c: usize| self.slope(c, sums[c]);
            let slopes: Vec<_> = (first..sums.len()).map(slope).collect();
            for_chunks(group, 1, 1, |_, planes| {
                for (i, g) in planes {
                    let (start, c) = (*i * plane, *i % channels);
                    edit(g, |at, g| {
                        self.line(c).pull_back(&x[start + at..], g, slopes[c - first], relu);
                    });
                }
            });
        }
        sums
    }

    /// Numbered planes, those of a channel next to each other.
    fn by_channel<P>(&self, mut planes: Vec<(usize, P)>) -> Vec<(usize, P)> {
        planes.sort_by_key(|(i, _)| (i % self.extent.channels, *i));
        planes
    }

    /// Sums for each of some channels, given their planes.
    fn sums_of_channels<P: AsRef<[T]> + Sync>(
        &self,
        x: &[T],
        planes: &[(usize, P)],
        relu: bool,
    ) -> Vec<Sums> {
        let images = self.extent.images;
        map_tasks(planes.len() / images, 1, |channel| {
            self.sums(x, &planes[channel * images..][..images], relu)
        })
    }

    /// Sums over the planes of a channel, in a fixed order.
    fn sums<P: AsRef<[T]> + Sync>(&self, x: &[T], planes: &[(usize, P)], relu: bool) -> Sums {
        let plane = self.extent.plane;
        let of_planes = map_tasks(planes.len(), 1, |image| {
            let (i, g) = &planes[image];
            let line = self.line(i % self.extent.channels);
            let (x, g) = (&x[i * plane..][..plane], g.as_ref());
            let sums = map_tasks(plane.div_ceil(UNIT), 4, |unit| {
                let unit = unit * UNIT..plane.min((unit + 1) * UNIT);
                line.sums(&x[unit.clone()], &g[unit], relu)
            });
            sums.into_iter().fold([0.0; 2], add)
        });
        of_planes.into_iter().fold([0.0; 2], add)
    }

    /// What the statistics' dependence on `x` adds to a gradient: `slope (x - mean) + offset`.
    ///
    /// With `g` the gradient before the activation, `m` values a channel and `xhat` the normalised
    /// input: `gx = weight scale (g - sum(g) / m - xhat sum(g xhat) / m)`.
    fn slope(&self, channel: usize, sums: Sums) -> [T; 2] {
        if self.frozen {
            return [T::ZERO; 2];
        }
        let share = self.line(channel).factor.as_f64() / self.extent.count() as f64;
        let scale = self.scale[channel].as_f64();
        [T::of_f64(-share * sums[1] * scale * scale), T::of_f64(-share * sums[0])]
    }

    /// Gradients of weight and bias.
    pub(crate) fn parameter_gradients(&self, sums: &[Sums]) -> Result<[Tensor; 2]> {
        let weight =
            sums.iter().zip(&self.scale).map(|(s, scale)| T::of_f64(s[1] * scale.as_f64()));
        let bias = sums.iter().map(|s| T::of_f64(s[0]));
        Ok([
            tensor(weight.collect::<Vec<T>>(), sums.len())?,
            tensor(bias.collect::<Vec<T>>(), sums.len())?,
        ])
    }
}

impl<T: Real> Line<T> {
    /// `y = activation(line(x) + residual)`.
    #[inline(always)]
    fn fill(self, y: &mut [T], x: &[T], residual: Option<&[T]>, relu: bool) {
        let finish = |v: T| if relu { v.larger(T::ZERO) } else { v };
        match residual {
            None => y.iter_mut().zip(x).for_each(|(y, &x)| *y = finish(self.at(x))),
            Some(residual) => {
                let inputs = x.iter().zip(residual);
                y.iter_mut().zip(inputs).for_each(|(y, (&x, &r))| *y = finish(self.at(x) + r));
            }
        }
    }

    /// The gradient before the activation, whose sign is computed again: that costs less than to
    /// read the result.
    #[inline(always)]
    fn before(self, x: T, g: T, relu: bool) -> T {
        if relu && self.at(x) <= T::ZERO { T::ZERO } else { g }
    }

    /// The gradient of the result to that of `x`.
    fn pull_back(self, x: &[T], g: &mut [T], [slope, offset]: [T; 2], relu: bool) {
        simd::vectorised(
            #[inline(always)]
            || {
                for (g, &x) in g.iter_mut().zip(x) {
                    let before = self.before(x, *g, relu);
                    *g = before.fma(self.factor, (x - self.mean).fma(slope, offset));
                }
            },
        );
    }

    /// Sums over a block, in lanes.
    fn sums(self, x: &[T], g: &[T], relu: bool) -> Sums {
        simd::vectorised(
            #[inline(always)]
            || {
                let mut lanes = [[T::ZERO; LANES]; 2];
                let (x, x_rest) = x.as_chunks::<LANES>();
                let (g, g_rest) = g.as_chunks::<LANES>();
                for (x, g) in x.iter().zip(g) {
                    for i in 0..LANES {
                        let g = self.before(x[i], g[i], relu);
                        lanes[0][i] += g;
                        lanes[1][i] = g.fma(x[i] - self.mean, lanes[1][i]);
                    }
                }
                for (&x, &g) in x_rest.iter().zip(g_rest) {
                    let g = self.before(x, g, relu);
                    lanes[0][0] += g;
                    lanes[1][0] = g.fma(x - self.mean, lanes[1][0]);
                }
                lanes.map(|lane| lane.into_iter().map(Real::as_f64).sum())
            },
        )
    }
}
