//! The model that is served: what computes, and what is told of it.

use std::sync::Arc;

use canet_core::{ClassSet, LabelMap, MAX_SIDE};
use canet_model::{Checkpoint, Device, Network, Options, Params, Segmentation, Segmenter};
use image::RgbImage;
use serde_json::{Value, json};

use crate::{Result, Settings};

/// What finds the classes of a frame: a [`Segmenter`], or in tests something that takes its time.
pub trait Engine: Send + Sync + 'static {
    /// The classes of every pixel, and how sure they are if that is asked for.
    fn segment(&self, frame: &RgbImage, confidence: bool) -> canet_model::Result<Segmentation>;

    /// Bytes that it works in for a frame of this width and height.
    fn memory(&self, width: u32, height: u32) -> canet_model::Result<usize>;
}

/// What is told of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// What its owner calls it.
    pub name: String,
    /// The kind of network, such as `canet`.
    pub network: String,
    /// How many numbers were trained.
    pub parameters: u64,
    /// SHA-256 of the weights: see [`canet_model::weight_hash`].
    pub weights: String,
    /// Width and height that frames are brought to, if they are.
    pub input: Option<[u32; 2]>,
    /// The classes that it tells apart.
    pub classes: ClassSet,
    /// What the checkpoint says of its training.
    pub training: Value,
}

/// A model that is ready for requests. Clones share it.
#[derive(Clone)]
pub struct Model {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) about: Arc<About>,
    pub(crate) labels: Arc<LabelMap>,
}

impl Model {
    /// Makes a checkpoint ready; `name` is what clients are told.
    pub fn new(name: &str, checkpoint: Checkpoint, options: Options) -> Result<Self> {
        let weights = checkpoint.weight_hash()?;
        let checkpoint = checkpoint.without_aux();
        let meta = &checkpoint.meta;
        // How many parameters there are does not depend on their values.
        let mut params = Params::blank(&Device::Cpu);
        Network::new(&meta.model, &mut params)?;
        let config = serde_json::to_value(&meta.model).unwrap_or_default();
        let about = About {
            name: name.to_owned(),
            network: config["network"].as_str().unwrap_or("canet").to_owned(),
            parameters: params.trainable_count() as u64,
            weights,
            input: meta.input,
            classes: meta.classes.clone(),
            training: meta.training.clone(),
        };
        let unsure = Segmenter::from_checkpoint(checkpoint, options)?.with_confidence(false);
        let sure = unsure.clone().with_confidence(true);
        Self::of_engine(about, Arc::new(Segmenters { sure, unsure }))
    }

    /// Something else that finds classes.
    pub fn of_engine(about: About, engine: Arc<dyn Engine>) -> Result<Self> {
        let labels = LabelMap::of_classes(&about.classes)?;
        Ok(Self { engine, about: Arc::new(about), labels: Arc::new(labels) })
    }

    /// What is told of it.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Bytes that the network works in for the largest picture that the settings let in.
    pub fn memory(&self, settings: &Settings) -> Result<u64> {
        let side = u32::try_from(settings.max_pixels.isqrt()).unwrap_or(MAX_SIDE).min(MAX_SIDE);
        Ok(self.engine.memory(side, side)? as u64)
    }

    /// The answer of `/v1/model`.
    pub(crate) fn to_json(&self, settings: &Settings) -> Value {
        let About { name, network, parameters, weights, input, classes, training } = &*self.about;
        let class = |(id, class): (usize, &canet_core::Class)| json!({"id": id, "name": class.name, "color": class.color});
        json!({
            "name": name,
            "network": network,
            "parameters": parameters,
            "weights": weights,
            "input": input,
            "classes": classes.classes.iter().enumerate().map(class).collect::<Vec<_>>(),
            "limits": {
                "body_bytes": settings.max_body,
                "pixels": settings.max_pixels,
                "side": MAX_SIDE,
                "queue": settings.queue,
                "timeout_seconds": settings.timeout.as_secs_f64(),
            },
            "training": training,
        })
    }
}

/// The same weights, with and without the work for the confidence.
struct Segmenters {
    sure: Segmenter,
    unsure: Segmenter,
}

impl Engine for Segmenters {
    fn segment(&self, frame: &RgbImage, confidence: bool) -> canet_model::Result<Segmentation> {
        if confidence { self.sure.segment(frame) } else { self.unsure.segment(frame) }
    }

    fn memory(&self, width: u32, height: u32) -> canet_model::Result<usize> {
        self.sure.memory(width, height)
    }
}
