//! What a file's tensors and a network's parameters have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use candle_core::Tensor;

use crate::Param;

/// How many names of a list a message shows.
const SHOWN: usize = 10;

/// A comparison of tensors with the parameters they are to fill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// How many parameters have a tensor of their name and shape.
    pub loaded: usize,
    /// Parameters without a tensor.
    pub missing: Vec<String>,
    /// Tensors without a parameter.
    pub unexpected: Vec<String>,
    /// Tensors of another shape or of another kind of number than their parameter.
    pub shape_mismatch: Vec<String>,
    /// Tensors that were left out on purpose.
    pub left_out: Vec<String>,
}

impl LoadReport {
    /// Compares; the lists follow the order of the parameters, or that of the names.
    pub(crate) fn compare<'a>(
        params: impl Iterator<Item = &'a Param>,
        tensors: &BTreeMap<String, Tensor>,
    ) -> Self {
        let mut report = Self::default();
        let mut names = BTreeSet::new();
        for Param { name, var, .. } in params {
            names.insert(name);
            match tensors.get(name) {
                None => report.missing.push(name.clone()),
                Some(tensor) if tensor.dims() != var.dims() => report.shape_mismatch.push(format!(
                    "{name} (expected {:?}, found {:?})",
                    var.dims(),
                    tensor.dims()
                )),
                Some(tensor) if !tensor.dtype().is_float() => report
                    .shape_mismatch
                    .push(format!("{name} (expected floats, found {:?})", tensor.dtype())),
                Some(_) => report.loaded += 1,
            }
        }
        report.unexpected = tensors.keys().filter(|name| !names.contains(name)).cloned().collect();
        report
    }

    /// Whether every tensor has its parameter and every parameter its tensor.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.shape_mismatch.is_empty()
    }
}

impl Display for LoadReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} parameters match", self.loaded)?;
        for (what, names) in [
            ("missing", &self.missing),
            ("unexpected", &self.unexpected),
            ("of another shape", &self.shape_mismatch),
            ("left out", &self.left_out),
        ] {
            if !names.is_empty() {
                let shown = names[..names.len().min(SHOWN)].join(", ");
                let rest = if names.len() > SHOWN { ", ..." } else { "" };
                write!(f, "; {} {what}: {shown}{rest}", names.len())?;
            }
        }
        Ok(())
    }
}
