//! A trained network in one safetensors file: nothing else is needed to use it.
//!
//! | metadata key | content |
//! |---|---|
//! | `canet.format` | `2` |
//! | `canet.model` | the [`ModelConfig`] |
//! | `canet.classes` | the [`ClassSet`]: names and colours |
//! | `canet.normalisation` | the [`Normalisation`] |
//! | `canet.input` | `[width, height]` that frames are brought to, or `null` for their own size |
//! | `canet.training` | a summary of the training, free in form |
//! | `canet.weights` | SHA-256 of the network's parameters, see [`crate::weight_hash`] |
//! | `canet.sha256` | of the file, with these digits as zeros |
//!
//! All but the format and the hashes are JSON. Files of format 1 have no `canet.weights`, and in place
//! of `canet.sha256` a shorter `canet.checksum`, or none; they are read, too. The tensors are the network's parameters by name,
//! and, under names that start with `training.`, whatever the training needs to go on; inference
//! ignores those.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use canet_core::{ClassSet, MAX_SIDE, atomic};
use image::RgbImage;
use image::imageops::{FilterType, resize};
use serde::{Serialize, de::DeserializeOwned};

use crate::container::Container;
use crate::seal::HASH;
use crate::test_time::LEAST_SIDE;
use crate::weight_hash::weight_hash;
use crate::{Error, ModelConfig, Network, Normalisation, Params, Precision, Result};

/// The version of the format that is written, and the newest that is read.
const FORMAT: u32 = 2;
/// The metadata key of [`Checkpoint::weight_hash`].
const WEIGHTS: &str = "canet.weights";
/// The start of the names of tensors that only the training needs.
pub const TRAINING_PREFIX: &str = "training.";

/// What a checkpoint says about its network.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointMeta {
    /// What to build.
    pub model: ModelConfig,
    /// What the logits' channels stand for.
    pub classes: ClassSet,
    /// What is done to the pixels first.
    pub normalisation: Normalisation,
    /// Width and height that frames are resized to before the network, if not left alone.
    pub input: Option<[u32; 2]>,
    /// A summary of the training, free in form.
    pub training: serde_json::Value,
}

/// A checkpoint that has been read; its tensors are on the CPU.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it says about its network.
    pub meta: CheckpointMeta,
    /// The network's parameters by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// What the training needs to go on; the names start with [`TRAINING_PREFIX`].
    pub training_tensors: BTreeMap<String, Tensor>,
    path: PathBuf,
    file_bytes: usize,
}

impl CheckpointMeta {
    /// A description with the usual normalisation, for frames of any size.
    pub fn new(model: ModelConfig, classes: ClassSet) -> Self {
        let training = serde_json::Value::Null;
        Self { model, classes, normalisation: Normalisation::default(), input: None, training }
    }

    /// Refuses what cannot be: classes that do not fit the network, sizes of zero and the like.
    pub fn check(&self) -> Result<()> {
        self.model.check()?;
        self.classes.check("classes")?;
        if self.classes.len() != self.model.classes() {
            return Err(Error::Config(format!(
                "the network tells {} classes apart, but {} has {}",
                self.model.classes(),
                self.classes.name,
                self.classes.len()
            )));
        }
        let Normalisation { mean, std } = self.normalisation;
        if mean.iter().any(|m| !m.is_finite()) || std.iter().any(|s| !s.is_normal() || *s < 0.0) {
            return Err(Error::Config(format!(
                "the normalisation {mean:?}, {std:?} is impossible"
            )));
        }
        match self.input {
            Some(size) if size.iter().any(|side| !(1..=MAX_SIDE).contains(side)) => {
                Err(Error::Config(format!("the input size {size:?} is impossible")))
            }
            _ => Ok(()),
        }
    }

