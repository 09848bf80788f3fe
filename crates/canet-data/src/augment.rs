//! Augmentation: scale, crop, copies of what is rare, flip, colour and blur, on whole pixels.
//!
//! Each function here is pure, and each draw is a function of (seed, epoch, sample, purpose), so a
//! sample is augmented the same way by any thread and after any resume, and switching one step off
//! does not change the draws of the others. Only copying rare classes looks at other frames.
//! Pictures are antialiased, masks take the nearest pixel: no step makes up a class id; the only one
//! that may appear is void, as padding.

use canet_core::{ClassId, ClassSet, MAX_SIDE, Mask};
use image::{Rgb, RgbImage, imageops};
use serde::{Deserialize, Serialize};

pub use self::blur::Blur;
pub use self::crop::CropChoice;
pub use self::paste::{CopyRare, Donors};
pub use self::photometric::Jitter;
use crate::Error;
use crate::dataset::Frame;
use crate::draw::Draws;
use crate::resize::{self, Window};

mod blur;
mod classes;
mod crop;
mod paste;
mod photometric;

/// The mean colour of ImageNet: padding of this colour is near zero once pictures are normalised.
const PADDING: Rgb<u8> = Rgb([124, 116, 104]);

/// What is done to a frame before the network sees it. The default changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// The size (width, height) that a frame is brought to first. Its aspect is not kept: one
    /// resize to a fixed size is what the assignment asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<(u32, u32)>,
    /// The factor that both sides are then scaled by, drawn between these two. Both resizes are
    /// done as one, so the picture is filtered once.
    pub scale: (f64, f64),
    /// The size (width, height) of the part that is cut out, anywhere in the scaled frame. A frame
    /// smaller than that is padded instead: the mask with void, the picture with a mean colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<(u32, u32)>,
    /// How likely the frame is mirrored, from 0 to 1.
    pub flip: f64,
    /// How strongly colours change.
    pub jitter: Jitter,
    /// How often and how strongly the picture is blurred, after the changes of colour.
    pub blur: Blur,
    /// Which of several positions the crop takes.
    pub crop_choice: CropChoice,
    /// How often rare classes are copied from other frames.
    pub copy_rare: CopyRare,
}

/// An [`Augment`] that knows the classes of its data.
#[derive(Debug, Clone)]
pub struct Augmenter {
    augment: Augment,
    choice: crop::Choice,
    paste: paste::Paste,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            base: None,
            scale: (1.0, 1.0),
            crop: None,
            flip: 0.0,
            jitter: Jitter::default(),
            blur: Blur::default(),
            crop_choice: CropChoice::default(),
            copy_rare: CopyRare::default(),
        }
    }
}

impl Augment {
    /// Refuses values without a meaning; the error names the key, and what is possible.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |option, reason| Err(Error::Options { option, reason });
        for (key, size) in [("base", self.base), ("crop", self.crop)] {
            if let Some((width, height)) = size
                && !((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height))
            {
                return fail(key, format!("is {width}x{height}; sides of 1 to {MAX_SIDE} work"));
            }
        }
        self.check_scale()?;
        let jitter = self.jitter;
        for (key, value, most) in [
            ("flip", self.flip, 1.0),
            ("blur.chance", self.blur.chance, 1.0),
            ("copy_rare.chance", self.copy_rare.chance, 1.0),
            ("jitter.brightness", jitter.brightness, 1.0),
            ("jitter.contrast", jitter.contrast, 1.0),
            ("jitter.saturation", jitter.saturation, 1.0),
            ("jitter.hue", jitter.hue, 0.5),
        ] {
            if !(0.0..=most).contains(&value) {
                return fail(key, format!("is {value}; 0 to {most} is possible"));
            }
        }
        self.blur.check()?;
        self.crop_choice.check()?;
        self.copy_rare.check()
    }

    /// Looks the classes up that it names; the error names the key and the data's classes.
    pub fn resolve(&self, classes: &ClassSet) -> Result<Augmenter, Error> {
        self.check()?;
        Ok(Augmenter {
            augment: self.clone(),
            choice: self.crop_choice.resolve(classes)?,
            paste: self.copy_rare.resolve(classes)?,
        })
    }

    fn check_scale(&self) -> Result<(), Error> {
        let (low, high) = self.scale;
        let fail = |what: String| {
            let reason = format!("is {low} to {high}; {what}");
            Err(Error::Options { option: "scale", reason })
        };
        if !(low >= 0.01 && low <= high && high <= 100.0) {
            return fail("write [low, high] within 0.01 and 100".into());
        }
        // The bounds are compared as they are written: equal ones draw nothing.
        if low < high && self.crop.is_none() {
            return fail("frames of many sizes make no batch, so set a crop".into());
        }
        if let Some((width, height)) = self.base
            && f64::from(width.max(height)) * high > f64::from(MAX_SIDE)
        {
            return fail(format!("base times scale has a side over {MAX_SIDE}"));
        }
        Ok(())
    }
}

