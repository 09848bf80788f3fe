//! Starting a training from a whole trained network, with other classes.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::params::{Param, Params};
use crate::{Checkpoint, CheckpointMeta, Error, LoadReport, ModelConfig, Result};

/// Settings that change no prediction: they may differ.
const OF_TRAINING: [&str; 5] =
    ["classes", "dropout", "head_dropout", "stochastic_depth", "batch_norm_momentum"];

/// Sets the parameters of the network that `meta` describes from a checkpoint of the same network:
/// all of them if the classes are the same ones, else all but the classifiers, which keep what they
/// have and are listed in the report. Anything else that differs is refused, and nothing is changed.
pub fn fine_tune(params: &Params, meta: &CheckpointMeta, path: &Path) -> Result<LoadReport> {
    let checkpoint = Checkpoint::read(path)?;
    let differing = differences(meta, &checkpoint.meta);
    if !differing.is_empty() {
        return Err(Error::Config(format!(
            "{} is another network ({}); choose the same one, or take its backbone alone",
            path.display(),
            differing.join(", ")
        )));
    }
    let new_classes = meta.classes != checkpoint.meta.classes;
    let mut tensors = checkpoint.tensors;
    let mut left_out = Vec::new();
    if new_classes {
        for name in params.iter().map(|param| &param.name).filter(|name| is_classifier(name)) {
            if let Some(tensor) = tensors.remove(name) {
                let [there, here] = [&checkpoint.meta.classes, &meta.classes];
                left_out.push(format!(
                    "{name} ({:?} for the {} classes of {}, now the {} of {})",
                    tensor.dims(),
                    there.len(),
                    there.name,
                    here.len(),
                    here.name
                ));
            }
        }
    }
    let wanted = |param: &&Param| !(new_classes && is_classifier(&param.name));
    let report = LoadReport::compare(params.iter().filter(wanted), &tensors);
    let report = LoadReport { left_out, ..report };
    if !report.is_complete() {
        return Err(Error::Mismatch {
            origin: path.display().to_string(),
            report: Box::new(report),
        });
    }
    params.fill(params.iter().filter(wanted), &tensors)?;
    Ok(report)
}

/// The last layer of a head: its outputs are classes.
fn is_classifier(name: &str) -> bool {
    let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
    layer == "classifier" || layer.ends_with(".classifier")
}

/// What makes two networks predict differently, but for classes and weights: `field: ours, theirs`.
fn differences(ours: &CheckpointMeta, theirs: &CheckpointMeta) -> Vec<String> {
    let [(our_model, ours), (their_model, theirs)] =
        [ours, theirs].map(|meta| (fields(&meta.model), meta.normalisation));
    let keys: BTreeSet<&String> = our_model.iter().chain(&their_model).map(|(k, _)| k).collect();
    let value = |of: &[(String, Value)], key: &str| {
        of.iter().find(|(k, _)| k == key).map_or("unset".to_owned(), |(_, v)| v.to_string())
    };
    let mut differing: Vec<String> = keys
        .into_iter()
        .map(|key| (key, value(&our_model, key), value(&their_model, key)))
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(key, ours, theirs)| format!("{key}: {ours} here, {theirs} there"))
        .collect();
    if ours != theirs {
        differing.push(format!("normalisation: {ours:?} here, {theirs:?} there"));
    }
    differing
}

fn fields(model: &ModelConfig) -> Vec<(String, Value)> {
    // A configuration is plain data, and always can be written.
    let value = serde_json::to_value(model).unwrap_or_default();
    let fields = value.as_object().cloned().unwrap_or_default();
    fields.into_iter().filter(|(key, _)| !OF_TRAINING.contains(&key.as_str())).collect()
}
