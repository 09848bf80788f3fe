//! What follows a convolution while its results are still in registers or in the nearest cache.

use crate::real::Real;

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

impl<'a, T: Real> After<'a, T> {
    /// The part for `channels` of a result of `pixels` a channel.
    pub(super) fn of(&self, channels: std::ops::Range<usize>, pixels: usize) -> Self {
        Self {
            bias: self.bias.map(|b| &b[channels.clone()]),
            residual: self.residual.map(|r| &r[channels.start * pixels..channels.end * pixels]),
            relu: self.relu,
        }
    }

    /// The bias of a channel.
    #[inline(always)]
    pub(super) fn bias_of(&self, channel: usize) -> T {
        self.bias.map_or(T::ZERO, |b| b[channel])
    }

    /// Writes some values of a channel; `at` is where they start in the whole result.
    #[inline(always)]
    pub(super) fn store(&self, to: &mut [T], sums: &[T], bias: T, at: usize) {
        match self.residual {
            Some(residual) => {
                let terms = sums.iter().zip(&residual[at..at + to.len()]);
                for (to, (&sum, &residual)) in to.iter_mut().zip(terms) {
                    *to = self.activate(sum + bias + residual);
                }
            }
            None => {
                for (to, &sum) in to.iter_mut().zip(sums) {
                    *to = self.activate(sum + bias);
                }
            }
        }
    }
    #[inline(always)]
    fn activate(&self, value: T) -> T {
        if self.relu { value.larger(T::ZERO) } else { value }
    }
}
