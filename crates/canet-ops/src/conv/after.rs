//! What follows a convolution while its results are still in registers or in the nearest cache.

use crate::real::Real;
use crate::simd::Vector;

/// `y = activation(conv(x) + bias + residual)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct After<'a, T> {
    /// A value for each channel of the result.
    pub(crate) bias: Option<&'a [T]>,
    /// Of the shape of the result.
    pub(crate) residual: Option<&'a [T]>,
    /// Whether negative results become 0.
    pub(crate) relu: bool,
}

impl<T> Default for After<'_, T> {
    fn default() -> Self {
        Self { bias: None, residual: None, relu: false }
    }
}

impl<T: Real> After<'_, T> {
    /// The part for `channels` of a result of `pixels` a channel.
    pub(super) fn of(&self, channels: std::ops::Range<usize>, pixels: usize) -> Self {
        Self {
            bias: self.bias.map(|b| &b[channels.clone()]),
            residual: self.residual.map(|r| &r[channels.start * pixels..channels.end * pixels]),
            relu: self.relu,
        }
    }

    /// Whether nothing follows.
    #[inline(always)]
    pub(super) fn is_nothing(&self) -> bool {
        self.bias.is_none() && self.residual.is_none() && !self.relu
    }

    /// The bias of a channel.
    #[inline(always)]
    pub(super) fn bias_of(&self, channel: usize) -> T {
        self.bias.map_or(T::ZERO, |b| b[channel])
    }

    /// Writes some values of a channel; `at` is where they start in the whole result.
    #[inline(always)]
    pub(super) fn store<V: Vector<T>>(&self, to: &mut [T], sums: &[T], bias: T, at: usize) {
        let whole = to.len() / V::LANES * V::LANES;
        let biases = V::splat(bias);
        for i in (0..whole).step_by(V::LANES) {
            let mut values = V::load(&sums[i..]).add(biases);
            if let Some(residual) = self.residual {
                values = values.add(V::load(&residual[at + i..]));
            }
            let values = if self.relu { values.relu() } else { values };
            values.store(&mut to[i..]);
        }
        for i in whole..to.len() {
            let mut value = sums[i] + bias;
            if let Some(residual) = self.residual {
                value += residual[at + i];
            }
            to[i] = if self.relu { value.larger(T::ZERO) } else { value };
        }
    }
}
