//! Networks that only predict, on the CPU: batch norms folded into convolutions, weights packed
//! once, all memory planned.
//!
//! A [`Lowered`] network says what is computed, for pictures of any size; [`pack`] lays out its
//! weights for the kernels. For a size, [`plan`] finds out all shapes and [`layout`] the place of
//! every value; [`run`] goes through the steps. A [`session`] is a plan with its memory.

mod bands;
mod context;
mod layout;
mod pack;
mod plan;
mod run;
mod session;
#[cfg(test)]
mod tests;

use std::fmt;

use canet_ops::frozen::FrozenConv;

use crate::lowered::{self, Lowered};
use crate::{Error, Network, Result};
pub(crate) use context::{Averages, Part, Sums};
use plan::Plan;
use session::{Idle, Session};

/// A lowered network with packed weights, and its parts.
type Graph = Lowered<FrozenConv>;
type Node = lowered::Node<FrozenConv>;
type Op = lowered::Op<FrozenConv>;
type Conv = lowered::Conv<FrozenConv>;

/// Sees each step of a run: its name, and the multiplications in it.
pub type Watch<'a> = dyn FnMut(&str, u64) + Send + 'a;

/// A snapshot of a network that predicts on the CPU, in less time and memory than the network itself.
///
/// It can be shared between threads, which do not wait for each other. The first picture of a size
/// costs a plan and its memory; up to four of them are kept for later, and none beyond the last if
/// they would take more than a gigabyte. After the first picture of a size nothing is allocated.
///
/// ```
/// use canet_model::{AssignmentConfig, Device, Frozen, ModelConfig, Network, Params, Sizes};
///
/// let mut params = Params::new(42, &Device::Cpu);
/// let config = ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() });
/// let frozen = Frozen::new(&Network::new(&config, &mut params)?)?;
/// let mut ids = vec![0; 20 * 30];
/// frozen.mask(Sizes::same([20, 30]), |planes| planes.fill(0.5), &mut ids)?;
/// assert!(ids.iter().all(|&id| id < 3));
/// # Ok::<(), canet_model::Error>(())
/// ```
pub struct Frozen {
    graph: Graph,
    idle: Idle,
}

/// The sizes of one prediction, `[height, width]` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Of the picture that the network sees.
    pub network: [usize; 2],
    /// Of the result; another one where the frame was resized for the network.
    pub frame: [usize; 2],
}

impl Sizes {
    /// A frame that the network sees as it is.
    pub fn same(frame: [usize; 2]) -> Self {
        Self { network: frame, frame }
    }
}

impl Frozen {
    /// Freezes a network as it is now; an auxiliary head is left out.
    pub fn new(network: &Network) -> Result<Self> {
        Self::from_lowered(network.lower()?)
    }

    /// Freezes what a network was lowered to.
    pub fn from_lowered(lowered: Lowered) -> Result<Self> {
        Ok(Self { graph: pack::pack(lowered)?, idle: Idle::default() })
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.graph.classes()
    }

    /// Writes the class of each pixel to `ids`, `(H, W)` of the frame: the one with the best score,
    /// the first of equals. `fill` is given the place of the normalised picture, planes
    /// `(3, H, W)` of the network's size, and has to write all of it.
    ///
    /// Fails with [`Error::NotFinite`] if any score is not a finite number.
    pub fn mask(
        &self,
        sizes: Sizes,
        fill: impl FnOnce(&mut [f32]) + Send,
        ids: &mut [u8],
    ) -> Result<()> {
        self.mask_watched(sizes, fill, ids, &mut |_, _| {})
    }

    /// As [`Frozen::mask`], and writes to `confidence`, `(H, W)` of the frame, the probability of
    /// each pixel's class: the largest value of the softmax over its scores.
    pub fn mask_and_confidence(
        &self,
        sizes: Sizes,
        fill: impl FnOnce(&mut [f32]) + Send,
        ids: &mut [u8],
        confidence: &mut [f32],
    ) -> Result<()> {
        self.predict(sizes, fill, ids, Some(confidence), &mut |_, _| {})
    }

    /// As [`Frozen::mask`], with `watch` called after each step; for measurements.
    pub fn mask_watched(
        &self,
        sizes: Sizes,
        fill: impl FnOnce(&mut [f32]) + Send,
        ids: &mut [u8],
        watch: &mut Watch,
    ) -> Result<()> {
        self.predict(sizes, fill, ids, None, watch)
    }

