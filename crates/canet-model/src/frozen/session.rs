//! What one thread needs to run a frozen network on pictures of one size, and the sessions that wait
//! for the next picture.

use std::sync::{Mutex, PoisonError};

use canet_ops::Corners;
use canet_ops::frozen::{Resize, best_class, confidence};
use canet_ops::in_pool;

use super::context::{Context, Part, Sums};
use super::plan::Plan;
use super::run::run;
use super::{Graph, Sizes, Watch};
use crate::{Error, Result};

/// Sessions that are kept for later; it takes two for a folder of upright and of lying pictures.
const MOST: usize = 4;
/// Bytes that they may hold together, but for the last one used, which is kept in any case.
const MOST_BYTES: usize = 1 << 30;

/// A plan with its memory.
pub(super) struct Session {
    size: [usize; 2],
    plan: Plan,
    values: Vec<f32>,
    workspace: Vec<f32>,
    end: End,
}

/// The way from the logits to the frame's size.
struct End {
    frame: [usize; 2],
    /// The network's own resize, and its result, where another one follows.
    first: Option<(Resize, Vec<f32>)>,
    last: Resize,
}

impl Session {
    pub(super) fn new(graph: &Graph, sizes: Sizes) -> Result<Self> {
        let plan = Plan::new(graph, sizes.network)?;
        Self::of_plan(graph, plan, sizes)
    }

    pub(super) fn of_plan(graph: &Graph, plan: Plan, sizes: Sizes) -> Result<Self> {
        let end = End::new(graph, &plan, sizes)?;
        let (values, workspace) = (vec![0.0; plan.values], vec![0.0; plan.workspace]);
        Ok(Self { size: sizes.network, plan, values, workspace, end })
    }

    /// Bytes of the buffers that a session would have.
    pub(super) fn needs(graph: &Graph, Sizes { network, frame }: Sizes) -> Result<usize> {
        let plan = Plan::new(graph, network)?;
        let classes = graph.nodes[graph.logits.index()].channels;
        let between = if network == frame { 0 } else { classes * network[0] * network[1] };
        Ok((plan.values + plan.workspace + between) * size_of::<f32>())
    }

    /// Bytes of its buffers.
    pub(super) fn memory(&self) -> usize {
        let between = self.end.first.as_ref().map_or(0, |(_, between)| between.len());
        (self.values.len() + self.workspace.len() + between) * size_of::<f32>()
    }

    /// Writes the class of each pixel of the frame to `ids`, and how sure it is to `sure`, if there
    /// is such a place. See [`super::Frozen::mask`].
    pub(super) fn mask(
        &mut self,
        graph: &Graph,
        fill: impl FnOnce(&mut [f32]) + Send,
        ids: &mut [u8],
        sure: Option<&mut [f32]>,
        watch: &mut Watch,
    ) -> Result<()> {
        let finite = in_pool(|| -> Result<bool> {
            let (last, logits) = self.network(graph, fill, Context::own(), watch)?;
            let finite = best_class(last, logits, ids);
            watch("resize and best class", 0);
            if let Some(sure) = sure {
                confidence(last, logits, sure);
                watch("resize and confidence", 0);
            }
            Ok(finite)
        })?;
        if finite { Ok(()) } else { Err(Error::NotFinite) }
    }

    /// Writes the scores behind [`Session::mask`].
    pub(super) fn logits(
        &mut self,
        graph: &Graph,
        fill: impl FnOnce(&mut [f32]) + Send,
        told: &[Vec<f32>],
        to: &mut [f32],
    ) -> Result<()> {
        in_pool(|| {
            let (last, logits) = self.network(graph, fill, Context::told(told), &mut |_, _| {})?;
            last.run(logits, to);
            Ok(())
        })
    }

    /// Adds to the sums of the first global average that is not told.
    pub(super) fn sum(
        &mut self,
        graph: &Graph,
        fill: impl FnOnce(&mut [f32]) + Send,
        told: &[Vec<f32>],
        part: &Part,
        sums: &mut Sums,
    ) -> Result<()> {
        in_pool(|| {
            let context = Context::wanted(told, part, sums);
            self.network(graph, fill, context, &mut |_, _| {}).map(drop)
        })
    }

