//! What a run's memory is made of, and which keys to lower so that it fits.

use canet_data::augment::Augment;
use serde::Serialize;

use super::MARGIN;
use crate::config::Config;

/// Sides of crops are proposed in multiples of this: the networks' largest stride.
const SIDE_STEP: u32 = 32;
/// Smaller crops are not proposed: there is nothing left to learn from.
const LEAST_CROP: u32 = 96;

/// Memory by what takes it, in MiB.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Footprint {
    /// What lasts between steps: weights, optimiser, the program.
    held: f64,
    /// What a step holds whatever the batch: what lasts, and gradients.
    fixed: f64,
    /// What a frame of the batch adds: activations, foremost.
    frame: f64,
    batch: usize,
    /// While a validation frame is predicted, at most.
    pub(super) validation: f64,
    /// While a checkpoint is written.
    pub(super) saving: f64,
    /// What `recompute = true` would change, where that was tried.
    pub(super) recomputed: Option<Recomputed>,
}

/// What was seen of a step on one frame with all of the backbone recomputed, beside one without.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recomputed {
    /// MiB that a frame needs less.
    pub(super) saved: f64,
    /// How much longer the step took, in shares of the other's time.
    pub(super) longer: f64,
}

/// Settings that need less memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// What to pass with `--set`, in this order.
    pub set: Vec<String>,
    /// The memory that the run is predicted to need then, with the margin.
    pub peak_mib: u64,
    /// What else changes.
    pub effect: String,
}

impl Footprint {
    /// From the memory held at the `start`, at most in a step on `one` frame, and at most with a
    /// `validation` frame after it. Since the start, what lasts has `grown`; the `state` is what a
    /// checkpoint holds, `weights` the weights alone, and in `sums` passes are added up.
    pub(super) fn of_one_frame(
        [start, one, validation]: [f64; 3],
        [grown, state, weights, sums]: [f64; 4],
        batch: usize,
    ) -> Self {
        let held = start + grown;
        // There is a gradient for each weight.
        let fixed = held + weights + sums;
        let frame = (one + sums - fixed).max(0.0);
        // The file's content is gathered, and then copied behind its head.
        let saving = held + 2.0 * state;
        Self { held, fixed, frame, batch, validation, saving, recomputed: None }
    }

    /// Corrects the prediction: training on `batch` frames held at most `peak`.
    pub(super) fn measured(&mut self, batch: usize, peak: f64) {
        let one = self.fixed + self.frame;
        if batch > 1 && peak > one {
            self.frame = (peak - one) / (batch - 1) as f64;
            self.fixed = one - self.frame;
        } else {
            self.frame = (peak - self.fixed) / batch as f64;
        }
    }

    /// Adds what is held beside the steps, whatever the batch.
    pub(super) fn beside(&mut self, mib: f64) {
        self.held += mib;
        self.fixed += mib;
    }

    /// How many frames a batch can have where `available` MiB are, with the margin; 0 if none.
    pub(super) fn fitting(&self, available: u64) -> usize {
        let room = available as f64 / (1.0 + MARGIN);
        ((room - self.fixed) / self.frame.max(1e-3)).floor().max(0.0) as usize
    }

    /// The most memory in training on batches of so many frames.
    pub(super) fn training_mib(&self, batch: usize) -> f64 {
        self.fixed + self.frame * batch as f64
    }

    /// The most memory at any time, with the margin.
    pub(super) fn peak_mib(&self) -> u64 {
        self.with(self.training_mib(self.batch), self.validation)
    }

    fn with(&self, training: f64, validation: f64) -> u64 {
        (training.max(validation).max(self.saving) * (1.0 + MARGIN)).round() as u64
    }

    /// What to lower so that `available` MiB suffice, the mildest first. `frame` is the size of the
    /// largest training frame.
    pub(super) fn advice(&self, config: &Config, frame: (u32, u32), available: u64) -> Vec<Advice> {
        let room = available as f64 / (1.0 + MARGIN);
        if self.saving > room || self.fixed > room {
            return vec![self.smaller_network()];
        }
        if self.validation > room && self.validation > self.training_mib(1) {
            return vec![self.smaller_input(config, frame)];
        }
        let fitting = self.fitting(available);
        let mut advice = Vec::new();
        if let Some(seen) = self.recomputed {
            let less = Self { frame: self.frame - seen.saved, ..*self };
            let most = less.fitting(available).min(self.batch);
            if most > fitting {
                advice.push(self.recompute(config, most, seen));
            }
        }
        if (1..self.batch).contains(&fitting) {
            advice.push(self.smaller_batch(config, fitting));
        }
        // A smaller part of the frame with the batch as it is, or else frame by frame.
        for batch in [self.batch, 1] {
            if advice.len() < 2 && !(batch == 1 && fitting >= 1) {
                advice.extend(self.smaller_crop(config, frame, batch, room));
            }
        }
        if advice.is_empty() {
            advice.push(self.smaller_network());
        }
        advice
    }