    /// Width and height at which the network sees a frame of `width` and `height`: the input size, if
    /// there is one, else the frame's own; at least 8 a side.
    pub fn seen_size(&self, width: u32, height: u32) -> Result<[u32; 2]> {
        if width == 0 || height == 0 {
            return Err(Error::Input(format!("the frame has no pixels ({width}x{height})")));
        }
        Ok(self.input.unwrap_or([width, height]).map(|side| side.max(LEAST_SIDE)))
    }

    /// The frame as the network sees it, before the normalisation: resized to
    /// [`CheckpointMeta::seen_size`]. [`Normalisation::tensor`] makes of it what
    /// [`Network::forward`] and [`Network::explain`] take.
    pub fn seen<'a>(&self, frame: &'a RgbImage) -> Result<Cow<'a, RgbImage>> {
        let [w, h] = self.seen_size(frame.width(), frame.height())?;
        Ok(if (w, h) == frame.dimensions() {
            Cow::Borrowed(frame)
        } else {
            Cow::Owned(resize(frame, w, h, FilterType::Triangle))
        })
    }

    fn to_metadata(&self) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::from([
            ("canet.format".into(), FORMAT.to_string()),
            ("canet.model".into(), json(&self.model)?),
            ("canet.classes".into(), json(&self.classes)?),
            ("canet.normalisation".into(), json(&self.normalisation)?),
            ("canet.input".into(), json(&self.input)?),
            ("canet.training".into(), json(&self.training)?),
        ]))
    }

    fn from_metadata(metadata: &BTreeMap<String, String>, path: &Path) -> Result<Self> {
        let Some(format) = metadata.get("canet.format") else {
            return Err(Error::checkpoint(
                path,
                "is a bare weight file without CANet's metadata; to start a training from it, \
                 name it as the backbone (backbone = ...)",
            ));
        };
        let number = format.parse::<u32>().ok().filter(|number| (1..=FORMAT).contains(number));
        let Some(number) = number else {
            return Err(Error::checkpoint(
                path,
                format!(
                    "has format {format:?}, this program reads 1 to {FORMAT}; update the program"
                ),
            ));
        };
        if number > 1 && !metadata.contains_key(HASH) {
            return Err(Error::checkpoint(
                path,
                format!("lacks {HASH}, without which damage cannot be seen; fall back to another"),
            ));
        }
        let meta = Self {
            model: field(metadata, "canet.model", path)?,
            classes: field(metadata, "canet.classes", path)?,
            normalisation: field(metadata, "canet.normalisation", path)?,
            input: field(metadata, "canet.input", path)?,
            training: field(metadata, "canet.training", path)?,
        };
        meta.check().map_err(|e| Error::checkpoint(path, format!("contradicts itself: {e}")))?;
        Ok(meta)
    }
}

impl Checkpoint {
    /// Writes a checkpoint, whole or not at all; equal content gives equal bytes. The names of the
    /// `extra` tensors start with [`TRAINING_PREFIX`].
    pub fn save(
        path: &Path,
        params: &Params,
        meta: &CheckpointMeta,
        extra: &[(String, Tensor)],
    ) -> Result<()> {
        Ok(atomic::write(path, &Self::to_bytes(params, meta, extra)?)?)
    }

    /// What [`Checkpoint::save`] writes.
    pub fn to_bytes(
        params: &Params,
        meta: &CheckpointMeta,
        extra: &[(String, Tensor)],
    ) -> Result<Vec<u8>> {
        meta.check()?;
        let mut tensors = params.tensors();
        let mut metadata = meta.to_metadata()?;
        metadata.insert(WEIGHTS.into(), weight_hash(&tensors)?);
        for (name, tensor) in extra {
            let fresh = name.starts_with(TRAINING_PREFIX)
                && tensors.insert(name.clone(), tensor.clone()).is_none();
            if !fresh {
                return Err(Error::Input(format!(
                    "extra tensor {name:?} must have a name of its own that starts with \
                     {TRAINING_PREFIX:?}"
                )));
            }
        }
        Ok(Container { metadata, tensors }.to_bytes()?)
    }

