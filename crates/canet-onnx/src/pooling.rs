//! Average pooling in adaptive bins, for which ONNX has no operator.
//!
//! Where the bins divide a map evenly, it is the plain average pooling. Else it is a product with a
//! matrix on each side: `rows (b, H)` times the map times `columns (W, b)`, where a bin has `1 / len`
//! for each of its pixels. For frames of any size the graph makes the matrices itself.

use std::collections::BTreeMap;

use canet_model::lowered::{Bins, ValueId};

use crate::graph::GraphWriter;
use crate::operations::name_of;
use crate::proto::{Attribute, DataType};
use crate::sizes::{Dynamic, Sizes};

/// The matrices that were made, for all poolings that need the same.
#[derive(Default)]
pub(crate) struct Poolings {
    /// By axis, pixels and bins.
    fixed: BTreeMap<(Axis, [usize; 2]), String>,
    /// By axis, the value whose side it is, and the rate.
    dynamic: BTreeMap<(Axis, ValueId, usize), String>,
}

/// One of the two axes of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Axis {
    Rows,
    Columns,
}

impl Axis {
    const BOTH: [Self; 2] = [Self::Rows, Self::Columns];

    fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Columns => "columns",
        }
    }
}

impl Poolings {
    /// Pools `x` into one bin for `rate` pixels.
    pub(crate) fn pool(
        &mut self,
        g: &mut GraphWriter,
        sizes: &mut Sizes,
        name: String,
        x: ValueId,
        rate: usize,
    ) {
        let matrices = match sizes {
            Sizes::Fixed(sizes) => {
                let size = sizes[x.index()];
                let bins = Bins::By(rate).of(size);
                let even = [0, 1].map(|axis| size[axis].is_multiple_of(bins[axis]));
                if even == [true, true] {
                    let window = [0, 1].map(|axis| size[axis] / bins[axis]);
                    let kinds = ["kernel_shape", "strides"].map(|n| Attribute::ints(n, window));
                    g.node("AveragePool", name, &[&name_of(x)], kinds.into());
                    return;
                }
                [0, 1].map(|axis| self.fixed(g, Axis::BOTH[axis], [size[axis], bins[axis]]))
            }
            Sizes::Dynamic(sizes) => Axis::BOTH.map(|axis| self.dynamic(g, sizes, axis, x, rate)),
        };
        let [rows, columns] = &matrices;
        let y = g.node("MatMul", format!("{name}.rows"), &[rows, &name_of(x)], Vec::new());
        g.node("MatMul", name, &[&y, columns], Vec::new());
    }

    /// A constant matrix.
    fn fixed(&mut self, g: &mut GraphWriter, axis: Axis, [side, bins]: [usize; 2]) -> String {
        let make = || {
            let name = format!("bins.{}.{side}.{bins}", axis.name());
            let dims = match axis {
                Axis::Rows => [bins, side],
                Axis::Columns => [side, bins],
            };
            g.floats(name, &dims, &matrix(axis, side, bins))
        };
        self.fixed.entry((axis, [side, bins])).or_insert_with(make).clone()
    }

    /// A matrix that the graph makes from the side of `x`.
    fn dynamic(
        &mut self,
        g: &mut GraphWriter,
        sizes: &mut Dynamic,
        axis: Axis,
        x: ValueId,
        rate: usize,
    ) -> String {
        let x = sizes.first(x);
        let key = (axis, x, rate);
        let make = || {
            let from = if axis == Axis::Rows { 2 } else { 3 };
            let side = sizes.sides(g, x, [from, from + 1]);
            let name = format!("{}.bins.{rate}.{}", name_of(x), axis.name());
            matrix_of(g, &name, axis, &side, rate)
        };
        self.dynamic.entry(key).or_insert_with(make).clone()
    }
}

/// The matrix of an axis: `(bins, side)` for rows, `(side, bins)` for columns.
fn matrix(axis: Axis, side: usize, bins: usize) -> Vec<f32> {
    let at = |bin: usize, pixel: usize| {
        let (start, end) = (bin * side / bins, ((bin + 1) * side).div_ceil(bins));
        if (start..end).contains(&pixel) { 1.0 / (end - start) as f32 } else { 0.0 }
    };
    let places = 0..bins * side;
    match axis {
        Axis::Rows => places.map(|place| at(place / side, place % side)).collect(),
        Axis::Columns => places.map(|place| at(place % bins, place / bins)).collect(),
    }
}

/// The same, made in the graph from `side`, a list of one.
fn matrix_of(g: &mut GraphWriter, name: &str, axis: Axis, side: &str, rate: usize) -> String {
    let mut nodes = Nodes { g, name };
    let (zero, one, ones) = (nodes.g.int(0), nodes.g.int(1), nodes.g.ints(&[1]));
    let rate = nodes.g.ints(&[rate as i64]);
    let quotient = nodes.add("Div", "quotient", &[side, &rate]);
    let bins = nodes.add("Max", "count", &[&quotient, &ones]);
    let side_number = nodes.add("Squeeze", "side", &[side]);
    let bins_number = nodes.add("Squeeze", "last", &[&bins]);
    let pixels = nodes.add("Range", "pixels", &[&zero, &side_number, &one]);
    let numbers = nodes.add("Range", "numbers", &[&zero, &bins_number, &one]);
    // What becomes a column runs down the matrix.
    let (pixels, numbers) = match axis {
        Axis::Rows => (pixels, nodes.add("Unsqueeze", "down", &[&numbers, &ones])),
        Axis::Columns => (nodes.add("Unsqueeze", "down", &[&pixels, &ones]), numbers),
    };
    // From floor(i n / b) to before ceil((i + 1) n / b).
    let first = nodes.add("Mul", "first", &[&numbers, side]);
    let start = nodes.add("Div", "start", &[&first, &bins]);
    let next = nodes.add("Add", "next", &[&first, side]);
    let up = nodes.add("Add", "up", &[&next, &bins]);
    let up = nodes.add("Sub", "rounding", &[&up, &ones]);
    let end = nodes.add("Div", "end", &[&up, &bins]);
    let before_end = nodes.less("before_end", &pixels, &end);
    let before_start = nodes.less("before_start", &pixels, &start);
    let inside = nodes.add("Sub", "inside", &[&before_end, &before_start]);
    let len = nodes.add("Sub", "len", &[&end, &start]);
    let len = nodes.g.cast(format!("{name}.len_float"), &len, DataType::Float);
    nodes.g.node("Div", name, &[&inside, &len], Vec::new())
}

/// Adds nodes whose names begin alike.
struct Nodes<'a> {
    g: &'a mut GraphWriter,
    name: &'a str,
}

impl Nodes<'_> {
    fn add(&mut self, kind: &str, name: &str, inputs: &[&str]) -> String {
        self.g.node(kind, format!("{}.{name}", self.name), inputs, Vec::new())
    }

    /// 1 where `a` is less than `b`, else 0.
    fn less(&mut self, name: &str, a: &str, b: &str) -> String {
        let less = self.add("Less", name, &[a, b]);
        self.g.cast(format!("{}.{name}_float", self.name), &less, DataType::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_share_pixels_where_they_do_not_divide() {
        let third = 1.0 / 3.0;
        let rows = [third, third, third, 0.0, 0.0, 0.0, 0.0, third, third, third];
        assert_eq!(matrix(Axis::Rows, 5, 2), rows);
        let columns = [third, 0.0, third, 0.0, third, third, 0.0, third, 0.0, third];
        assert_eq!(matrix(Axis::Columns, 5, 2), columns);
        assert_eq!(matrix(Axis::Rows, 2, 1), [0.5, 0.5]);
    }
}
