//! What a network's context does on one picture: the flows, what each is worth, the gates.

use candle_core::{DType, Tensor};
use canet_core::{ClassId, Mask};
use canet_ops::Value;

use crate::segmentation::Confidence;
use crate::segmenter::best_classes;
use crate::stages::Stages;
use crate::test_time::softmax;
use crate::{ModelConfig, Pass, Result};

/// A look into one prediction; [`crate::Network::explain`] takes it. Maps are `(C, h, w)`, on the
/// network's device.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The flows of the chain, the global one first.
    pub flows: Vec<Flow>,
    /// Their sum, before the feature selection.
    pub sum: Tensor,
    /// The feature selection's factor for each channel, 0 to 1; none if the network has no gate.
    pub gates: Option<Vec<f32>>,
    /// The context: what the feature selection makes of the sum.
    pub context: Tensor,
    /// The fine features that the context is joined with: what the decoder keeps of C1, or what the
    /// assignment's adapted global convolution makes of it.
    pub detail: Tensor,
    /// What the network predicts from the detail alone, with a context of zeros.
    pub without_context: Mask,
    /// What [`crate::Network::forward`] gives: `(1, classes, H, W)`.
    pub logits: Tensor,
}

/// One flow of an [`Explanation`].
#[derive(Debug, Clone)]
pub struct Flow {
    /// How much coarser than C4 it looks; none for the global flow, to which the picture is a point.
    pub rate: Option<usize>,
    /// What it adds to the sum, `(C, h, w)`.
    pub response: Tensor,
    /// Its share of the sum `S`: `<flow, S> / <S, S>`. The shares of all flows add up to 1; one that
    /// works against the others has a negative share. NaN if the sum is zero everywhere.
    pub share: f64,
    /// What the network predicts if this flow is left out of the sum (later flows of the chain still
    /// see it): one class a pixel of the picture.
    pub without: Mask,
}

/// The two likeliest classes of each pixel; what [`Explanation::ranking`] gives.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// The likeliest, the first of equals: what the network predicts.
    pub best: Mask,
    /// Its probability.
    pub confidence: Confidence,
    /// The next; void if there is only one class.
    pub second: Mask,
}

impl Explanation {
    /// Looks at `x`, `(1, 3, H, W)`.
    pub(crate) fn of<N: Stages>(network: &N, config: &ModelConfig, x: &Value) -> Result<Self> {
        let pass = Pass::Eval;
        let features = network.features(x, pass)?;
        let (mut responses, mut gates, mut detail) = (Vec::new(), None, x.clone());
        let sum = network.chain(&features, pass, &mut |flow| responses.push(flow.clone()))?;
        let context = network.select(&sum, pass, &mut |g| gates = Some(g.tensor().clone()))?;
        let logits = network.decode(&features, &context, pass, &mut |x| detail = x.clone())?;
        let decoded = |context: &Value| -> Result<Mask> {
            mask(network.decode(&features, context, pass, &mut |_| {})?.tensor())
        };
        let whole = numbers(sum.tensor())?;
        let mut flows = Vec::new();
        for (at, response) in responses.iter().enumerate() {
            let response = response.tensor();
            // Not the sum less the flow: what is left of a sum of zeros should be zero.
            let others = responses[..at].iter().chain(&responses[at + 1..]);
            let nothing = sum.tensor().zeros_like();
            let others = others.fold(nothing, |sum, other| sum?.add(other.tensor()))?;
            flows.push(Flow {
                rate: at.checked_sub(1).and_then(|flow| config.rates().get(flow).copied()),
                share: product(&numbers(response)?, &whole) / product(&whole, &whole),
                response: response.squeeze(0)?,
                without: decoded(&network.select(&Value::from(others), pass, &mut |_| {})?)?,
            });
        }
        Ok(Self {
            flows,
            sum: sum.tensor().squeeze(0)?,
            gates: gates.map(|gates| gates.flatten_all()?.to_vec1()).transpose()?,
            without_context: decoded(&Value::from(context.tensor().zeros_like()?))?,
            context: context.tensor().squeeze(0)?,
            detail: detail.tensor().squeeze(0)?,
            logits: logits.into_tensor(),
        })
    }

    /// What the network predicts, how sure it is, and what it would have said next.
    pub fn ranking(&self) -> Result<Ranking> {
        let best = mask(&self.logits)?;
        let (width, height, pixels) = (best.width(), best.height(), best.ids().len());
        let mut scores = numbers(&self.logits)?;
        softmax(&mut scores, pixels);
        let (mut sure, mut next) = (vec![0.0; pixels], vec![-1.0; pixels]);
        let mut second = vec![ClassId::VOID.0; pixels];
        for (scores, id) in scores.chunks_exact(pixels).zip(0..) {
            for (pixel, &score) in scores.iter().enumerate() {
                if best.ids()[pixel] == id {
                    sure[pixel] = score;
                } else if score > next[pixel] {
                    (next[pixel], second[pixel]) = (score, id);
                }
            }
        }
        let confidence = Confidence::of(&best, sure);
        Ok(Ranking { best, confidence, second: Mask::from_ids(width, height, second) })
    }
}

/// The class of each pixel of logits `(1, classes, H, W)`.
fn mask(logits: &Tensor) -> Result<Mask> {
    let (_, _, h, w) = logits.dims4()?;
    let mut ids = vec![0; h * w];
    best_classes(&numbers(logits)?, &mut ids)?;
    Ok(Mask::from_ids(w as u32, h as u32, ids))
}

fn numbers(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
