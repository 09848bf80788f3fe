//! What a model card says, in whatever form.

use std::collections::BTreeMap;

use anyhow::Result;
use canet_model::{Checkpoint, Class, Device, ModelConfig, Normalisation, Params};
use serde::Serialize;

use super::cost::Cost;
use super::training::Training;
use crate::size::Size;

/// The card. Its JSON form is the program's `--json`.
#[derive(Serialize)]
pub(crate) struct Card {
    pub(crate) file: File,
    /// The network's settings.
    pub(crate) model: ModelConfig,
    pub(crate) parameters: Parameters,
    /// The name of the label map.
    pub(crate) label_map: String,
    /// By id.
    pub(crate) classes: Vec<Class>,
    /// Width and height that frames are brought to; none for their own.
    pub(crate) input: Option<[u32; 2]>,
    pub(crate) normalisation: Normalisation,
    pub(crate) cost: Cost,
    pub(crate) training: Training,
    /// SHA-256 of the network's tensors: see `canet_model::weight_hash`.
    pub(crate) weights: String,
}

/// The file that was read.
#[derive(Serialize)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: usize,
    /// The network's tensors by type of number.
    pub(crate) tensors: Vec<Tensors>,
    /// What only the training needs to go on.
    pub(crate) training_tensors: usize,
}

/// Tensors of one type of number.
#[derive(Serialize)]
pub(crate) struct Tensors {
    /// As safetensors names it, in lower case.
    pub(crate) kind: String,
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// Single values that follow the gradient.
#[derive(Serialize)]
pub(crate) struct Parameters {
    pub(crate) total: usize,
    pub(crate) parts: Vec<Part>,
    /// Running statistics of batch norms, which do not.
    pub(crate) statistics: usize,
}

/// A part of the network.
#[derive(Serialize)]
pub(crate) struct Part {
    /// The start of its tensors' names.
    pub(crate) name: String,
    pub(crate) parameters: usize,
}

impl Card {
    pub(crate) fn new(checkpoint: Checkpoint, size: Option<Size>) -> Result<Self> {
        let file = File::of(&checkpoint);
        let (model, weights) = (checkpoint.meta.model.clone(), checkpoint.weight_hash()?);
        let parameters = Parameters::of(&checkpoint.network(&Device::Cpu)?.1);
        let cost = Cost::of(&checkpoint, size)?;
        let meta = checkpoint.meta;
        let training = Training::of(&meta.training, meta.classes.len());
        Ok(Self {
            file,
            model,
            parameters,
            label_map: meta.classes.name,
            classes: meta.classes.classes,
            input: meta.input,
            normalisation: meta.normalisation,
            cost,
            training,
            weights,
        })
    }

    /// The network's name and settings, for people.
    pub(crate) fn network(&self) -> Vec<(&'static str, String)> {
        let list = |rates: &[usize]| {
            let flows: Vec<_> = rates.iter().map(usize::to_string).collect();
            format!("a global one, and context flows that pool by {}", flows.join(", "))
        };
        match &self.model {
            ModelConfig::Canet(config) => {
                let stem = match config.stem {
                    canet_model::Stem::V1s => "deep stem (v1s)",
                    canet_model::Stem::Classic => "classic stem",
                };
                let gated = if config.feature_selection { "gated" } else { "without gate" };
                let backbone =
                    format!("dilated ResNet-{} with the {stem}", u32::from(config.depth));
                vec![
                    ("network", "canet (arXiv 2002.12041v4)".into()),
                    ("backbone", backbone),
                    ("flows", format!("{}; {} channels", list(&config.rates), config.capacity)),
                    ("feature selection", gated.into()),
                    ("auxiliary head", if config.aux { "in the file" } else { "none" }.into()),
                ]
            }
            ModelConfig::Assignment(config) => vec![
                ("network", "canet-assignment (after arXiv 2002.12041v1)".into()),
                ("backbone", "14 residual blocks, 64 channels at their end".into()),
                ("flows", format!("{}; 32 channels", list(&config.rates))),
                ("feature selection", "gated".into()),
            ],
        }
    }
}

impl File {
    fn of(checkpoint: &Checkpoint) -> Self {
        let mut kinds = BTreeMap::<_, (usize, usize)>::new();
        for tensor in checkpoint.tensors.values() {
            let kind = kinds.entry(tensor.dtype().as_str()).or_default();
            kind.0 += 1;
            kind.1 += tensor.elem_count() * tensor.dtype().size_in_bytes();
        }
        let tensors =
            |(kind, (count, bytes)): (&str, _)| Tensors { kind: kind.into(), count, bytes };
        Self {
            path: checkpoint.path().display().to_string(),
            bytes: checkpoint.file_bytes(),
            tensors: kinds.into_iter().map(tensors).collect(),
            training_tensors: checkpoint.training_tensors.len(),
        }
    }
}

impl Parameters {
    fn of(params: &Params) -> Self {
        let parts = params.by_part().into_iter();
        let others = params.iter().filter(|param| !param.is_trainable());
        Self {
            total: params.trainable_count(),
            parts: parts.map(|(name, parameters)| Part { name, parameters }).collect(),
            statistics: others.map(|param| param.var.elem_count()).sum(),
        }
    }
}

/// What a part of the network is, by the name that its tensors have.
pub(crate) fn part(name: &str) -> &'static str {
    match name {
        "backbone" => "backbone",
        "global_flow" => "global flow",
        "context_flows" => "context flows",
        "fsm" => "feature selection",
        "agcn" => "adapted global convolution",
        "low" => "decoder, fine features",
        "fuse" => "decoder, fusion",
        "head" | "classifier" => "head",
        "aux" => "auxiliary head",
        _ => "other",
    }
}
