//! What a client gets for its picture, in each of the formats.

mod json;

use std::io::Cursor;
use std::time::Duration;

use canet_data::format::{self, Note};
use canet_data::vector::export::Export;
use canet_model::Segmentation;
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::json;

use crate::Reason;
use crate::model::Model;
use crate::picture;
use crate::query::Format;
use crate::refusal::Refusal;

/// An answer's bytes.
pub(crate) struct Answer {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// How long what came before took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) decode: Duration,
    pub(crate) queue: Duration,
    pub(crate) network: Duration,
}

/// Encodes what became of a frame.
pub(crate) fn encode(
    format: Format,
    frame: &RgbImage,
    found: &Segmentation,
    kind: ImageFormat,
    model: &Model,
    times: Times,
) -> Result<Answer, Refusal> {
    let png = |bytes| Answer { content_type: "image/png", bytes };
    Ok(match format {
        Format::Json(include) => {
            let bytes = json::encode(include, found, times)?;
            Answer { content_type: "application/json", bytes }
        }
        Format::Mask => png(found.mask.to_png(&found.classes)),
        Format::Color => png(png_of(found.color_image())?),
        Format::Overlay(opacity) => png(png_of(found.overlay(frame, opacity).map_err(bug)?)?),
        Format::Confidence => png(confidence(found)?),
        Format::Annotation(format) => annotation(format, found, kind, model)?,
    })
}

/// Exact polygons, in the form of annotation tools.
fn annotation(
    format: format::Format,
    found: &Segmentation,
    kind: ImageFormat,
    model: &Model,
) -> Result<Answer, Refusal> {
    let export = Export::exact(&model.labels, format);
    let painting = export.polygons(&found.mask).map_err(bug)?.painting;
    let mut note = Note::new();
    note.insert("rule".into(), json!(export.options.rule.name()));
    note.insert("label_map".into(), json!(found.classes.name));
    note.insert("model".into(), json!(model.about.name));
    let name = picture::name(kind);
    let bytes = format::write(format, &painting, &model.labels, name, Some(&note));
    // The map of the model's classes may lack a label; that is no fault of the picture.
    let bytes = bytes.map_err(|error| Refusal::new(Reason::BadQuery, error.to_string()))?;
    let content_type = match format {
        format::Format::Cvat => "application/xml",
        _ => "application/json",
    };
    Ok(Answer { content_type, bytes })
}

/// How sure each pixel is, as a grey picture.
fn confidence(found: &Segmentation) -> Result<Vec<u8>, Refusal> {
    let map = found.confidence.as_ref().ok_or_else(Refusal::internal)?;
    png_of(map.to_gray())
}

/// A picture as a PNG.
pub(crate) fn png_of(picture: impl Into<DynamicImage>) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, ImageFormat::Png).map_err(bug)?;
    Ok(bytes.into_inner())
}

fn bug(error: impl std::fmt::Display) -> Refusal {
    tracing::error!("an answer could not be written: {error}");
    Refusal::internal()
}
