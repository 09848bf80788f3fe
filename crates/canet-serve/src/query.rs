//! What is asked for: the query of `/v1/segment`, parsed once.

use canet_data::format::Format as Annotation;

use crate::Reason;
use crate::refusal::Refusal;

const FORMATS: &str = "json, mask, color, overlay, confidence, idd, labelme, cvat, coco";
const INCLUDES: &str = "rle, polygons, confidence";

/// What the answer is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Format {
    Json(Include),
    Mask,
    Color,
    /// With the opacity of the colours, 0 to 1.
    Overlay(f32),
    Confidence,
    Annotation(Annotation),
}

/// What JSON has besides the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Include {
    pub(crate) rle: bool,
    pub(crate) polygons: bool,
    pub(crate) confidence: bool,
}

impl Format {
    /// Parses a query. What has no meaning for the format must still be well formed.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Refusal> {
        let (mut format, mut opacity, mut include) = (None, None, None);
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let place = match &*key {
                "format" => &mut format,
                "opacity" => &mut opacity,
                "include" => &mut include,
                _ => return Err(bad("a key is not known; known are format, opacity and include")),
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(bad(format!("{key} is given twice")));
            }
        }
        let opacity = opacity.as_deref().map_or(Ok(0.5), parse_opacity)?;
        let include = include.as_deref().map_or(Ok(Include::default()), Include::parse)?;
        Ok(match format.as_deref().unwrap_or("json") {
            "json" => Self::Json(include),
            "mask" => Self::Mask,
            "color" => Self::Color,
            "overlay" => Self::Overlay(opacity),
            "confidence" => Self::Confidence,
            "idd" => Self::Annotation(Annotation::Idd),
            "labelme" => Self::Annotation(Annotation::LabelMe),
            "cvat" => Self::Annotation(Annotation::Cvat),
            "coco" => Self::Annotation(Annotation::Coco),
            _ => return Err(bad(format!("format is not known; known are {FORMATS}"))),
        })
    }

    /// Whether it tells how sure the network is.
    pub(crate) fn needs_confidence(self) -> bool {
        matches!(self, Self::Json(_) | Self::Confidence)
    }
}

impl Include {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let mut include = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            match word {
                "rle" => include.rle = true,
                "polygons" => include.polygons = true,
                "confidence" => include.confidence = true,
                _ => return Err(bad(format!("include takes {INCLUDES}, with commas between"))),
            }
        }
        Ok(include)
    }
}

fn parse_opacity(text: &str) -> Result<f32, Refusal> {
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| bad("opacity must be a number from 0 to 1"))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::BadQuery, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_understood() {
        let none = Include::default();
        let all = Include { rle: true, polygons: true, confidence: true };
        for (query, expected) in [
            ("", Format::Json(none)),
            ("format=json&include=", Format::Json(none)),
            ("include=rle", Format::Json(Include { rle: true, ..none })),
            ("include=confidence%2Cpolygons,rle", Format::Json(all)),
            ("format=mask", Format::Mask),
            ("format=color&opacity=1", Format::Color),
            ("format=overlay", Format::Overlay(0.5)),
            ("opacity=0.25&format=overlay", Format::Overlay(0.25)),
            ("format=confidence", Format::Confidence),
            ("format=idd", Format::Annotation(Annotation::Idd)),
            ("format=labelme", Format::Annotation(Annotation::LabelMe)),
            ("format=cvat", Format::Annotation(Annotation::Cvat)),
            ("format=coco", Format::Annotation(Annotation::Coco)),
        ] {
            assert_eq!(Format::parse(Some(query)).unwrap(), expected, "{query}");
        }
        assert_eq!(Format::parse(None).unwrap(), Format::Json(none));
    }

    #[test]
    fn what_is_not_meant_is_refused() {
        for (query, needle) in [
            ("format=", "known are json"),
            ("format=png", "known are json"),
            ("format=JSON", "known are json"),
            ("format=cityscapes", "known are json"),
            ("format=mask&format=json", "given twice"),
            ("opacity=2&format=overlay", "0 to 1"),
            ("opacity=NaN", "0 to 1"),
            ("opacity=-0.1", "0 to 1"),
            ("include=masks", "rle, polygons, confidence"),
            ("include=rle;polygons", "rle, polygons, confidence"),
            ("formt=mask", "a key is not known"),
            ("%ff=1", "a key is not known"),
            ("a", "a key is not known"),
        ] {
            let refusal = Format::parse(Some(query)).unwrap_err();
            assert_eq!(refusal.reason, Reason::BadQuery, "{query}");
            assert!(refusal.message.contains(needle), "{query}: {}", refusal.message);
        }
    }
}
