//! Published ImageNet weights for the backbone.
//!
//! Safetensors files with torchvision's names fit as they are: timm's `resnet50.tv_in1k` for the
//! classic stem, and for the v1s stem `resnet50s.gluon_in1k`, the weights that the authors start
//! from (101 layers likewise). A CANet checkpoint lends its backbone, too.

use std::path::Path;

use crate::checkpoint::read_container;
use crate::params::{Param, Params};
use crate::{Error, LoadReport, Result};

const PREFIX: &str = "backbone.";

/// Sets the whole backbone from published weights: all of it or, with an error that lists the
/// differences, nothing. The file's classifier (`fc.*`) is left out.
pub fn load_backbone(params: &Params, path: &Path) -> Result<LoadReport> {
    let file = read_container(path)?.tensors;
    let own = file.keys().any(|name| name.starts_with(PREFIX));
    let tensors = file
        .into_iter()
        .filter(|(name, _)| !name.starts_with("fc.") && !name.ends_with("num_batches_tracked"))
        .filter_map(|(name, tensor)| match (own, name.starts_with(PREFIX)) {
            (true, false) => None,
            (true, true) => Some((name, tensor)),
            (false, _) => Some((format!("{PREFIX}{name}"), tensor)),
        })
        .collect();
    let backbone = |param: &&Param| param.name.starts_with(PREFIX);
    let report = LoadReport::compare(params.iter().filter(backbone), &tensors);
    if report.loaded == 0 || !report.is_complete() {
        return Err(Error::Mismatch { origin: path.display().to_string(), report });
    }
    params.fill(params.iter().filter(backbone), &tensors)?;
    Ok(report)
}
