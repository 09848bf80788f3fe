//! Joining maps along their channels.

use candle_core::{Result, Tensor};

use crate::array::{build, by_dtype, tensor, with_all, with_elements};
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::{Gradient, Value};
use crate::real::Real;
use crate::reference;

/// Joins `(N, C_i, H, W)` to `(N, sum of C_i, H, W)`.
pub fn concat(parts: &[&Value]) -> Result<Value> {
    let Some(first) = parts.first() else { candle_core::bail!("nothing to join") };
    let (n, _, h, w) = first.dims4()?;
    let mut channels = Vec::with_capacity(parts.len());
    for part in parts {
        let dims = part.dims4()?;
        if (dims.0, dims.2, dims.3) != (n, h, w) {
            candle_core::bail!("{dims:?} cannot be joined to {:?}", first.dims4()?);
        }
        channels.push(dims.1);
    }
    #[cfg(feature = "cuda")]
    if on_cuda(parts) {
        return crate::cuda::concat(parts);
    }
    if !on_cpu(parts) {
        return by_reference(parts, reference::concat);
    }
    let shape = Joined { images: n, channels, plane: [h, w] };
    by_dtype!(first.tensor().dtype(), T => kernel::<T>(parts, shape))
}

struct Joined {
    images: usize,
    /// Of each part.
    channels: Vec<usize>,
    plane: [usize; 2],
}

impl Joined {
    /// Where each part lies in an image of the result, and where the last one ends.
    fn ends(&self) -> Vec<usize> {
        let pixels = self.plane[0] * self.plane[1];
        let ends = self.channels.iter().scan(0, |end, channels| {
            *end += channels * pixels;
            Some(*end)
        });
        std::iter::once(0).chain(ends).collect()
    }
}

fn kernel<T: Real>(parts: &[&Value], shape: Joined) -> Result<Value> {
    let tensors =
        parts.iter().map(|part| part.tensor().contiguous()).collect::<Result<Vec<_>>>()?;
    let ends = shape.ends();
    let image = ends[ends.len() - 1];
    let joined = with_all::<T, _>(&tensors.iter().collect::<Vec<_>>(), |parts| {
        Ok(build(shape.images * image, |at, out| {
            for_each_run(at, out, image, |number, from, out| {
                let part = ends.partition_point(|&end| end <= from) - 1;
                let (len, from) = (ends[part + 1] - ends[part], from - ends[part]);
                let run = (len - from).min(out.len());
                out[..run].copy_from_slice(&parts[part][number * len + from..][..run]);
                run
            });
        }))
    })?;
    let [h, w] = shape.plane;
    let joined = tensor(joined, (shape.images, shape.channels.iter().sum::<usize>(), h, w))?;
    let tracked: Vec<bool> = parts.iter().map(|part| part.is_tracked()).collect();
    Ok(Value::of(joined, parts, move |gy| {
        let part = |(part, &tracked): (usize, &bool)| {
            tracked.then(|| part_gradient::<T>(gy.tensor(), &shape, &ends, part)).transpose()
        };
        tracked.iter().enumerate().map(part).collect()
    }))
}

/// The slices of `gy` that belong to a part.
fn part_gradient<T: Real>(
    gy: &Tensor,
    shape: &Joined,
    ends: &[usize],
    part: usize,
) -> Result<Gradient> {
    let (start, len) = (ends[part], ends[part + 1] - ends[part]);
    let image = ends[ends.len() - 1];
    let values = with_elements::<T, _, _>([gy], |[gy]| {
        Ok(build(shape.images * len, |at, out| {
            for_each_run(at, out, len, |number, from, out| {
                let run = (len - from).min(out.len());
                out[..run].copy_from_slice(&gy[number * image + start + from..][..run]);
                run
            });
        }))
    })?;
    let [h, w] = shape.plane;
    tensor(values, (shape.images, shape.channels[part], h, w)).map(Gradient::Own)
}

/// Fills a block that starts at element `at` of images of `image` elements run by run: `copy` gets
/// the number of the image, the place in it and the rest of the block, and says how much it filled.
fn for_each_run<T>(
    at: usize,
    out: &mut [T],
    image: usize,
    copy: impl Fn(usize, usize, &mut [T]) -> usize,
) {
    let mut filled = 0;
    while filled < out.len() {
        let place = at + filled;
        filled += copy(place / image, place % image, &mut out[filled..]);
    }
}
