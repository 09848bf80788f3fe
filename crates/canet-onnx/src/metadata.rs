//! What a file tells about itself.

use canet_model::Precision;
use canet_model::serde_json::{Value, json};

use crate::proto::StringStringEntry;
use crate::{ExportOptions, Model};

/// The entries, see [`crate::export`].
pub(crate) fn metadata(model: &Model, options: &ExportOptions) -> Vec<StringStringEntry> {
    let Model { lowered, meta, weight_hash } = model;
    let precision = match options.weights {
        Precision::F32 => "f32",
        Precision::F16 => "f16",
    };
    let json = |value: Value| value.to_string();
    let entries = [
        ("canet.model", json(json!(meta.model))),
        ("canet.classes", json(json!(meta.classes))),
        ("canet.normalisation", json(json!(meta.normalisation))),
        ("canet.input", json(json!(meta.input))),
        ("canet.weights", weight_hash.clone()),
        ("canet.precision", precision.into()),
        ("canet.least_side", lowered.least_side().to_string()),
    ];
    entries.map(|(key, value)| StringStringEntry { key: key.into(), value }).into()
}
