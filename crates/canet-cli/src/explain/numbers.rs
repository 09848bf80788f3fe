//! The numbers of an explanation: what the sheet's notes and `--json` say.

use std::collections::BTreeMap;

use anyhow::Result;
use canet_core::{ClassId, ClassSet, Mask};
use canet_model::picture::HeatMap;
use canet_model::{CheckpointMeta, Explanation, Flow, ModelConfig, Ranking, Tensor};
use serde::Serialize;

/// Below this probability a pixel's class is not sure.
pub(crate) const SURE: f32 = 0.6;
/// Gates below the first are shut, above the second open.
const GATES: [f32; 2] = [0.25, 0.75];

/// All of them.
#[derive(Serialize)]
pub(crate) struct Numbers {
    /// `canet` or `canet-assignment`.
    pub(crate) network: &'static str,
    /// Height and width of the picture as the network sees it.
    pub(crate) size: [u32; 2],
    /// The share of the picture that each class has, the largest first.
    pub(crate) classes: Vec<Share>,
    pub(crate) confidence: Sure,
    pub(crate) flows: Vec<OneFlow>,
    pub(crate) sum: Response,
    pub(crate) context: Response,
    /// The share of the pixels whose class is another without any context.
    pub(crate) changed_without_context: f64,
    /// Which, the most frequent first.
    pub(crate) changes_without_context: Vec<Change>,
    pub(crate) detail: Response,
    pub(crate) gates: Option<Gates>,
}

/// A class and its share of the pixels.
#[derive(Serialize)]
pub(crate) struct Share {
    pub(crate) class: String,
    pub(crate) share: f64,
}

/// How sure the network is.
#[derive(Serialize)]
pub(crate) struct Sure {
    /// The mean probability of the pixels' classes.
    pub(crate) mean: f64,
    /// The probability below which a pixel counts as not sure.
    pub(crate) threshold: f32,
    /// The share of the pixels that are not sure.
    pub(crate) unsure: f64,
    /// What they would have been next, the most frequent first; shares of all pixels.
    pub(crate) doubts: Vec<Change>,
}

/// Pixels that are one class and would be another.
#[derive(Serialize)]
pub(crate) struct Change {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) share: f64,
}

/// What a map of features shows: the mean of the channels' absolute values, over the pixels.
#[derive(Serialize)]
pub(crate) struct Response {
    /// Channels, height and width.
    pub(crate) shape: [usize; 3],
    pub(crate) min: f32,
    /// All but a hundredth of the pixels at either end lie between these; the sheet's colours, too.
    pub(crate) most: [f32; 2],
    pub(crate) mean: f64,
    pub(crate) max: f32,
}

/// A flow of the chain.
#[derive(Serialize)]
pub(crate) struct OneFlow {
    /// `G`, `F1`, `F2`, ...
    pub(crate) name: String,
    /// By what it pools C4; none for the global flow.
    pub(crate) rate: Option<usize>,
    /// Height and width of the grid on which it looks.
    pub(crate) grid: [usize; 2],
    pub(crate) response: Response,
    /// `<flow, sum> / <sum, sum>`; all flows' shares add up to 1.
    pub(crate) share: f64,
    /// The share of the pixels whose class is another without this flow.
    pub(crate) changed: f64,
    /// Which, the most frequent first.
    pub(crate) changes: Vec<Change>,
}

/// The feature selection.
#[derive(Serialize)]
pub(crate) struct Gates {
    pub(crate) min: f32,
    pub(crate) mean: f64,
    pub(crate) max: f32,
    /// The share of the gates below 0.25.
    pub(crate) shut: f64,
    /// The share of the gates above 0.75.
    pub(crate) open: f64,
    /// By channel.
    pub(crate) values: Vec<f32>,
}

impl Numbers {
    pub(crate) fn of(
        explanation: &Explanation,
        ranking: &Ranking,
        meta: &CheckpointMeta,
    ) -> Result<Self> {
        let (best, classes) = (&ranking.best, &meta.classes);
        let flows = explanation.flows.iter().enumerate();
        let flows = flows.map(|(at, flow)| OneFlow::of(at, flow, best, classes));
        let without = changes(best, &explanation.without_context, classes);
        Ok(Self {
            network: match meta.model {
                ModelConfig::Canet(_) => "canet",
                ModelConfig::Assignment(_) => "canet-assignment",
            },
            size: [best.height(), best.width()],
            classes: shares(best, classes),
            confidence: Sure::of(ranking, classes),
            flows: flows.collect::<Result<_>>()?,
            sum: Response::of(&explanation.sum)?,
            context: Response::of(&explanation.context)?,
            changed_without_context: share(&without),
            changes_without_context: without,
            detail: Response::of(&explanation.detail)?,
            gates: explanation.gates.clone().map(Gates::of),
        })
    }
}

