//! Collects the nodes and the constants of an ONNX graph.

use std::collections::BTreeSet;

use half::f16;

use crate::proto::{Attribute, DataType, Graph, Node, Tensor};

/// Weights in half precision, if it can hold all of them.
pub(crate) fn halves(weights: &[f32]) -> Option<Vec<f16>> {
    let halves: Vec<f16> = weights.iter().map(|&weight| f16::from_f32(weight)).collect();
    halves.iter().all(|weight| weight.is_finite()).then_some(halves)
}

/// A graph in the making. A node has one output, which has the node's name.
#[derive(Default)]
pub(crate) struct GraphWriter {
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
    /// The names of constants that several nodes may share.
    shared: BTreeSet<String>,
}

impl GraphWriter {
    /// Adds a node and gives its output's name back.
    pub(crate) fn node(
        &mut self,
        kind: &str,
        name: impl Into<String>,
        inputs: &[&str],
        attributes: Vec<Attribute>,
    ) -> String {
        let name = name.into();
        self.nodes.push(Node {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: kind.into(),
            attribute: attributes,
        });
        name
    }

    /// Adds a constant tensor of `f32`.
    pub(crate) fn floats(&mut self, name: String, dims: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, dims, DataType::Float, bytes)
    }

    /// Adds a constant tensor that is stored in half precision, and a cast to `f32`.
    pub(crate) fn halves(&mut self, name: String, dims: &[usize], values: &[f16]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let stored = self.constant(format!("{name}.f16"), dims, DataType::Float16, bytes);
        self.cast(name, &stored, DataType::Float)
    }

    /// A list of whole numbers, which is written once however often it is asked for.
    pub(crate) fn ints(&mut self, values: &[i64]) -> String {
        let dims = [values.len()];
        self.shared_ints(format!("ints {values:?}"), &dims, values)
    }

    /// A single whole number, likewise.
    pub(crate) fn int(&mut self, value: i64) -> String {
        self.shared_ints(format!("int {value}"), &[], &[value])
    }

    /// Casts to another type.
    pub(crate) fn cast(&mut self, name: String, x: &str, to: DataType) -> String {
        self.node("Cast", name, &[x], vec![Attribute::int("to", to as i64)])
    }

    /// The graph; inputs and outputs are up to the caller.
    pub(crate) fn finish(self) -> Graph {
        Graph { node: self.nodes, initializer: self.constants, ..Graph::default() }
    }

    fn shared_ints(&mut self, name: String, dims: &[usize], values: &[i64]) -> String {
        if !self.shared.insert(name.clone()) {
            return name;
        }
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, dims, DataType::Int64, bytes)
    }

    fn constant(&mut self, name: String, dims: &[usize], kind: DataType, bytes: Vec<u8>) -> String {
        let dims = dims.iter().map(|&side| side as i64).collect();
        let data_type = kind as i32;
        self.constants.push(Tensor { dims, data_type, name: name.clone(), raw_data: bytes });
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_half_precision_cannot_hold_stays() {
        assert_eq!(
            halves(&[0.1, -2.0]),
            Some(vec![f16::from_bits(0x2e66), f16::from_bits(0xc000)])
        );
        assert_eq!(halves(&[0.1, 70_000.0]), None);
    }

    #[test]
    fn equal_lists_are_written_once() {
        let mut g = GraphWriter::default();
        let names = [g.ints(&[1, 2]), g.ints(&[1, 2]), g.ints(&[1]), g.int(1)];
        assert_eq!(names, ["ints [1, 2]", "ints [1, 2]", "ints [1]", "int 1"]);
        let dims: Vec<_> = g.finish().initializer.into_iter().map(|tensor| tensor.dims).collect();
        assert_eq!(dims, [vec![2], vec![1], vec![]]);
    }
}