    /// Nothing but time changes, if the `batch` can stay as it is.
    fn recompute(&self, config: &Config, batch: usize, seen: Recomputed) -> Advice {
        let mut set = vec!["recompute=true".to_owned()];
        let percent = 100.0 * seen.longer.max(0.0);
        let mut effect =
            format!("the same gradients; a step on one frame took {percent:.0}% longer");
        if batch < self.batch {
            set.extend(self.in_batches_of(config, batch));
            effect += ". Smaller batches; batch norms see fewer frames at a time";
        }
        let training = self.training_mib(batch) - seen.saved * batch as f64;
        Advice { set, peak_mib: self.with(training, self.validation), effect }
    }

    /// As many frames a step as before.
    fn in_batches_of(&self, config: &Config, batch: usize) -> [String; 2] {
        let passes = (self.batch * config.optimizer.accumulate).div_ceil(batch);
        [format!("data.batch={batch}"), format!("optimizer.accumulate={passes}")]
    }

    fn smaller_batch(&self, config: &Config, batch: usize) -> Advice {
        Advice {
            set: self.in_batches_of(config, batch).into(),
            peak_mib: self.with(self.training_mib(batch), self.validation),
            effect: "as many frames a step in smaller batches; batch norms see fewer at a time"
                .into(),
        }
    }

    /// Activations take as much memory as the crop has pixels.
    fn smaller_crop(
        &self,
        config: &Config,
        frame: (u32, u32),
        batch: usize,
        room: f64,
    ) -> Option<Advice> {
        let (width, height) = crop(&config.data.augment, frame);
        let share = (room - self.fixed) / (self.frame * batch as f64);
        let side = |side: u32| {
            let side = (f64::from(side) * share.min(1.0).sqrt()) as u32;
            side / SIDE_STEP * SIDE_STEP
        };
        let (w, h) = (side(width), side(height));
        if w.min(h) < LEAST_CROP || share >= 1.0 {
            return None;
        }
        let part = f64::from(w) * f64::from(h) / (f64::from(width) * f64::from(height));
        let mut set = vec![format!("data.augment.crop=[{w}, {h}]")];
        let mut effect =
            format!("{:.0}% of the pixels; the network sees less around each", 100.0 * part);
        if batch < self.batch {
            set.extend(self.in_batches_of(config, batch));
            effect += ", and batch norms see one frame at a time";
        }
        let peak_mib = self.with(self.fixed + self.frame * batch as f64 * part, self.validation);
        Some(Advice { set, peak_mib, effect })
    }

    /// Frames of half the size have a quarter of the pixels.
    fn smaller_input(&self, config: &Config, frame: (u32, u32)) -> Advice {
        let (width, height) = config.data.augment.base.unwrap_or(frame);
        let (w, h) = ((width / 2).max(1), (height / 2).max(1));
        let validation = self.held + (self.validation - self.held) / 4.0;
        Advice {
            set: vec![format!("data.augment.base=[{w}, {h}]")],
            peak_mib: self.with(self.training_mib(self.batch), validation),
            effect: "whole frames, in validation, are what does not fit; small things get lost"
                .into(),
        }
    }

    fn smaller_network(&self) -> Advice {
        Advice {
            set: Vec::new(),
            peak_mib: self.with(self.training_mib(1), self.validation),
            effect:
                "one frame at a time does not fit, either; choose a smaller model (model.depth, \
                     model.capacity, or network = \"canet-assignment\")"
                    .into(),
        }
    }
}

/// Width and height of what the network is trained on.
fn crop(augment: &Augment, frame: (u32, u32)) -> (u32, u32) {
    augment.crop.or(augment.base).unwrap_or(frame)
}

#[cfg(test)]
mod tests;
