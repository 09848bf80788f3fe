//! The other engine: rten.

use std::fmt::Display;

use rten::{NodeId, Value};

use super::best;
use crate::export::LABELS;
use crate::operations::{FRAME, LOGITS};
use crate::{Error, Outputs, Result};

/// What it makes of a picture.
pub(super) struct Answer {
    /// `(classes, H, W)`, where the file gives them.
    pub(super) logits: Option<Vec<f32>>,
    /// `(H, W)`; where the file does not give them, of the logits.
    pub(super) labels: Vec<u8>,
}

/// The engine with a file.
pub(super) struct Engine {
    model: rten::Model,
    frame: NodeId,
    logits: Option<NodeId>,
    labels: Option<NodeId>,
}

impl Engine {
    pub(super) fn load(file: Vec<u8>, outputs: Outputs) -> Result<Self> {
        let model = rten::Model::load(file).map_err(failed)?;
        let node = |name| model.node_id(name).map_err(failed);
        let frame = node(FRAME)?;
        let logits = outputs.logits().then(|| node(LOGITS)).transpose()?;
        let labels = outputs.labels().then(|| node(LABELS)).transpose()?;
        Ok(Self { model, frame, logits, labels })
    }

    /// Runs pictures `(H, W, 3)` of one size, all at once.
    pub(super) fn run(&self, batch: &[Vec<u8>], [h, w]: [usize; 2]) -> Result<Vec<Answer>> {
        let (count, pixels) = (batch.len(), h * w);
        let planes = batch.iter().flat_map(|frame| {
            (0..3 * pixels).map(|place| f32::from(frame[place % pixels * 3 + place / pixels]))
        });
        let frames = Value::from_shape([count, 3, h, w], planes.collect()).map_err(failed)?;
        let wanted: Vec<NodeId> = self.logits.into_iter().chain(self.labels).collect();
        let given = self.model.run(vec![(self.frame, frames.into())], &wanted, None);
        let mut given = given.map_err(failed)?.into_iter();
        let (mut logits, mut labels) = (None, None);
        if self.logits.is_some() {
            let value = given.next().ok_or_else(|| failed("it gives no logits"))?;
            let ([n, _, y, x], values) = value.into_shape_vec::<f32, 4>().map_err(failed)?;
            fits([n, y, x], [count, h, w])?;
            logits = Some(values);
        }
        if self.labels.is_some() {
            let value = given.next().ok_or_else(|| failed("it gives no labels"))?;
            let (shape, values) = value.into_shape_vec::<u8, 3>().map_err(failed)?;
            fits(shape, [count, h, w])?;
            labels = Some(values);
        }
        let answer = |index| {
            let logits = logits.as_deref().map(|all| part(all, index, count));
            let labels = match (&labels, &logits) {
                (Some(all), _) => part(all, index, count),
                (None, Some(logits)) => best(logits, pixels),
                (None, None) => Vec::new(),
            };
            Answer { logits, labels }
        };
        Ok((0..count).map(answer).collect())
    }
}

/// What belongs to one of `count` pictures.
fn part<T: Clone>(all: &[T], index: usize, count: usize) -> Vec<T> {
    let len = all.len() / count;
    all[index * len..][..len].to_vec()
}

fn fits(found: [usize; 3], expected: [usize; 3]) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(failed(format!("its result is for (N, H, W) = {found:?}, not {expected:?}")))
    }
}

fn failed(error: impl Display) -> Error {
    Error::Engine(error.to_string())
}
