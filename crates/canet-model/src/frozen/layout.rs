//! Where the values of a graph lie in memory: one stretch of it, used again as values die.
//!
//! A value lives from the operation that makes it to the last that reads it. Values that live at
//! the same time lie apart, with two exceptions that save memory and copies:
//!
//! * what changes each value on its own takes the place of its input, if nobody needs that any more;
//! * a part of a concatenation is made where the concatenation will have it.

use std::ops::Range;

use super::{Graph, Node, Op};
use crate::lowered::ValueId;

/// Places start at multiples of this, so that two values do not share a line of the cache.
const LINE: usize = 16;

/// The places of all values.
pub(crate) struct Layout {
    /// Of each value, by number.
    pub(crate) places: Vec<Range<usize>>,
    /// The end of the last place.
    pub(crate) len: usize,
}

/// A value's place and time in the block that it belongs to.
#[derive(Debug, Clone, Copy)]
struct Segment {
    offset: usize,
    len: usize,
    made: usize,
    last_read: usize,
}

impl Layout {
    /// For values of `lens` elements.
    pub(crate) fn new(graph: &Graph, lens: &[usize]) -> Self {
        let last_reads = last_reads(graph);
        let homes = homes(&graph.nodes, &last_reads, lens);
        // Each block holds one value's whole family: all that share its place or lie in it.
        let mut blocks = vec![Vec::new(); lens.len()];
        for (value, &(block, offset)) in homes.iter().enumerate() {
            let (len, last_read) = (lens[value], last_reads[value]);
            blocks[block].push(Segment { offset, len, made: value, last_read });
        }
        let starts = place(&blocks);
        let places: Vec<Range<usize>> = homes
            .iter()
            .zip(lens)
            .map(|(&(block, offset), &len)| {
                let start = starts[block] + offset;
                start..start + len
            })
            .collect();
        let len = places.iter().map(|place| place.end).max().unwrap_or(0);
        Self { places, len }
    }

    /// Each value in a place of its own, but for concatenations: nothing is ever overwritten.
    #[cfg(test)]
    pub(crate) fn wasteful(graph: &Graph, lens: &[usize]) -> Self {
        let homes = homes(&graph.nodes, &vec![usize::MAX; lens.len()], lens);
        let total: usize = lens.iter().sum();
        let mut places = Vec::new();
        for (value, &(block, offset)) in homes.iter().enumerate() {
            let start = lens[..block].iter().sum::<usize>() + offset;
            places.push(start..start + lens[value]);
        }
        Self { places, len: total }
    }
}

/// The number of the last operation that reads each value.
fn last_reads(graph: &Graph) -> Vec<usize> {
    let mut last: Vec<usize> = (0..graph.nodes.len()).collect();
    for (number, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|input| last[input.index()] = number);
    }
    last[graph.logits.index()] = graph.nodes.len();
    last
}

/// The block of each value, named by the value that it was made for, and the offset in there.
fn homes(nodes: &[Node], last_reads: &[usize], lens: &[usize]) -> Vec<(usize, usize)> {
    let mut concat_of = vec![None; nodes.len()];
    let mut hosts: Vec<usize> = (0..nodes.len()).collect();
    for (number, node) in nodes.iter().enumerate() {
        if matches!(node.op, Op::Concat) {
            let mut offset = 0;
            for part in &node.inputs {
                concat_of[part.index()] = Some((number, offset));
                offset += lens[part.index()];
            }
        }
    }
    for (number, node) in nodes.iter().enumerate() {
        if let Some(x) = overwritten(node, number, nodes, last_reads)
            && concat_of[x.index()].is_none()
        {
            hosts[number] = x.index();
        }
    }
    // From the last value back: a part knows where its concatenation lies, and passes it on to the
    // value whose place it took.
    let mut homes: Vec<(usize, usize)> = (0..nodes.len()).map(|number| (number, 0)).collect();
    for number in (0..nodes.len()).rev() {
        if let Some((concat, offset)) = concat_of[number] {
            let (block, start) = homes[concat];
            homes[number] = (block, start + offset);
        }
        homes[hosts[number]] = homes[number];
    }
    homes
}

/// The input whose place the node's value may take.
fn overwritten(
    node: &Node,
    number: usize,
    nodes: &[Node],
    last_reads: &[usize],
) -> Option<ValueId> {
    let in_place = matches!(node.op, Op::Add | Op::Gate { .. } | Op::Affine { .. });
    let (&x, others) = node.inputs.split_first()?;
    let dies = last_reads[x.index()] == number && !others.contains(&x);
    // Parts of a concatenation may outlive it.
    let whole = !matches!(nodes[x.index()].op, Op::Concat);
    (in_place && dies && whole).then_some(x)
}

/// The start of each block: the largest first, each as low as it can lie.
fn place(blocks: &[Vec<Segment>]) -> Vec<usize> {
    let extent = |block: &[Segment]| block.iter().map(|s| s.offset + s.len).max().unwrap_or(0);
    let mut order: Vec<usize> = (0..blocks.len()).filter(|&i| !blocks[i].is_empty()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(extent(&blocks[i])), i));
    let mut starts = vec![0; blocks.len()];
    for (count, &block) in order.iter().enumerate() {
        let mut start = 0;
        let placed = &order[..count];
        while let Some(end) = placed
            .iter()
            .find_map(|&other| conflict(&blocks[other], starts[other], &blocks[block], start))
        {
            start = end.next_multiple_of(LINE);
        }
        starts[block] = start;
    }
    starts
}

/// Where a block has to start at least, so that the first of its segments that lies on a living one
/// of the other block comes to lie behind it.
fn conflict(placed: &[Segment], at: usize, block: &[Segment], start: usize) -> Option<usize> {
    let pairs = placed.iter().flat_map(|a| block.iter().map(move |b| (a, b)));
    pairs
        .filter(|(a, b)| a.made <= b.last_read && b.made <= a.last_read)
        .filter(|(a, b)| {
            at + a.offset < start + b.offset + b.len && start + b.offset < at + a.offset + a.len
        })
        .map(|(a, b)| at + a.offset + a.len - b.offset)
        .find(|&end| end > start)
}

#[cfg(test)]
mod tests {
    use canet_ops::Corners;

    use super::*;
    use crate::frozen::pack::pack;
    use crate::lowered::{Bins, GraphBuilder};

    /// Values that live at the same time overlap only as the rules above allow.
    #[test]
    fn living_values_lie_apart() {
        let mut g = GraphBuilder::new();
        let x = ValueId::PICTURE;
        let a = g.average_pool(x, Bins::By(1));
        let b = g.average_pool(a, Bins::By(1));
        let sum = g.add(b, a);
        let kept = g.add(a, sum);
        let joined = g.concat(&[sum, kept]).unwrap();
        let again = g.add(joined, joined);
        let graph = pack(g.finish(again, Corners::Aligned)).unwrap();
        let lens: Vec<usize> = graph.nodes.iter().map(|node| 10 * node.channels).collect();
        let layout = Layout::new(&graph, &lens);
        let place = |value: ValueId| layout.places[value.index()].clone();
        assert_eq!(place(b), place(sum), "the sum takes the place of what died");
        assert_eq!(place(kept), place(a), "and so does the other");
        assert_eq!(place(joined), place(sum).start..place(kept).end, "parts lie in their whole");
        assert_eq!(place(again).len(), 60);
        assert!(place(again).start >= place(joined).end || place(again).end <= place(joined).start);
        assert_eq!(place(x).start % LINE, 0);
        // The picture is dead when the last value is made.
        assert!(layout.len <= 2 * 64, "{}", layout.len);
    }
}