    fn predict(
        &self,
        sizes: Sizes,
        fill: impl FnOnce(&mut [f32]) + Send,
        ids: &mut [u8],
        confidence: Option<&mut [f32]>,
        watch: &mut Watch,
    ) -> Result<()> {
        if !self.graph.is_finite() {
            return Err(Error::NotFinite);
        }
        let pixels = sizes.frame[0] * sizes.frame[1];
        let rooms = [ids.len(), confidence.as_ref().map_or(pixels, |place| place.len())];
        let room = rooms.into_iter().find(|&room| room != pixels).unwrap_or(pixels);
        self.with_session(sizes, (room, pixels), |session| {
            session.mask(&self.graph, fill, ids, confidence, watch)
        })
    }

    /// Writes the scores behind [`Frozen::mask`], `(classes, H, W)` of the frame, finite or not.
    pub fn logits(
        &self,
        sizes: Sizes,
        fill: impl FnOnce(&mut [f32]) + Send,
        logits: &mut [f32],
    ) -> Result<()> {
        self.logits_within(&[], sizes, fill, logits)
    }

    /// As [`Frozen::logits`], for a tile that is told the global averages of its picture.
    pub(crate) fn logits_within(
        &self,
        averages: &[Vec<f32>],
        sizes: Sizes,
        fill: impl FnOnce(&mut [f32]) + Send,
        logits: &mut [f32],
    ) -> Result<()> {
        let [h, w] = sizes.frame;
        self.with_session(sizes, (logits.len(), self.classes() * h * w), |session| {
            session.logits(&self.graph, fill, averages, logits)
        })
    }

    /// Adds what a part of a tile has to the first of the picture's global averages that is not
    /// among the first `told`.
    pub(crate) fn sum(
        &self,
        told: &[Vec<f32>],
        fill: impl FnOnce(&mut [f32]) + Send,
        part: &Part,
        sums: &mut Sums,
    ) -> Result<()> {
        self.with_session(Sizes::same(part.tile), (0, 0), |session| {
            session.sum(&self.graph, fill, told, part, sums)
        })
    }

    /// How many global averages the network takes.
    pub(crate) fn global_averages(&self) -> usize {
        let is_global = |node: &&Node| matches!(node.op, Op::AveragePool(lowered::Bins::Global));
        self.graph.nodes().iter().filter(is_global).count()
    }

    /// Bytes of memory that a prediction of these sizes works in, besides the weights. Nothing of that
    /// size is allocated to find out.
    pub fn memory(&self, sizes: Sizes) -> Result<usize> {
        self.check(sizes)?;
        Session::needs(&self.graph, sizes)
    }

    /// The steps of a prediction of these sizes, each with its multiplications, without running it;
    /// what follows the logits' resize is not among them.
    pub fn steps(&self, sizes: Sizes) -> Result<Vec<(String, u64)>> {
        self.check(sizes)?;
        let plan = Plan::new(&self.graph, sizes.network)?;
        Ok(plan.steps.into_iter().map(|step| (step.name, step.products)).collect())
    }

    /// Multiply-adds of all convolutions of a picture of `[height, width]`, by direct convolution
    /// (some are computed with fewer).
    ///
    /// ```
    /// use canet_model::{AssignmentConfig, Device, Frozen, ModelConfig, Network, Params};
    ///
    /// let config = ModelConfig::Assignment(AssignmentConfig { classes: 21, ..Default::default() });
    /// let network = Network::new(&config, &mut Params::blank(&Device::Cpu))?;
    /// assert_eq!(Frozen::new(&network)?.macs([512, 512])? / 1_000_000, 1783);
    /// # Ok::<(), canet_model::Error>(())
    /// ```
    pub fn macs(&self, size: [usize; 2]) -> Result<u64> {
        Ok(self.steps(Sizes::same(size))?.iter().map(|(_, products)| products).sum())
    }

    fn with_session(
        &self,
        sizes: Sizes,
        (found, expected): (usize, usize),
        work: impl FnOnce(&mut Session) -> Result<()>,
    ) -> Result<()> {
        self.check(sizes)?;
        if found != expected {
            return Err(Error::Input(format!(
                "the result of {sizes:?} has {expected} values, but there is room for {found}"
            )));
        }
        let mut session = self.idle.take(&self.graph, sizes)?;
        let result = work(&mut session);
        self.idle.give_back(session);
        result
    }

    fn check(&self, sizes: Sizes) -> Result<()> {
        let least = self.graph.least_side();
        if sizes.network.iter().any(|&side| side < least) || sizes.frame.contains(&0) {
            return Err(Error::Input(format!(
                "the network takes pictures with sides of at least {least}, this is {sizes:?}"
            )));
        }
        Ok(())
    }
}

impl fmt::Debug for Frozen {
    /// Without its millions of weights.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = &self.graph.nodes.len();
        f.debug_struct("Frozen").field("nodes", nodes).finish_non_exhaustive()
    }
}
