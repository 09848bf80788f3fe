//! A training batch norm with its ReLU and a 2x2 pooling, in one pass: of the normalised map, which three operations
//! would write and read five times, only the largest values are ever there.

use candle_core::Result;
use rayon::prelude::*;

use super::kernel::{BatchNorm, Line, Sums, add};
use super::{BatchStats, Extent, check};
use crate::array::{build_both, by_dtype, by_plane, tensor, unspecified, with_elements};
use crate::fallback::on_cpu;
use crate::graph::{Gradient, Value};
use crate::lanes::LANES;
use crate::max_pool::larger;
use crate::real::Real;
use crate::{Activation, batch_norm_train, max_pool2d, simd};

/// The winner of a window that the ReLU has cut off.
const NONE: u8 = 4;

/// What [`max_pool2d`] with windows of 2, stride 2 and no padding makes of [`batch_norm_train`] with a ReLU:
/// `(N, C, H, W)` to `(N, C, H / 2, W / 2)`, rounded down.
pub fn batch_norm_train_pooled(
    x: &Value,
    weight: &Value,
    bias: &Value,
    eps: f64,
) -> Result<(Value, BatchStats)> {
    check(x, &[weight.tensor(), bias.tensor()], None)?;
    let (_, _, h, w) = x.dims4()?;
    if !on_cpu(&[x, weight, bias]) || h < 2 || w < 2 {
        let (y, stats) = batch_norm_train(x, weight, bias, eps, None, Activation::Relu)?;
        return Ok((max_pool2d(&y, 2, 2, 0)?, stats));
    }
    by_dtype!(x.tensor().dtype(), T => {
        let values = x.tensor().contiguous()?;
        let extent = Extent::of(&values)?;
        let (norm, stats) = BatchNorm::<T>::of_batch(&values, extent, [weight, bias], eps)?;
        let pooled = Pooled { norm, input: [h, w] };
        let shape = (extent.images, extent.channels, h / 2, w / 2);
        let (y, winners) = with_elements([&values], |[x]| Ok(pooled.forward(x)))?;
        let y = Value::of(tensor(y, shape)?, &[x, weight, bias], move |gy| {
            let (gx, sums) = with_elements([&values, gy.tensor()], |[x, gy]| {
                Ok(pooled.backward(x, gy, &winners))
            })?;
            let [gw, gb] = pooled.norm.parameter_gradients(&sums)?;
            let gradients = [tensor(gx, values.shape())?, gw, gb];
            Ok(gradients.map(|g| Some(Gradient::Own(g))).into())
        });
        Ok((y, stats))
    })
}

struct Pooled<T> {
    norm: BatchNorm<T>,
    /// Height and width.
    input: [usize; 2],
}

/// The results of a row of windows: gradients and winners.
#[derive(Clone, Copy)]
struct Row<'a, T> {
    g: &'a [T],
    winners: &'a [u8],
}

impl<T: Real> Pooled<T> {
    /// The largest value of each window, and the number of its pixel.
    fn forward(&self, x: &[T]) -> (Vec<T>, Vec<u8>) {
        let ([h, w], Extent { images, channels, .. }) = (self.input, self.norm.extent);
        let [oh, ow] = [h / 2, w / 2];
        build_both(images * channels * oh * ow, |at, y: &mut [T], winners: &mut [u8]| {
            by_plane(at, y, ow, |row, start, y| {
                let winners = &mut winners[start - at..][..y.len()];
                let from = (row / oh * h + row % oh * 2) * w + start % ow * 2;
                let [upper, lower] = [from, from + w].map(|at| &x[at..][..2 * y.len()]);
                let line = self.norm.line(row / oh % channels);
                simd::vectorised(
                    #[inline(always)]
                    || line.pool([upper, lower], y, winners),
                );
            });
        })
    }

    /// The gradient of `x`, and the sums from which those of weight and bias follow.
    fn backward(&self, x: &[T], gy: &[T], winners: &[u8]) -> (Vec<T>, Vec<Sums>) {
        let Extent { channels, plane, .. } = self.norm.extent;
        let pooled = self.input.map(|side| side / 2).iter().product::<usize>();
        let of_plane = |i: usize| {
            let row = Row { g: &gy[i * pooled..][..pooled], winners: &winners[i * pooled..] };
            (self.norm.line(i % channels), &x[i * plane..][..plane], row)
        };
        let mut gx = unspecified(x.len());
        let sums = self.norm.in_groups(
            gx.chunks_mut(plane),
            |planes| {
                let numbers: Vec<usize> = planes.iter().map(|(i, _)| *i).collect();
                let sums = numbers.par_iter().map(|&i| {
                    let (line, x, results) = of_plane(i);
                    self.sums(line, x, results)
                });
                // In a fixed order.
                sums.collect::<Vec<_>>().into_iter().fold([0.0; 2], add)
            },
            |i, gx, slope| {
                let (line, x, results) = of_plane(i);
                self.pull_back(line, x, results, gx, slope);
            },
        );
        (gx, sums)
    }

