//! The sizes of all values for one size of picture.

use super::{Conv, Lowered, Op};
use crate::{Error, Result};

impl<F> Lowered<F> {
    /// `[height, width]` of every value, by its place, for pictures of `[height, width]`.
    ///
    /// ```
    /// # use canet_model::{AssignmentConfig, Device, ModelConfig, Network, Params};
    /// # let mut params = Params::new(42, &Device::Cpu);
    /// # let config = ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() });
    /// # let lowered = Network::new(&config, &mut params)?.lower()?;
    /// let sizes = lowered.sizes([64, 97])?;
    /// assert_eq!(sizes[0], [64, 97]);
    /// assert_eq!(sizes[lowered.logits().index()], [16, 24]);
    /// # Ok::<(), canet_model::Error>(())
    /// ```
    pub fn sizes(&self, picture: [usize; 2]) -> Result<Vec<[usize; 2]>> {
        let least = self.least_side;
        if picture.iter().any(|&side| side < least) {
            return Err(Error::Input(format!(
                "the network takes pictures with sides of at least {least}, this is {picture:?}"
            )));
        }
        let mut sizes: Vec<[usize; 2]> = Vec::new();
        for node in &self.nodes {
            let from = node.inputs.first().map_or(picture, |x| sizes[x.index()]);
            sizes.push(match &node.op {
                Op::Picture | Op::Add | Op::Gate { .. } | Op::Affine { .. } | Op::Concat => from,
                Op::Resize { like, .. } | Op::Spread { like } => sizes[like.index()],
                Op::AveragePool(bins) => bins.of(from),
                Op::Conv(conv) => conv.output(from)?,
                Op::PooledConv(conv, window) => window.output(conv.output(from)?)?,
            });
        }
        Ok(sizes)
    }
}

impl<F> Conv<F> {
    /// `[height, width]` of the result for an input of such a size.
    fn output(&self, input: [usize; 2]) -> Result<[usize; 2]> {
        let padding = self.padding_of(input);
        let side = |axis: usize| {
            let padded = input[axis] + padding[axis].iter().sum::<usize>();
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            Some(padded.checked_sub(reach)? / self.stride[axis] + 1)
        };
        match (side(0), side(1)) {
            (Some(h), Some(w)) => Ok([h, w]),
            _ => Err(Error::Input(format!("a map of {input:?} is too small for its kernel"))),
        }
    }
}
