//! Puts a whole file together.

use canet_core::MAX_SIDE;
use prost::Message as _;

use crate::graph::GraphWriter;
use crate::metadata::metadata;
use crate::operations::{FRAME, LOGITS, translate};
use crate::proto::{
    self, Attribute, DataType, Dim, Dimension, OperatorSetId, TensorShape, TensorType, Type,
    ValueInfo,
};
use crate::{Error, ExportOptions, Model, Outputs, Result, Size};

/// The name of the classes at the frame's size.
pub(crate) const LABELS: &str = "labels";
/// Protocol buffers end here.
const LARGEST: usize = i32::MAX as usize;

/// The bytes of an ONNX file; equal models and options give equal bytes.
///
/// Its metadata have the keys of a checkpoint, and the same JSON: `canet.model` is the configuration
/// of the network, `canet.classes` the names and colours of the classes, `canet.normalisation` what
/// the graph does to the frame first (so that nobody else has to), `canet.input` the width and height
/// that frames should be brought to, or `null`. `canet.weights` names the checkpoint's weights (see
/// [`canet_model::weight_hash`]), `canet.precision` is `f32` or `f16`, and `canet.least_side` the
/// smallest side of a frame that works.
pub fn export(model: &Model, options: &ExportOptions) -> Result<Vec<u8>> {
    let Model { lowered, meta, .. } = model;
    check_size(options.size, lowered.least_side())?;
    let mut g = translate(lowered, &meta.normalisation, options)?;
    if options.outputs.labels() {
        labels(&mut g);
    }
    let graph = proto::Graph {
        name: "canet".into(),
        input: vec![frame(options.size)],
        output: outputs(options, lowered.classes()),
        ..g.finish()
    };
    let file = proto::Model {
        ir_version: proto::IR_VERSION,
        opset_import: vec![OperatorSetId { domain: Some(String::new()), version: proto::OPSET }],
        producer_name: "canet".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        metadata_props: metadata(model, options),
    };
    check_len(file.encoded_len())?;
    Ok(file.encode_to_vec())
}

fn check_size(size: Size, least: usize) -> Result<()> {
    match size {
        Size::Fixed([height, width])
            if [height, width].iter().any(|side| !(least..=MAX_SIDE as usize).contains(side)) =>
        {
            Err(Error::Size { height, width, least })
        }
        _ => Ok(()),
    }
}

fn check_len(bytes: usize) -> Result<()> {
    if bytes > LARGEST { Err(Error::TooLarge { bytes }) } else { Ok(()) }
}

/// The class with the highest score; the first of equals is what `ArgMax` takes by itself.
fn labels(g: &mut GraphWriter) {
    let attributes = vec![Attribute::int("axis", 1), Attribute::int("keepdims", 0)];
    let best = g.node("ArgMax", "labels.int64", &[LOGITS], attributes);
    g.cast(LABELS.into(), &best, DataType::Uint8);
}

fn frame(size: Size) -> ValueInfo {
    let doc = "RGB, each from 0 to 255; the graph normalises it by itself";
    let [h, w] = sides(size);
    value(FRAME, doc, DataType::Float, vec![batch(), Dim::Value(3), h, w])
}

fn outputs(options: &ExportOptions, classes: usize) -> Vec<ValueInfo> {
    let [h, w] = sides(options.size);
    let classes = Dim::Value(classes as i64);
    let doc = "a score for each class and pixel; canet.classes in the metadata names the classes";
    let shape = vec![batch(), classes, h.clone(), w.clone()];
    let logits = value(LOGITS, doc, DataType::Float, shape);
    let doc = "the class of each pixel; canet.classes in the metadata names the classes";
    let labels = value(LABELS, doc, DataType::Uint8, vec![batch(), h, w]);
    match options.outputs {
        Outputs::Logits => vec![logits],
        Outputs::Labels => vec![labels],
        Outputs::Both => vec![logits, labels],
    }
}

fn batch() -> Dim {
    Dim::Param("N".into())
}

fn sides(size: Size) -> [Dim; 2] {
    match size {
        Size::Fixed(size) => size.map(|side| Dim::Value(side as i64)),
        Size::Dynamic => ["H", "W"].map(|name| Dim::Param(name.into())),
    }
}

fn value(name: &str, doc: &str, elements: DataType, shape: Vec<Dim>) -> ValueInfo {
    let dim = shape.into_iter().map(|side| Dimension { value: Some(side) }).collect();
    let tensor = TensorType { elem_type: elements as i32, shape: Some(TensorShape { dim }) };
    ValueInfo {
        name: name.into(),
        kind: Some(Type { tensor: Some(tensor) }),
        doc_string: doc.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_end_at_two_gibibytes() {
        assert!(check_len(LARGEST).is_ok());
        let error = check_len(LARGEST + 1).unwrap_err();
        assert!(error.to_string().contains("2147483648 bytes"), "{error}");
    }
}
