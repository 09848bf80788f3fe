//! A model card in markdown, with the YAML in front that model hubs read.

use std::fmt::Write;

use canet_model::ModelConfig;

use super::card::{Card, part};
use super::terminal::UNKNOWN;
use crate::escape::{markdown as safe, yaml};
use crate::units::{bytes, giga, thousands};

/// The card. It names no licence: the file does not tell.
pub(crate) fn card(card: &Card) -> String {
    let mut to = front_matter(card);
    let (count, total) = (card.classes.len(), thousands(card.parameters.total as u64));
    let (label_map, dataset) = (safe(&card.label_map), card.training.dataset.as_deref());
    let data = dataset.map(|name| format!(", trained on {}", safe(name))).unwrap_or_default();
    _ = write!(
        to,
        "# {}: {count} classes of {label_map}\n\nCANet ([arXiv 2002.12041](https://arxiv.org/abs/2002.12041)) \
         labels every pixel of a picture. This model has {total} parameters{data}.\n",
        name(card)
    );
    usage(&mut to);
    let rows = card.network().into_iter().map(|(name, value)| (name, Some(value)));
    table(&mut to, "Network", rows.chain(file(card)));
    parts(&mut to, card);
    classes(&mut to, card);
    let of = card.training.lines().into_iter();
    table(&mut to, "Training", of);
    table(&mut to, "Scores", card.training.scores.lines().into_iter());
    to.push_str("\nScores are those of the run's best validation, under the policy `strict`.\n");
    to
}

fn name(card: &Card) -> &'static str {
    match card.model {
        ModelConfig::Canet(_) => "CANet",
        ModelConfig::Assignment(_) => "CANet (assignment)",
    }
}

fn front_matter(card: &Card) -> String {
    let mut to = "---\npipeline_tag: image-segmentation\nlibrary_name: canet\ntags:\n- canet\n\
                  - semantic-segmentation\n- image-segmentation\n"
        .to_owned();
    let scores = &card.training.scores;
    let metrics = [("mean_iou", scores.miou), ("pixel_accuracy", scores.pixel_accuracy)];
    let metrics = metrics.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
    let metrics: Vec<_> = metrics.filter(|(_, value)| value.is_finite()).collect();
    if let (false, Some(dataset)) = (metrics.is_empty(), &card.training.dataset) {
        let (name, dataset) = (yaml(name(card)), yaml(dataset));
        _ = write!(
            to,
            "model-index:\n- name: {name}\n  results:\n  - task:\n      type: image-segmentation\n    \
             dataset:\n      type: {dataset}\n      name: {dataset}\n      split: val\n    metrics:\n"
        );
        for (kind, value) in metrics {
            _ = writeln!(to, "    - type: {kind}\n      value: {value:.4}");
        }
    }
    to + "---\n\n"
}

fn usage(to: &mut String) {
    to.push_str(
        "\n```sh\ncanet segment --model model.safetensors --out pictures FRAMES...\n```\n\n\
         ```rust\nlet segmenter = canet_model::Segmenter::load(\"model.safetensors\", Default::default())?;\n\
         let segmentation = segmenter.segment(&frame)?;\n```\n",
    );
}

fn file(card: &Card) -> Vec<(&'static str, Option<String>)> {
    let kinds = card.file.tensors.iter().map(|kind| format!("{} of {}", kind.count, kind.kind));
    let [h, w] = card.cost.size;
    let (macs, memory) = (giga(card.cost.macs), bytes(card.cost.memory as u64));
    let input = match card.input {
        Some([w, h]) => format!("frames are resized to {w}x{h}"),
        None => "frames at their own size".into(),
    };
    let [mean, std] = [card.normalisation.mean, card.normalisation.std];
    [
        ("input", input),
        ("normalisation", format!("mean {mean:?}, deviation {std:?}")),
        ("cost at", format!("{w}x{h}: {macs} G multiply-adds, {memory} beside the weights")),
        ("file", bytes(card.file.bytes as u64)),
        ("tensors", kinds.collect::<Vec<_>>().join(", ")),
        ("weights", card.weights.clone()),
    ]
    .map(|(name, value)| (name, Some(value)))
    .into()
}

fn table(to: &mut String, title: &str, rows: impl Iterator<Item = (&'static str, Option<String>)>) {
    _ = write!(to, "\n## {title}\n\n| | |\n|---|---|\n");
    for (name, value) in rows {
        let value = value.map_or(UNKNOWN.into(), |value| safe(&value));
        _ = writeln!(to, "| {name} | {value} |");
    }
}

fn parts(to: &mut String, card: &Card) {
    to.push_str("\n## Parameters\n\n| part | parameters |\n|---|---:|\n");
    for each in &card.parameters.parts {
        _ = writeln!(to, "| {} | {} |", part(&each.name), thousands(each.parameters as u64));
    }
    _ = writeln!(to, "| all | {} |", thousands(card.parameters.total as u64));
}

fn classes(to: &mut String, card: &Card) {
    to.push_str("\n## Classes\n\n| id | class | colour | IoU |\n|---:|---|---|---:|\n");
    for (id, class) in card.classes.iter().enumerate() {
        let iou = card.training.scores.class(id);
        let iou = iou.map_or(UNKNOWN.into(), |iou| format!("{iou:.4}"));
        _ = writeln!(to, "| {id} | {} | `{}` | {iou} |", safe(&class.name), class.color);
    }
}