    /// Runs all but the last resize: returns that, and what it is to enlarge.
    fn network(
        &mut self,
        graph: &Graph,
        fill: impl FnOnce(&mut [f32]),
        mut context: Context,
        watch: &mut Watch,
    ) -> Result<(&Resize, &[f32])> {
        fill(&mut self.values[self.plan.picture.clone()]);
        watch("picture", 0);
        let Self { plan, values, workspace, .. } = self;
        run(graph, plan, values, workspace, &mut context, watch)?;
        let logits = &self.values[self.plan.logits.clone()];
        let End { first, last, .. } = &mut self.end;
        let Some((resize, between)) = first else { return Ok((last, logits)) };
        resize.run(logits, between);
        watch("resize to the network's size", 0);
        Ok((last, between))
    }

    /// Fills all memory with NaN, which no result may then depend on.
    #[cfg(test)]
    pub(super) fn poison(&mut self) {
        self.values.fill(f32::NAN);
        self.workspace.fill(f32::NAN);
        if let Some((_, between)) = &mut self.end.first {
            between.fill(f32::NAN);
        }
    }
}

impl End {
    fn new(graph: &Graph, plan: &Plan, Sizes { network, frame }: Sizes) -> Result<Self> {
        let logits = plan.logits_size;
        if network == frame {
            let last = Resize::new(logits, frame, graph.corners)?;
            return Ok(Self { frame, first: None, last });
        }
        let classes = graph.classes();
        let between = vec![0.0; classes * network[0] * network[1]];
        let first = Some((Resize::new(logits, network, graph.corners)?, between));
        Ok(Self { frame, first, last: Resize::new(network, frame, Corners::HalfPixel)? })
    }
}

/// The sessions that nobody uses just now, the last used at the end.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Session>>);

impl Idle {
    /// Takes a session for `sizes`, or makes one.
    pub(super) fn take(&self, graph: &Graph, sizes: Sizes) -> Result<Session> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = idle.iter().rposition(|session| session.size == sizes.network);
        let session = at.map(|at| idle.remove(at));
        // Planning and computing are done without the lock.
        drop(idle);
        let Some(mut session) = session else { return Session::new(graph, sizes) };
        if session.end.frame != sizes.frame {
            session.end = End::new(graph, &session.plan, sizes)?;
        }
        Ok(session)
    }

    /// Keeps a session for later. Those that have waited longest make room for it.
    pub(super) fn give_back(&self, session: Session) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(session);
        let bytes = |idle: &[Session]| idle.iter().map(Session::memory).sum::<usize>();
        while idle.len() > MOST || idle.len() > 1 && bytes(&idle) > MOST_BYTES {
            idle.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use canet_ops::ConvGeometry;

    use super::*;
    use crate::frozen::pack::pack;
    use crate::lowered::{Folding, GraphBuilder, Padding, ValueId};

    #[test]
    fn the_last_few_sessions_are_kept() {
        let weight = Tensor::ones((2, 3, 1, 1), candle_core::DType::F32, &Device::Cpu).unwrap();
        let padding = Padding::Fixed([[0; 2]; 2]);
        let folding = Folding::new(&weight, None, ConvGeometry::default(), padding).unwrap();
        let mut g = GraphBuilder::new();
        let logits = g.conv(ValueId::PICTURE, folding, false).unwrap();
        let graph = pack(g.finish(logits, Corners::Aligned)).unwrap();
        let idle = Idle::default();
        let use_one = |side: usize| {
            let session = idle.take(&graph, Sizes::same([side, 9])).unwrap();
            idle.give_back(session);
        };
        let kept = || idle.0.lock().unwrap().iter().map(|s| s.size[0]).collect::<Vec<_>>();
        (1..=5).for_each(use_one);
        assert_eq!(kept(), [2, 3, 4, 5]);
        [3, 6, 3].into_iter().for_each(use_one);
        assert_eq!(kept(), [4, 5, 6, 3]);
        // 80 bytes a pixel: two of them are over the limit, and one alone is.
        let large = |height| Sizes::same([height, 1 << 12]);
        let first = idle.take(&graph, large(1 << 13)).unwrap();
        assert_eq!(Session::needs(&graph, large(1 << 13)).unwrap(), first.memory());
        let other = Sizes { network: [31, 20], frame: [40, 9] };
        let session = Session::new(&graph, other).unwrap();
        assert_eq!(Session::needs(&graph, other).unwrap(), session.memory());
        assert!(first.memory() > MOST_BYTES / 2);
        idle.give_back(first);
        assert_eq!(kept(), [4, 5, 6, 3, 1 << 13][1..]);
        idle.give_back(idle.take(&graph, large(1 << 14)).unwrap());
        assert_eq!(kept(), [1 << 14]);
    }
}
