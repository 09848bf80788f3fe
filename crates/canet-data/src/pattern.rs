//! Path patterns: how a data set's folders and file names say split, drive and frame.
//!
//! `leftImg8bit/{split}/{drive}/{frame}_leftImg8bit.{image}` matches
//! `leftImg8bit/val/12/0042_leftImg8bit.png` as split `val`, drive `12`, frame `0042`. `{image}`
//! stands for the extensions of images. A placeholder takes as little as it can, so that in
//! `{drive}_{frame}` the drive ends at the first underscore.

use serde::Deserialize;

/// The extensions that `{image}` stands for, in any case.
pub(crate) const IMAGE_EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

const IMAGE_PART: &str = ".{image}";

/// A pattern of relative paths.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    text: String,
    folders: Vec<Vec<Part>>,
    file: Vec<Part>,
    any_image: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Split,
    Drive,
    Frame,
}

/// What a path says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures<'a> {
    /// The folder of the split, if the pattern has splits.
    pub split: Option<&'a str>,
    /// The drive, if the pattern has drives.
    pub drive: Option<&'a str>,
    /// The frame, empty if the pattern has none.
    pub frame: &'a str,
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut folders: Vec<_> = text
            .split('/')
            .map(parse_component)
            .collect::<Result<_, _>>()
            .map_err(|e| format!("pattern {text:?}: {e}"))?;
        let any_image = text.ends_with(IMAGE_PART);
        let file = folders.pop().unwrap_or_default();
        let pattern = Self { text, folders, file, any_image };
        let places =
            [(Place::Drive, "{drive}"), (Place::Frame, "{frame}"), (Place::Split, "{split}")];
        for (place, name) in places {
            if pattern.count(place) > 1 {
                return Err(format!("pattern {:?} has {name} twice", pattern.text));
            }
        }
        Ok(pattern)
    }
}

impl Pattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether its paths say the split.
    pub fn has_split(&self) -> bool {
        self.count(Place::Split) == 1
    }

    /// Whether its paths say the frame, as all do but those of files for many frames.
    pub fn has_frame(&self) -> bool {
        self.count(Place::Frame) == 1
    }

    /// Whether its paths say the drive.
    pub fn has_drive(&self) -> bool {
        self.count(Place::Drive) == 1
    }

    /// Matches a path, given by its parts, that lies up to `depth` folders below the root. (Archives
    /// unpack into a folder of their own, sometimes into two.)
    pub fn matches<'a>(&self, path: &[&'a str], depth: usize) -> Option<Captures<'a>> {
        let above = path.len().checked_sub(self.folders.len() + 1).filter(|&n| n <= depth)?;
        let (name, folders) = path[above..].split_last()?;
        let mut captures = Captures::default();
        for (parts, text) in self.folders.iter().zip(folders) {
            match_component(parts, text, &mut captures)?;
        }
        let name = if self.any_image {
            let (stem, extension) = name.rsplit_once('.')?;
            IMAGE_EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e)).then_some(stem)?
        } else {
            name
        };
        match_component(&self.file, name, &mut captures)?;
        Some(captures)
    }

    /// How many characters it says itself; of two patterns that fit a path, the one that says more
    /// is meant.
    pub(crate) fn literals(&self) -> usize {
        let length = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Place(_) => 0,
        };
        self.folders.iter().flatten().chain(&self.file).map(length).sum()
    }

    fn count(&self, place: Place) -> usize {
        let parts = self.folders.iter().flatten().chain(&self.file);
        parts.filter(|part| **part == Part::Place(place)).count()
    }
}

/// Cuts `{drive}_{frame}` into its parts; the image extension is dealt with by the pattern.
fn parse_component(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text.strip_suffix(IMAGE_PART).unwrap_or(text);
    if rest.is_empty() || rest == "." || rest == ".." {
        return Err("has an empty or relative part".into());
    }
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("has an open {")?;
        let place = match name {
            "split" => Place::Split,
            "drive" => Place::Drive,
            "frame" => Place::Frame,
            _ => {
                return Err(format!(
                    "has {{{name}}}; {{split}}, {{drive}}, {{frame}} and a last .{{image}} are known"
                ));
            }
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.into()));
        } else if matches!(parts.last(), Some(Part::Place(_))) {
            return Err("has two placeholders with nothing between them".into());
        }
        parts.push(Part::Place(place));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.into()));
    }
    Ok(parts)
}

