//! A model card for a terminal.

use std::fmt::Write;

use super::card::{Card, part};
use crate::escape::terminal as safe;
use crate::units::{bytes, giga, thousands};

/// What a missing value is shown as.
pub(crate) const UNKNOWN: &str = "not recorded";

/// The card as text, with coloured swatches or without.
pub(crate) fn card(card: &Card, colours: bool) -> String {
    let mut text = Text { to: String::new(), colours };
    text.title("Model");
    text.line("file", &format!("{} ({})", safe(&card.file.path), bytes(card.file.bytes as u64)));
    for kind in &card.file.tensors {
        text.line(
            "tensors",
            &format!("{} of {}, {}", kind.count, kind.kind, bytes(kind.bytes as u64)),
        );
    }
    if card.file.training_tensors > 0 {
        text.line("", &format!("{} more to resume the training", card.file.training_tensors));
    }
    text.line("weights", &card.weights);
    for (name, value) in card.network() {
        text.line(name, &value);
    }
    parameters(&mut text, card);
    cost(&mut text, card);
    classes(&mut text, card);
    let or_unknown = |value: Option<String>| value.map_or(UNKNOWN.into(), |value| safe(&value));
    text.title("Training");
    for (name, value) in card.training.lines() {
        text.line(name, &or_unknown(value));
    }
    text.title("Scores (best validation of the run, policy strict)");
    for (name, value) in card.training.scores.lines() {
        text.line(name, &or_unknown(value));
    }
    text.to
}

fn parameters(text: &mut Text, card: &Card) {
    let parameters = &card.parameters;
    text.title("Parameters");
    for each in &parameters.parts {
        let share = 100.0 * each.parameters as f64 / parameters.total.max(1) as f64;
        let count = thousands(each.parameters as u64);
        text.line(part(&each.name), &format!("{count:>12}  {share:5.1} %"));
    }
    text.line("all", &format!("{:>12}", thousands(parameters.total as u64)));
    let statistics = thousands(parameters.statistics as u64);
    text.line("besides", &format!("{statistics:>12}  running statistics"));
}

fn cost(text: &mut Text, card: &Card) {
    text.title("Input and cost");
    let input = match card.input {
        Some([w, h]) => format!("frames are resized to {w}x{h} (width x height)"),
        None => "frames at their own size".into(),
    };
    text.line("input", &input);
    let [mean, std] = [card.normalisation.mean, card.normalisation.std];
    text.line("normalisation", &format!("mean {mean:?}, deviation {std:?} (RGB, of 0 to 1)"));
    let [h, w] = card.cost.size;
    let (macs, memory) = (giga(card.cost.macs), bytes(card.cost.memory as u64));
    text.line("a picture", &format!("of {w}x{h}: {macs} G multiply-adds, {memory} to work in"));
}

fn classes(text: &mut Text, card: &Card) {
    text.title(&format!("Classes ({} of {})", card.classes.len(), safe(&card.label_map)));
    let scores = &card.training.scores;
    for (id, class) in card.classes.iter().enumerate() {
        let swatch = text.swatch(class.color.0);
        let (name, color) = (safe(&class.name), class.color);
        let line = match scores.class(id) {
            Some(iou) => format!("{name:<24}  IoU {iou:.4}"),
            None => name,
        };
        _ = writeln!(text.to, "  {id:>3}  {swatch}{color}  {line}");
    }
}

struct Text {
    to: String,
    colours: bool,
}

impl Text {
    fn title(&mut self, title: &str) {
        let gap = if self.to.is_empty() { "" } else { "\n" };
        let [on, off] = if self.colours { ["\x1b[1m", "\x1b[0m"] } else { [""; 2] };
        _ = writeln!(self.to, "{gap}{on}{title}{off}");
    }

    fn line(&mut self, name: &str, value: &str) {
        _ = writeln!(self.to, "  {name:<26}  {value}");
    }

    fn swatch(&self, [r, g, b]: [u8; 3]) -> String {
        if self.colours { format!("\x1b[48;2;{r};{g};{b}m    \x1b[0m  ") } else { String::new() }
    }
}
