//! "CVAT for images 1.1", one XML file for many frames.
//!
//! CVAT draws by `z_order`, so painter's order is written there. Readers go by tag, so
//! the note of a frame is a comment before its image.

use std::fmt::Write as _;

use canet_core::{ClassId, LabelMap};

use super::{Note, Outline};
use crate::painting::Painting;

/// A file that is being gathered.
pub(super) struct Writer {
    labels: String,
    images: String,
    count: usize,
}

impl Writer {
    pub(super) fn new(labels: &LabelMap) -> Self {
        let classes = labels.classes();
        let mut text = String::new();
        for id in (0..=ClassId::VOID.0).map(ClassId).filter(|id| classes.allows(*id)) {
            let Some(label) = labels.label_of_class(id) else { continue };
            let (name, color) = (escaped(label), String::from(classes.color(id)));
            push(&mut text, format_args!("        <label>\n          <name>{name}</name>\n"));
            push(&mut text, format_args!("          <color>{color}</color>\n"));
            push(&mut text, format_args!("          <type>polygon</type>\n"));
            push(
                &mut text,
                format_args!("          <attributes></attributes>\n        </label>\n"),
            );
        }
        Self { labels: text, images: String::new(), count: 0 }
    }

    pub(super) fn add(
        &mut self,
        painting: &Painting,
        outlines: &[Outline],
        frame: &str,
        note: Option<&Note>,
    ) {
        let text = &mut self.images;
        if let Some(note) = note {
            push(text, format_args!("  <!-- canet: {} -->\n", in_comment(note)));
        }
        let (name, id) = (escaped(frame), self.count);
        let (width, height) = (painting.width, painting.height);
        let size = format_args!("width=\"{width}\" height=\"{height}\"");
        push(text, format_args!("  <image id=\"{id}\" name=\"{name}\" {size}>\n"));
        for (order, outline) in outlines.iter().enumerate() {
            let label = escaped(outline.label);
            push(text, format_args!("    <polygon label=\"{label}\" source=\"manual\" "));
            push(text, format_args!("occluded=\"0\" points=\""));
            for (index, point) in outline.points.iter().enumerate() {
                let between = if index == 0 { "" } else { ";" };
                push(text, format_args!("{between}{},{}", point.x, point.y));
            }
            push(text, format_args!("\" z_order=\"{order}\">\n    </polygon>\n"));
        }
        push(text, format_args!("  </image>\n"));
        self.count += 1;
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let Self { labels, images, count } = self;
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n");
        text.push_str("  <version>1.1</version>\n  <meta>\n    <task>\n");
        push(&mut text, format_args!("      <size>{count}</size>\n"));
        text.push_str("      <mode>annotation</mode>\n      <labels>\n");
        text.push_str(&labels);
        text.push_str("      </labels>\n    </task>\n  </meta>\n");
        text.push_str(&images);
        text.push_str("</annotations>\n");
        text.into_bytes()
    }
}

fn push(text: &mut String, what: std::fmt::Arguments) {
    text.write_fmt(what).expect("text can be written to memory");
}

/// Text that stands between tags or in an attribute. White space but for the blank is written as a
/// number, or a reader would take it for a blank; other control characters are in no XML file, even
/// as numbers, and become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

/// JSON as a comment holds it: two dashes would end the comment, and JSON can write one as a number.
fn in_comment(note: &Note) -> String {
    let json = serde_json::Value::Object(note.clone()).to_string();
    json.replace("--", "-\\u002d")
}
