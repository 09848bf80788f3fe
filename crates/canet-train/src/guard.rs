//! A step that goes wrong changes nothing, and what it was about is written down.

use std::collections::BTreeMap;

use canet_data::dataset::Dataset;
use canet_data::loader::Batch;
use canet_model::{Kind, Normalisation, Params, Tensor};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Result;

/// The running statistics of batch norms as they were before a step. The forward pass moves them,
/// before anyone knows what the loss is; all else changes only after the guard.
pub(crate) struct Statistics(Vec<(String, Tensor)>);

impl Statistics {
    /// Copies them.
    pub(crate) fn of(params: &Params) -> Result<Self> {
        let statistics = params.iter().filter(|param| param.kind == Kind::Statistic);
        #[cfg(feature = "cuda")]
        if params.device().is_cuda() {
            // One kernel for all of them.
            let (names, now): (Vec<_>, Vec<_>) = statistics
                .map(|param| (param.name.clone(), param.var.as_detached_tensor()))
                .unzip();
            return Ok(Self(names.into_iter().zip(canet_ops::cuda::copies(&now)?).collect()));
        }
        let copies = statistics.map(|param| Ok((param.name.clone(), param.var.copy()?)));
        Ok(Self(copies.collect::<Result<_>>()?))
    }

    /// Puts them back, to the bit.
    pub(crate) fn restore(&self, params: &Params) -> Result<()> {
        for (name, values) in &self.0 {
            if let Some(param) = params.get(name) {
                param.var.set(values)?;
            }
        }
        Ok(())
    }
}

#[cfg(feature = "cuda")]
impl Statistics {
    /// The same on a GPU, if `judge` refuses the step.
    pub(crate) fn restore_if_refused(
        &self,
        params: &Params,
        judge: &canet_ops::Judge,
    ) -> Result<()> {
        let pairs = self.0.iter().filter_map(|(name, before)| {
            params.get(name).map(|param| (param.var.as_tensor(), before))
        });
        let pairs: Vec<_> = pairs.collect();
        Ok(canet_ops::cuda::put_back_if_refused(&pairs, judge)?)
    }
}

/// A step that was refused; as JSON it is `diverged-step-N.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Refused {
    /// The optimiser step of the run, from 1.
    pub(crate) step: u64,
    /// What was not finite.
    pub(crate) what: String,
    /// The learning rate it would have had.
    pub(crate) rate: f64,
    /// The batches, up to the one that was noticed.
    pub(crate) batches: Vec<BatchNote>,
}

/// What a batch was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BatchNote {
    /// The loss; words where it is not finite or was not computed.
    loss: Value,
    frames: Vec<FrameNote>,
}

/// A frame as the network saw it, after augmentation.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct FrameNote {
    /// Its path in the prepared folder.
    image: String,
    /// Over the normalised values.
    min: Value,
    max: Value,
    mean: Value,
    /// The share of pixels without a class.
    void: f64,
    /// Pixels a class, by id.
    classes: BTreeMap<u8, u64>,
}

impl Refused {
    /// Describes a step. `losses` has those of the batches that were computed.
    pub(crate) fn new(
        (step, rate): (u64, f64),
        what: String,
        (batches, losses): (&[Batch], &[f64]),
        dataset: &Dataset,
        normalisation: &Normalisation,
    ) -> Self {
        let notes = batches.iter().enumerate().map(|(i, batch)| BatchNote {
            loss: losses.get(i).map_or("not computed".into(), |&loss| number(loss)),
            frames: frames(batch, dataset, normalisation),
        });
        Self { step, what, rate, batches: notes.collect() }
    }

    /// The names of all frames.
    pub(crate) fn frames(&self) -> String {
        let names = self.batches.iter().flat_map(|b| &b.frames).map(|f| f.image.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

fn frames(batch: &Batch, dataset: &Dataset, normalisation: &Normalisation) -> Vec<FrameNote> {
    let pixels = (batch.width * batch.height) as usize;
    let parts = batch.images.chunks(3 * pixels).zip(batch.masks.chunks(pixels));
    let one = |(&index, (image, mask)): (&usize, (&[u8], &[u8]))| {
        let values = normalisation.planes(image);
        let fold = |f: fn(f32, f32) -> f32, start| values.iter().copied().fold(start, f);
        // `f32::min` passes NaN over; a sum does not.
        let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
        let mut classes = BTreeMap::new();
        for &class in mask {
            *classes.entry(class).or_insert(0_u64) += 1;
        }
        let void = classes.remove(&canet_core::ClassId::VOID.0).unwrap_or(0);
        FrameNote {
            image: dataset.entry(index).image.clone(),
            min: number(f64::from(fold(f32::min, f32::INFINITY))),
            max: number(f64::from(fold(f32::max, f32::NEG_INFINITY))),
            mean: number(sum / values.len() as f64),
            void: void as f64 / pixels as f64,
            classes,
        }
    };
    batch.indices.iter().zip(parts).map(one).collect()
}

/// JSON has no NaN and no infinity: those are words.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}