    /// Reads and checks a checkpoint.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of_bytes(&read_bytes(path)?, path)
    }

    /// The same from the bytes of a file, such as one that a program has built in. `name` stands for
    /// it in errors.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self> {
        Self::of_bytes(bytes, Path::new(name))
    }

    fn of_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let container = Container::from_bytes(bytes, path)?;
        let meta = CheckpointMeta::from_metadata(&container.metadata, path)?;
        let (training_tensors, tensors) =
            container.tensors.into_iter().partition(|(name, _)| name.starts_with(TRAINING_PREFIX));
        let (path, file_bytes) = (path.to_owned(), bytes.len());
        Ok(Self { meta, tensors, training_tensors, path, file_bytes })
    }

    /// Where it was read from, or the name that stands for it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long the file is that it was read from.
    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// A file that predicts and does nothing else: the network's parameters alone, without an
    /// auxiliary head and what the training needs to go on, at a precision.
    ///
    /// [`Precision::F16`] halves the file: it rounds the weights of convolutions. Equal content gives
    /// equal bytes, and what is read from them can be written so again.
    pub fn to_lean_bytes(self, precision: Precision) -> Result<Vec<u8>> {
        let checkpoint = self.without_aux();
        let mut metadata = checkpoint.meta.to_metadata()?;
        let mut tensors = checkpoint.tensors;
        for tensor in tensors.values_mut() {
            if precision.rounds(tensor)? {
                *tensor = tensor.to_dtype(DType::F16)?;
            }
        }
        metadata.insert(WEIGHTS.into(), weight_hash(&tensors)?);
        Ok(Container { metadata, tensors }.to_bytes()?)
    }

    /// Rounds the weights as [`Checkpoint::to_lean_bytes`] would, in place.
    pub(crate) fn round(&mut self, precision: Precision) -> Result<()> {
        for tensor in self.tensors.values_mut() {
            if precision.rounds(tensor)? {
                *tensor = tensor.to_dtype(DType::F16)?.to_dtype(tensor.dtype())?;
            }
        }
        Ok(())
    }

    /// What its weights are called: see [`weight_hash`].
    pub fn weight_hash(&self) -> Result<String> {
        weight_hash(&self.tensors)
    }

    /// Sets a network's parameters from the checkpoint, all or none.
    pub fn load_into(&self, params: &Params) -> Result<()> {
        params.load(&self.tensors, &self.path.display().to_string())
    }

    /// Builds the checkpoint's network with its parameters.
    pub fn network(&self, device: &Device) -> Result<(Network, Params)> {
        let mut params = Params::blank(device);
        let network = Network::new(&self.meta.model, &mut params)?;
        self.load_into(&params)?;
        Ok((network, params))
    }

    /// The same network without its auxiliary head, which has done its work with the training.
    #[must_use]
    pub fn without_aux(mut self) -> Self {
        if let ModelConfig::Canet(config) = &mut self.meta.model {
            if config.aux {
                self.tensors.retain(|name, _| !name.starts_with("aux."));
            }
            config.aux = false;
        }
        self
    }
}

/// Reads a safetensors file.
pub(crate) fn read_container(path: &Path) -> Result<Container> {
    Container::from_bytes(&read_bytes(path)?, path)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    Ok(std::fs::read(path).map_err(canet_core::Error::io("read", path))?)
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Config(format!("cannot be written: {e}")))
}

fn field<T: DeserializeOwned>(
    metadata: &BTreeMap<String, String>,
    key: &str,
    path: &Path,
) -> Result<T> {
    let text = metadata
        .get(key)
        .ok_or_else(|| Error::checkpoint(path, format!("lacks the metadata {key}")))?;
    serde_json::from_str(text)
        .map_err(|e| Error::checkpoint(path, format!("metadata {key} is not understood: {e}")))
}
