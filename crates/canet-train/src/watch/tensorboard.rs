//! `tensorboard/`: event files, which TensorBoard shows while the run goes on.

use super::{Seen, Start, Watcher, sheet};
use crate::Result;
use crate::events::EventFile;
use crate::events::histogram::Histogram;
use crate::metrics::Scores;
use crate::record::{EpochRecord, StepRecord};

/// How many steps of a run are told of, at most: more than any chart shows, in some megabytes.
const STEPS: u64 = 20_000;

/// Writes the events.
pub(super) struct TensorBoard {
    file: EventFile,
}

impl TensorBoard {
    /// Begins a file behind those of the run's earlier processes.
    pub(super) fn open(start: &Start) -> Result<Self> {
        let folder = start.folder.tensorboard();
        let mut file = EventFile::begin(&folder, start.first_step)?;
        let config = toml::to_string(start.config).unwrap_or_default();
        file.text(start.first_step, "config", &format!("```toml\n{config}```"))?;
        Ok(Self { file })
    }

    fn scores(&mut self, step: u64, split: &str, scores: &Scores) -> Result<()> {
        let mut values = vec![
            (format!("{split}/miou"), scores.miou),
            (format!("{split}/pixel_accuracy"), scores.pixel_accuracy),
        ];
        for line in &scores.classes {
            values.extend(line.iou.map(|iou| (format!("{split}_iou/{}", line.class), iou)));
        }
        let values: Vec<(&str, f64)> = values.iter().map(|(tag, v)| (tag.as_str(), *v)).collect();
        self.file.scalars(step, &values)
    }
}

impl Watcher for TensorBoard {
    fn step(&mut self, step: &StepRecord) -> Result<()> {
        if !step.step.is_multiple_of(step.total_steps.div_ceil(STEPS).max(1)) {
            return Ok(());
        }
        self.file.scalars(
            step.step,
            &[
                ("train/loss", step.loss),
                ("train/rate", step.rate),
                ("train/gradient_norm", step.gradient_norm),
                ("train/frames_per_second", step.frames_per_second),
            ],
        )
    }

    fn epoch(&mut self, record: &EpochRecord, seen: &Seen) -> Result<()> {
        let step = record.step;
        self.file.scalars(step, &[("epoch/loss", record.loss)])?;
        self.scores(step, "val", &record.scores)?;
        if let Some(scores) = &record.ema {
            self.scores(step, "val_average", scores)?;
        }
        if let Some(picture) = seen.sheet {
            let (size, jpeg) = sheet::jpeg(picture)?;
            self.file.image(step, "val/strips", size, &jpeg)?;
        }
        let mut histograms = Vec::new();
        for param in seen.params.iter() {
            let values = param.var.flatten_all()?.to_vec1::<f32>()?;
            let tag = format!("weights/{}", param.name);
            histograms.extend(Histogram::of(&values).map(|histogram| (tag, histogram)));
        }
        self.file.histograms(step, histograms.iter().map(|(tag, h)| (tag.as_str(), h)))
    }
}
