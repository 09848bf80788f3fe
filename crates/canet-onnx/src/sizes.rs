//! The heights and widths of values: numbers where the frames' size is fixed, else taken from the
//! values in the graph.

use std::collections::BTreeMap;

use canet_model::lowered::{Lowered, Op, ValueId};

use crate::graph::GraphWriter;
use crate::operations::{FRAME, name_of};
use crate::proto::Attribute;
use crate::{Result, Size};

/// The sizes of a network's values.
pub(crate) enum Sizes {
    /// `[height, width]` of each value, by number.
    Fixed(Vec<[usize; 2]>),
    /// Only a run knows.
    Dynamic(Dynamic),
}

/// What is known before a run.
pub(crate) struct Dynamic {
    /// For each value the first one that has the same size for certain.
    firsts: Vec<ValueId>,
    /// The nodes that tell sides, by value and axes.
    told: BTreeMap<(ValueId, [usize; 2]), String>,
}

impl Sizes {
    pub(crate) fn new(lowered: &Lowered, size: Size) -> Result<Self> {
        Ok(match size {
            Size::Fixed(size) => Self::Fixed(lowered.sizes(size)?),
            Size::Dynamic => {
                Self::Dynamic(Dynamic { firsts: firsts(lowered), told: BTreeMap::new() })
            }
        })
    }

    /// The shape `(batch, channels, height, width)` with the size of `like`, as a list. `batch` is a
    /// list of one; `name` is what the shape is for.
    pub(crate) fn shape(
        &mut self,
        g: &mut GraphWriter,
        name: &str,
        batch: &str,
        channels: usize,
        like: ValueId,
    ) -> String {
        let axis = || vec![Attribute::int("axis", 0)];
        let name = format!("{name}.shape");
        match self {
            Self::Fixed(sizes) => {
                let [h, w] = sizes[like.index()];
                let rest = g.ints(&[channels, h, w].map(|side| side as i64));
                g.node("Concat", name, &[batch, &rest], axis())
            }
            Self::Dynamic(dynamic) => {
                let channels = g.ints(&[channels as i64]);
                let size = dynamic.sides(g, like, [2, 4]);
                g.node("Concat", name, &[batch, &channels, &size], axis())
            }
        }
    }
}

impl Dynamic {
    /// The sides `from..to` of a value `(N, C, H, W)`, as a list.
    pub(crate) fn sides(
        &mut self,
        g: &mut GraphWriter,
        value: ValueId,
        axes: [usize; 2],
    ) -> String {
        let value = self.first(value);
        let told = self.told.entry((value, axes));
        told.or_insert_with(|| sides(g, &name_of(value), axes)).clone()
    }

    /// The first value that has the same size for certain.
    pub(crate) fn first(&self, value: ValueId) -> ValueId {
        self.firsts[value.index()]
    }
}

/// A node that tells how many frames there are, as a list of one.
pub(crate) fn batch(g: &mut GraphWriter) -> String {
    sides(g, FRAME, [0, 1])
}

fn sides(g: &mut GraphWriter, name: &str, [from, to]: [usize; 2]) -> String {
    let ends = vec![Attribute::int("start", from as i64), Attribute::int("end", to as i64)];
    g.node("Shape", format!("{name}.sides.{from}.{to}"), &[name], ends)
}

fn firsts(lowered: &Lowered) -> Vec<ValueId> {
    let mut firsts: Vec<ValueId> = Vec::new();
    for (value, node) in lowered.values() {
        firsts.push(match node.op {
            Op::Resize { like, .. } | Op::Spread { like } => firsts[like.index()],
            Op::Add | Op::Gate { .. } | Op::Affine { .. } | Op::Concat => {
                firsts[node.inputs[0].index()]
            }
            Op::Picture | Op::Conv(_) | Op::PooledConv(..) | Op::AveragePool(_) => value,
        });
    }
    firsts
}
