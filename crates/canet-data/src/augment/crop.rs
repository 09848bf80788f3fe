//! Which part of the scaled frame is cut out.

use canet_core::{ClassId, ClassSet, Mask};
use serde::{Deserialize, Serialize};

use super::classes::ClassFlags;
use crate::Error;
use crate::draw::Draws;
use crate::resize::Window;

/// Which of several drawn positions a crop takes: the first whose part of the mask is varied enough
/// and, where `rare` names classes, holds one of them; the last if there is none. With one try, the
/// default, any position will do.
///
/// Without `rare` this is what mmsegmentation calls `cat_max_ratio`: roads fill many crops, and a
/// network learns little from the next one of nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CropChoice {
    /// Positions that are drawn at most.
    pub tries: usize,
    /// The largest class must have less than this share of the crop's valid pixels; 1 asks nothing.
    pub most: f64,
    /// Names of classes that a crop should hold one of.
    pub rare: Vec<String>,
    /// How many pixels of a class count as holding it.
    pub least: u64,
}

impl Default for CropChoice {
    fn default() -> Self {
        Self { tries: 1, most: 1.0, rare: Vec::new(), least: 1 }
    }
}

/// A [`CropChoice`] that knows its classes.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    tries: usize,
    most: f64,
    rare: Option<ClassFlags>,
    least: u64,
}

impl CropChoice {
    /// Positions that may be drawn for one crop.
    const MOST_TRIES: usize = 100;

    /// Refuses values without a meaning.
    pub(super) fn check(&self) -> Result<(), Error> {
        let fail = |option, reason| Err(Error::Options { option, reason });
        if !(1..=Self::MOST_TRIES).contains(&self.tries) {
            let reason = format!("is {}; 1 to {} is possible", self.tries, Self::MOST_TRIES);
            return fail("crop_choice.tries", reason);
        }
        if !(self.most > 0.0 && self.most <= 1.0) {
            let reason = format!("is {}; more than 0 and up to 1 is possible", self.most);
            return fail("crop_choice.most", reason);
        }
        if self.least == 0 {
            return fail("crop_choice.least", "is 0; a class that is there has a pixel".into());
        }
        if self.tries == 1 && (self.most < 1.0 || !self.rare.is_empty()) {
            let reason = "is 1, so there is nothing to choose from; set it to 10, say";
            return fail("crop_choice.tries", reason.into());
        }
        Ok(())
    }

    /// Looks its classes up.
    pub(super) fn resolve(&self, classes: &ClassSet) -> Result<Choice, Error> {
        let rare = (!self.rare.is_empty())
            .then(|| ClassFlags::named("crop_choice.rare", &self.rare, classes))
            .transpose()?;
        Ok(Choice { tries: self.tries, most: self.most, rare, least: self.least })
    }
}

impl Choice {
    /// A crop of a frame of a size. `mask` gives the ids of a part of the scaled frame.
    pub(super) fn draw(
        &self,
        size: (u32, u32),
        crop: (u32, u32),
        draws: &mut Draws,
        mask: impl Fn(Window) -> Mask,
    ) -> Crop {
        let mut chosen = Crop::draw(size, crop, draws);
        for _ in 1..self.tries {
            if self.likes(&mask(chosen.window())) {
                break;
            }
            chosen = Crop::draw(size, crop, draws);
        }
        chosen
    }

    fn likes(&self, mask: &Mask) -> bool {
        let counts = &mask.histogram()[..usize::from(ClassId::VOID.0)];
        let valid: u64 = counts.iter().sum();
        let largest = counts.iter().max().copied().unwrap_or(0);
        let holds_rare = |rare: &ClassFlags| {
            counts.iter().zip(0..).any(|(&count, id)| rare.has(id) && count >= self.least)
        };
        // So a crop of void alone is not varied, either.
        let varied = self.most >= 1.0 || (largest as f64) < self.most * valid as f64;
        varied && self.rare.as_ref().is_none_or(holds_rare)
    }
}

/// A crop's place, across and down.
pub(super) struct Crop {
    pub(super) across: Placement,
    pub(super) down: Placement,
}

impl Crop {
    fn draw(size: (u32, u32), crop: (u32, u32), draws: &mut Draws) -> Self {
        let across = Placement::draw(size.0, crop.0, draws);
        let down = Placement::draw(size.1, crop.1, draws);
        Self { across, down }
    }

    /// The part of the scaled frame that is used.
    pub(super) fn window(&self) -> Window {
        Window {
            x: self.across.from,
            y: self.down.from,
            width: self.across.length,
            height: self.down.length,
        }
    }
}

/// Where along one side the frame and the crop overlap.
pub(super) struct Placement {
    /// First pixel of the scaled frame that is used.
    pub(super) from: u32,
    /// Its place in the crop.
    pub(super) to: u32,
    pub(super) length: u32,
}

impl Placement {
    /// Any position of the crop within the frame, or of the frame within the crop, is as likely as another.
    fn draw(frame: u32, crop: u32, draws: &mut Draws) -> Self {
        let offset = draws.below(frame.abs_diff(crop) as usize + 1) as u32;
        if frame >= crop {
            Self { from: offset, to: 0, length: crop }
        } else {
            Self { from: 0, to: offset, length: frame }
        }
    }
}