    /// Row `i` of the windows of a plane.
    fn row<'a>(&self, results: Row<'a, T>, i: usize) -> Row<'a, T> {
        let ow = self.input[1] / 2;
        Row { g: &results.g[i * ow..][..ow], winners: &results.winners[i * ow..][..ow] }
    }

    /// Sums over a plane: of the gradient before the ReLU, and of it times the distance to the mean.
    fn sums(&self, line: Line<T>, x: &[T], results: Row<T>) -> Sums {
        let [h, w] = self.input;
        let of_row = |i: usize| {
            let [upper, lower] = [2 * i, 2 * i + 1].map(|row| &x[row * w..][..w]);
            let row = self.row(results, i);
            simd::vectorised(
                #[inline(always)]
                || line.sums_of_winners([upper, lower], row),
            )
        };
        (0..h / 2).map(of_row).fold([0.0; 2], add)
    }

    /// The gradient of a plane.
    fn pull_back(&self, line: Line<T>, x: &[T], results: Row<T>, gx: &mut [T], slope: [T; 2]) {
        let [h, w] = self.input;
        let lines = x.chunks_exact(w).zip(gx.chunks_exact_mut(w)).enumerate();
        for (i, (x, gx)) in lines {
            // A last odd line is in no window.
            let row =
                if i / 2 < h / 2 { self.row(results, i / 2) } else { Row { g: &[], winners: &[] } };
            simd::vectorised(
                #[inline(always)]
                || line.to_winners(x, gx, row, (i % 2 * 2) as u8, slope),
            );
        }
    }
}

impl<T: Real> Line<T> {
    /// A row of windows, from the start of two lines.
    #[inline(always)]
    fn pool(self, [upper, lower]: [&[T]; 2], y: &mut [T], winners: &mut [u8]) {
        let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
        let value = |x: T| self.at(x).larger(T::ZERO);
        for ((y, winner), (a, b)) in y.iter_mut().zip(winners).zip(pairs) {
            let best = larger((value(a[0]), 0), (value(a[1]), 1));
            let best = larger(best, (value(b[0]), 2));
            let best = larger(best, (value(b[1]), 3));
            *y = best.0;
            *winner = if best.0 <= T::ZERO { NONE } else { best.1 };
        }
    }

    /// Over a row of windows, in lanes.
    #[inline(always)]
    fn sums_of_winners(self, [upper, lower]: [&[T]; 2], row: Row<T>) -> Sums {
        let mut lanes = [[T::ZERO; LANES]; 2];
        let mut take = |lane: usize, g: T, winner: u8, a: [T; 2], b: [T; 2]| {
            let of_line = |[left, right]: [T; 2]| if winner & 1 == 0 { left } else { right };
            let x = if winner < 2 { of_line(a) } else { of_line(b) };
            let g = if winner == NONE { T::ZERO } else { g };
            lanes[0][lane] += g;
            lanes[1][lane] = g.fma(x - self.mean, lanes[1][lane]);
        };
        let [upper, lower] = [upper, lower].map(|line| line.as_chunks::<2>().0);
        let blocks = row.g.as_chunks::<LANES>().0.iter().zip(row.winners.as_chunks::<LANES>().0);
        let lines = upper.as_chunks::<LANES>().0.iter().zip(lower.as_chunks::<LANES>().0);
        for ((g, winners), (a, b)) in blocks.zip(lines) {
            for i in 0..LANES {
                take(i, g[i], winners[i], a[i], b[i]);
            }
        }
        for i in row.g.len() / LANES * LANES..row.g.len() {
            take(0, row.g[i], row.winners[i], upper[i], lower[i]);
        }
        lanes.map(|lane| lane.into_iter().map(Real::as_f64).sum())
    }

    /// A line's gradient: that of each window goes to its winner, whose numbers begin with `first` in this line, and
    /// every pixel gets what the statistics add.
    #[inline(always)]
    fn to_winners(self, x: &[T], gx: &mut [T], row: Row<T>, first: u8, [slope, offset]: [T; 2]) {
        let of_statistics = |x: T| (x - self.mean).fma(slope, offset);
        let (pairs, x_pairs) = (gx.as_chunks_mut::<2>().0, x.as_chunks::<2>().0);
        let windows = row.g.iter().zip(row.winners);
        let done = 2 * row.g.len();
        for ((gx, x), (&g, &winner)) in pairs.iter_mut().zip(x_pairs).zip(windows) {
            let if_won = |number: u8| if winner == number { g } else { T::ZERO };
            let one = |x: T, number| if_won(number).fma(self.factor, of_statistics(x));
            *gx = [one(x[0], first), one(x[1], first + 1)];
        }
        gx[done..].iter_mut().zip(&x[done..]).for_each(|(gx, &x)| *gx = of_statistics(x));
    }
}