impl Augmenter {
    /// Augments one sample; the result depends on the arguments alone. It fails only if a donor
    /// cannot be read.
    pub fn apply(
        &self,
        frame: &Frame,
        donors: &Donors,
        seed: u64,
        epoch: u32,
        sample: u64,
    ) -> Result<Frame, Error> {
        let augment = &self.augment;
        let draws = |purpose| Draws::new(seed, epoch, sample, purpose);
        let factor = draws("scale").range(augment.scale.0, augment.scale.1);
        let base = augment.base.unwrap_or(frame.image.dimensions());
        let size = (scaled(base.0, factor), scaled(base.1, factor));
        let canvas = augment.crop.unwrap_or(size);
        let mask = |window| resize::mask(&frame.mask, size, window);
        let crop = self.choice.draw(size, canvas, &mut draws("crop"), mask);
        let window = crop.window();
        let mut frame =
            Frame { image: resize::image(&frame.image, size, window), mask: mask(window) };
        self.paste.apply(&mut frame, size, window, donors, draws("copy rare"))?;
        if draws("flip").chance(augment.flip) {
            frame = flip(&frame);
        }
        augment.jitter.apply(&mut frame.image, draws);
        augment.blur.apply(&mut frame.image, draws("blur"));
        Ok(pad(frame, canvas, (crop.across.to, crop.down.to)))
    }
}

fn scaled(side: u32, factor: f64) -> u32 {
    (f64::from(side) * factor).round().clamp(1.0, f64::from(MAX_SIDE)) as u32
}

/// Brings a frame to a size (width, height), and nothing else.
pub fn fit(frame: &Frame, size: (u32, u32)) -> Frame {
    Frame {
        image: resize::image(&frame.image, size, Window::whole(size)),
        mask: resize::mask(&frame.mask, size, Window::whole(size)),
    }
}

/// Mirrors a frame left to right.
pub fn flip(frame: &Frame) -> Frame {
    let mut mask = frame.mask.clone();
    let width = mask.width() as usize;
    mask.ids_mut().chunks_exact_mut(width.max(1)).for_each(<[u8]>::reverse);
    Frame { image: imageops::flip_horizontal(&frame.image), mask }
}

/// Puts a frame at `(x, y)` of a canvas of padding.
fn pad(frame: Frame, size: (u32, u32), (x, y): (u32, u32)) -> Frame {
    if frame.image.dimensions() == size {
        return frame;
    }
    let mut image = RgbImage::from_pixel(size.0, size.1, PADDING);
    imageops::replace(&mut image, &frame.image, i64::from(x), i64::from(y));
    let mut mask = Mask::filled(size.0, size.1, ClassId::VOID);
    let (from, to) = (frame.mask.width() as usize, size.0 as usize);
    let lines = mask.ids_mut().chunks_exact_mut(to.max(1)).skip(y as usize);
    for (line, source) in lines.zip(frame.mask.ids().chunks_exact(from.max(1))) {
        line[x as usize..][..from].copy_from_slice(source);
    }
    Frame { image, mask }
}

#[cfg(test)]
mod tests;
