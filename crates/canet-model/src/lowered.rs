//! What a network computes, as a list of plain operations with plain weights: where exporters start.
//!
//! [`Network::lower`](crate::Network::lower) makes it. Batch norms, dropout and the auxiliary head are
//! gone: what a norm does in prediction is folded into the convolution before it. Nothing in here
//! depends on the size of a picture; the few rules that need it ([`Padding::Same`], [`Bins::By`],
//! what is "like" another value) are named, and [`Lowered::sizes`] works them out.
//! [`Frozen`](crate::Frozen) is made of the same list.
//!
//! Every operation makes one value, a map `(C, h, w)` of a picture, and is named by its place in the
//! list. The first one is the picture itself, `(3, H, W)`, already normalised.
//!
//! ```
//! use canet_model::lowered::Op;
//! use canet_model::{AssignmentConfig, Device, ModelConfig, Network, Params};
//!
//! let mut params = Params::new(42, &Device::Cpu);
//! let config = ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() });
//! let lowered = Network::new(&config, &mut params)?.lower()?;
//! let mut weights = 0;
//! for node in lowered.nodes() {
//!     match &node.op {
//!         Op::Conv(conv) | Op::PooledConv(conv, _) => weights += conv.filters.weights.len(),
//!         _ => {}
//!     }
//! }
//! assert!(weights > 250_000);
//! assert_eq!(lowered.classes(), 3);
//! # Ok::<(), canet_model::Error>(())
//! ```

mod build;
mod fold;
mod op;
mod sizes;

use std::fmt;

pub(crate) use build::{Flow, GraphBuilder};
pub use canet_ops::Corners;
pub use canet_ops::frozen::MaxPool;
pub(crate) use fold::{Affine, Folding};
pub use op::{Bins, Conv, Filters, Node, Op, Padding, ValueId};

/// A network as operations in the order in which they run. `F` are the weights of a convolution:
/// plain [`Filters`], but in [`Frozen`](crate::Frozen).
#[derive(Clone)]
pub struct Lowered<F = Filters> {
    pub(crate) nodes: Vec<Node<F>>,
    pub(crate) logits: ValueId,
    pub(crate) corners: Corners,
    pub(crate) least_side: usize,
    pub(crate) finite: bool,
}

impl<F> Lowered<F> {
    /// The operations. An operation's inputs come before it.
    pub fn nodes(&self) -> &[Node<F>] {
        &self.nodes
    }

    /// The operations with the values that they make.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, &Node<F>)> {
        self.nodes.iter().enumerate().map(|(index, node)| (ValueId(index), node))
    }

    /// The last value: scores `(classes, h, w)`, smaller than the picture.
    pub fn logits(&self) -> ValueId {
        self.logits
    }

    /// How the logits are enlarged to the picture's size. This last step is not in the list: who wants
    /// the best class alone can take it on the way, as [`Frozen`](crate::Frozen) does.
    pub fn corners(&self) -> Corners {
        self.corners
    }

    /// How many classes are told apart.
    pub fn classes(&self) -> usize {
        self.nodes[self.logits.index()].channels
    }

    /// The smallest side of a picture that the network takes.
    pub fn least_side(&self) -> usize {
        self.least_side
    }

    /// Whether all weights are numbers; if not, no result is.
    pub fn is_finite(&self) -> bool {
        self.finite
    }
}

impl Lowered {
    /// The same network with other weights in its convolutions, such as rounded ones: `f` changes
    /// those of one convolution at a time. Biases stay as they are.
    ///
    /// ```
    /// # use canet_model::{AssignmentConfig, Device, ModelConfig, Network, Params};
    /// # let mut params = Params::new(42, &Device::Cpu);
    /// # let config = ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() });
    /// # let lowered = Network::new(&config, &mut params)?.lower()?;
    /// let broken = lowered.map_weights(|weights| weights[0] = f32::NAN);
    /// assert!(!broken.is_finite());
    /// # Ok::<(), canet_model::Error>(())
    /// ```
    #[must_use]
    pub fn map_weights(mut self, mut f: impl FnMut(&mut [f32])) -> Self {
        for node in &mut self.nodes {
            if let Op::Conv(conv) | Op::PooledConv(conv, _) = &mut node.op {
                let weights = &mut conv.filters.weights;
                f(weights);
                self.finite &= weights.iter().all(|weight| weight.is_finite());
            }
        }
        self
    }
}

impl<F> fmt::Debug for Lowered<F> {
    /// Without its millions of weights.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lowered").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}