fn match_component<'a>(parts: &[Part], text: &'a str, captures: &mut Captures<'a>) -> Option<()> {
    let mut rest = text;
    for (at, part) in parts.iter().enumerate() {
        let place = match part {
            Part::Text(literal) => {
                rest = rest.strip_prefix(literal.as_str())?;
                continue;
            }
            Part::Place(place) => *place,
        };
        let end = match &parts[at + 1..] {
            [Part::Text(last)] => rest.strip_suffix(last.as_str())?.len(),
            [Part::Text(next), ..] => rest.find(next.as_str())?,
            _ => rest.len(),
        };
        let (taken, after) = rest.split_at(end);
        rest = after;
        if taken.is_empty() {
            return None;
        }
        match place {
            Place::Split => captures.split = Some(taken),
            Place::Drive => captures.drive = Some(taken),
            Place::Frame => captures.frame = taken,
        }
    }
    rest.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_split_drive_and_frame() {
        let idd = "leftImg8bit/{split}/{drive}/{frame}_leftImg8bit.{image}";
        let camvid = "images/{split}/{drive}_{frame}.{image}";
        let masks = "masks/{drive}/{frame}.json";
        let voc = "JPEGImages/{frame}.{image}";
        let folders = "{split}_labels/{frame}_L.png";
        for (pattern, path, expected) in [
            (idd, "leftImg8bit/val/12/f_1_leftImg8bit.png", Some((Some("val"), Some("12"), "f_1"))),
            (idd, "a/b/leftImg8bit/val/12/f_leftImg8bit.JPG", Some((Some("val"), Some("12"), "f"))),
            (idd, "a/b/c/leftImg8bit/val/12/f_leftImg8bit.png", None),
            (idd, "leftImg8bit/val/12/f_leftImg8bit.gif", None),
            (idd, "leftImg8bit/val/12/_leftImg8bit.png", None),
            (idd, "leftImg8bit/val/12/f.png", None),
            (idd, "leftImg8bit/12/f_leftImg8bit.png", None),
            (
                camvid,
                "camvid/images/train/0001TP_a_006690.png",
                Some((Some("train"), Some("0001TP"), "a_006690")),
            ),
            (camvid, "images/train/0001TP.png", None),
            (masks, "data/masks/3/0001.json", Some((None, Some("3"), "0001"))),
            (masks, "data/masks/3/0001.JSON", None),
            (voc, "VOC2012/JPEGImages/2007_000032.jpg", Some((None, None, "2007_000032"))),
            (folders, "val_labels/x_L.png", Some((Some("val"), None, "x"))),
            (folders, "val/x_L.png", None),
        ] {
            let pattern = Pattern::try_from(pattern.to_owned()).unwrap();
            let parts: Vec<_> = path.split('/').collect();
            let got = pattern.matches(&parts, 2).map(|c| (c.split, c.drive, c.frame));
            assert_eq!(got, expected, "{path}");
        }
    }

    #[test]
    fn faulty_patterns_are_refused() {
        for (pattern, needle) in [
            ("{frame}/{frame}.png", "{frame} twice"),
            ("{drive}/{drive}/{frame}.png", "{drive} twice"),
            ("{split}/{split}/{drive}/{frame}.png", "{split} twice"),
            ("{drive}/{frame", "open {"),
            ("{drive}/{name}.png", "{name}"),
            ("{drive}{frame}.png", "nothing between"),
            ("../{drive}/{frame}.png", "relative part"),
            ("/{drive}/{frame}.png", "relative part"),
            ("{image}/{drive}/{frame}.png", "{image}"),
        ] {
            let error = Pattern::try_from(pattern.to_owned()).unwrap_err();
            assert!(error.contains(needle), "{pattern}: {error}");
        }
    }
}
