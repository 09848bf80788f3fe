//! Classes: their ids, names and colours.

use serde::{Deserialize, Serialize};

use crate::Error;

/// A class id as it stands in a mask: 0 to 254, or [`ClassId::VOID`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassId(pub u8);

impl ClassId {
    /// The ignore index: pixels that are neither trained on nor scored.
    pub const VOID: Self = Self(255);
}

/// An sRGB colour, written `#rrggbb` in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rgb(pub [u8; 3]);

impl From<Rgb> for String {
    fn from(Rgb([r, g, b]): Rgb) -> Self {
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl TryFrom<String> for Rgb {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a colour; write it as \"#rrggbb\"");
        let hex = text.strip_prefix('#').filter(|h| h.len() == 6);
        // The digits are looked at one by one: `from_str_radix` takes a sign, too.
        let hex = hex.filter(|h| h.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let value =
            hex.and_then(|h| u32::from_str_radix(h, 16).ok()).ok_or_else(wrong)?.to_be_bytes();
        Ok(Self([value[1], value[2], value[3]]))
    }
}

/// A class: what a pixel can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// The name shown to people.
    pub name: String,
    /// The colour in masks and pictures.
    pub color: Rgb,
}

/// The classes of a mask or a network, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSet {
    /// The name of the label map they come from, such as `idd-level3`.
    pub name: String,
    /// Class `i` has id `i`.
    pub classes: Vec<Class>,
}

impl ClassSet {
    /// How many classes there are; ids run from 0 to `len() - 1`.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is no class at all.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Whether `id` may stand in a mask of these classes: a class, or void.
    pub fn allows(&self, id: ClassId) -> bool {
        id == ClassId::VOID || usize::from(id.0) < self.len()
    }

    /// The colour of a class; void is black.
    pub fn color(&self, id: ClassId) -> Rgb {
        self.classes.get(usize::from(id.0)).map_or(Rgb([0; 3]), |class| class.color)
    }

    /// The name of a class; void is "void".
    pub fn class_name(&self, id: ClassId) -> &str {
        self.classes.get(usize::from(id.0)).map_or("void", |class| class.name.as_str())
    }

    /// Refuses an empty set, one of more than 255 classes, and two classes of one name.
    pub fn check(&self, origin: &str) -> Result<(), Error> {
        let fail = |reason| Err(Error::Spec { origin: origin.to_owned(), reason });
        if self.is_empty() || self.len() > usize::from(ClassId::VOID.0) {
            return fail(format!("has {} classes; 1 to 255 are possible", self.len()));
        }
        for (i, class) in self.classes.iter().enumerate() {
            if self.classes[..i].iter().any(|other| other.name == class.name) {
                return fail(format!("two classes are named {:?}", class.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_parse_and_print() {
        for (text, expected) in [
            ("#804080", Some([128, 64, 128])),
            ("#000000", Some([0, 0, 0])),
            ("804080", None),
            ("#80408", None),
            ("#80408g", None),
            ("#+80408", None),
            ("#éé00", None),
        ] {
            let parsed = Rgb::try_from(text.to_owned());
            assert_eq!(parsed.clone().ok().map(|c| c.0), expected, "{text}");
            if let Ok(color) = parsed {
                assert_eq!(String::from(color), text);
            }
        }
    }

    #[test]
    fn ids_outside_the_set_are_not_allowed() {
        let class = |name: &str| Class { name: name.into(), color: Rgb([1, 2, 3]) };
        let set = ClassSet { name: "two".into(), classes: vec![class("a"), class("b")] };
        assert!(set.allows(ClassId(1)) && set.allows(ClassId::VOID) && !set.allows(ClassId(2)));
        assert_eq!(set.class_name(ClassId::VOID), "void");
        let twice = ClassSet { name: "twice".into(), classes: vec![class("a"), class("a")] };
        assert!(twice.check("test").is_err());
    }
}
