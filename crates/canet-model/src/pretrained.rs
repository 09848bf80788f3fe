//! Published ImageNet weights for the backbone.
//!
//! Safetensors files with torchvision's names fit as they are: timm's `resnet50.tv_in1k` for the
//! classic stem, and for the v1s stem `resnet50s.gluon_in1k`, the weights that the authors start
//! from (18, 34 and 101 layers likewise). GluonCV's own names for them (`ResNetV1b`, saved by
//! structure) differ in two words only. A CANet checkpoint lends its backbone, too.

use std::path::Path;

use crate::checkpoint::read_container;
use crate::params::{Param, Params};
use crate::{Error, LoadReport, Result};

const PREFIX: &str = "backbone.";
/// What GluonCV calls a batch norm's factor and term, and what everybody else does.
const GLUON: [(&str, &str); 2] = [(".gamma", ".weight"), (".beta", ".bias")];

/// Sets the whole backbone from published weights: all of it or, with an error that lists the
/// differences, nothing. What no backbone has is left out, and reported: the classifier (`fc.*`), the
/// batches that PyTorch's norms have counted, and of a CANet checkpoint all that comes after.
pub fn load_backbone(params: &Params, path: &Path) -> Result<LoadReport> {
    let file = read_container(path)?.tensors;
    let own = file.keys().any(|name| name.starts_with(PREFIX));
    let wanted = |name: &str| {
        if own {
            name.starts_with(PREFIX)
        } else {
            !name.starts_with("fc.") && !name.ends_with(".num_batches_tracked")
        }
    };
    let (tensors, left): (Vec<_>, Vec<_>) = file.into_iter().partition(|(name, _)| wanted(name));
    let named = |name: String| if own { name } else { format!("{PREFIX}{}", torch_name(&name)) };
    let tensors = tensors.into_iter().map(|(name, tensor)| (named(name), tensor)).collect();
    let backbone = |param: &&Param| param.name.starts_with(PREFIX);
    let mut report = LoadReport::compare(params.iter().filter(backbone), &tensors);
    report.left_out = left.into_iter().map(|(name, _)| name).collect();
    if report.loaded == 0 || !report.is_complete() {
        return Err(Error::Mismatch {
            origin: path.display().to_string(),
            report: Box::new(report),
        });
    }
    params.fill(params.iter().filter(backbone), &tensors)?;
    Ok(report)
}

/// A name in torchvision's words.
fn torch_name(name: &str) -> String {
    let gluon = GLUON.iter().find_map(|(theirs, ours)| Some((name.strip_suffix(theirs)?, ours)));
    gluon.map_or_else(|| name.to_owned(), |(stem, ours)| format!("{stem}{ours}"))
}