fn shares(mask: &Mask, classes: &ClassSet) -> Vec<Share> {
    let (counts, all) = (mask.histogram(), mask.ids().len() as f64);
    let share = |(id, class): (usize, &canet_core::Class)| Share {
        class: class.name.clone(),
        share: counts[id] as f64 / all,
    };
    let mut shares: Vec<_> = classes.classes.iter().enumerate().map(share).collect();
    shares.retain(|class| class.share > 0.0);
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    shares
}

/// Pixels that have another class in `to`, by both classes, the most frequent first.
fn changes(from: &Mask, to: &Mask, classes: &ClassSet) -> Vec<Change> {
    pairs(from, to, |pixel| from.ids()[pixel] != to.ids()[pixel], classes)
}

/// The share of all pixels that some changes are.
fn share(changes: &[Change]) -> f64 {
    changes.iter().map(|change| change.share).sum()
}

/// The pixels that `count`, by their classes in both masks, the most frequent first.
fn pairs(from: &Mask, to: &Mask, count: impl Fn(usize) -> bool, classes: &ClassSet) -> Vec<Change> {
    let mut counts = BTreeMap::<[u8; 2], usize>::new();
    for (pixel, (&from, &to)) in from.ids().iter().zip(to.ids()).enumerate() {
        if count(pixel) {
            *counts.entry([from, to]).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let (all, name) = (from.ids().len() as f64, |id| classes.class_name(ClassId(id)).to_owned());
    let change = |([from, to], count): ([u8; 2], usize)| Change {
        from: name(from),
        to: name(to),
        share: count as f64 / all,
    };
    counts.into_iter().map(change).collect()
}

impl Sure {
    fn of(ranking: &Ranking, classes: &ClassSet) -> Self {
        let sure = ranking.confidence.values();
        let unsure = sure.iter().filter(|&&p| p < SURE).count();
        Self {
            mean: ranking.confidence.mean(),
            threshold: SURE,
            unsure: unsure as f64 / sure.len() as f64,
            doubts: pairs(&ranking.best, &ranking.second, |pixel| sure[pixel] < SURE, classes),
        }
    }
}

impl Response {
    fn of(features: &Tensor) -> Result<Self> {
        let map = HeatMap::of_features(features)?;
        let ([min, max], (c, h, w)) = (map.range(), features.dims3()?);
        Ok(Self { shape: [c, h, w], min, most: map.most(), mean: map.mean(), max })
    }
}

impl OneFlow {
    fn of(at: usize, flow: &Flow, best: &Mask, classes: &ClassSet) -> Result<Self> {
        let response = Response::of(&flow.response)?;
        let [_, h, w] = response.shape;
        let changes = changes(best, &flow.without, classes);
        Ok(Self {
            name: if at == 0 { "G".into() } else { format!("F{at}") },
            rate: flow.rate,
            grid: flow.rate.map_or([1, 1], |rate| [h, w].map(|side| (side / rate).max(1))),
            response,
            share: flow.share,
            changed: share(&changes),
            changes,
        })
    }
}

impl Gates {
    fn of(values: Vec<f32>) -> Self {
        let count = values.len().max(1) as f64;
        let share = |of: &dyn Fn(f32) -> bool| {
            values.iter().filter(|&&gate| of(gate)).count() as f64 / count
        };
        let [shut, open] = GATES;
        Self {
            min: values.iter().copied().fold(f32::INFINITY, f32::min),
            mean: values.iter().map(|&gate| f64::from(gate)).sum::<f64>() / count,
            max: values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            shut: share(&|gate| gate < shut),
            open: share(&|gate| gate > open),
            values,
        }
    }
}

#[cfg(test)]
mod tests {
    use canet_core::{Class, Rgb};

    use super::*;

    #[test]
    fn changes_are_counted_by_pairs() {
        let class = |name: &str| Class { name: name.into(), color: Rgb([1, 2, 3]) };
        let classes = ClassSet { name: "t".into(), classes: ["a", "b", "c"].map(class).into() };
        let mask = |ids: &[u8]| Mask::from_ids(4, 1, ids.to_vec());
        let (from, to) = (mask(&[0, 1, 1, 2]), mask(&[0, 0, 0, 1]));
        let found = changes(&from, &to, &classes);
        let told: Vec<_> = found.iter().map(|c| (&*c.from, &*c.to, c.share)).collect();
        assert_eq!(told, [("b", "a", 0.5), ("c", "b", 0.25)]);
        let shares = shares(&from, &classes);
        assert_eq!(shares.iter().map(|s| &*s.class).collect::<Vec<_>>(), ["b", "a", "c"]);
    }

    #[test]
    fn gates_are_shut_or_open() {
        let gates = Gates::of(vec![0.1, 0.5, 0.9, 0.8]);
        assert_eq!((gates.shut, gates.open), (0.25, 0.5));
        assert_eq!((gates.min, gates.max), (0.1, 0.9));
    }
}
