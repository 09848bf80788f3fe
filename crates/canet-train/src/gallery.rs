//! A picture an epoch: the same validation frames as strips of frame | truth | prediction.

use canet_core::{ClassSet, Mask};
use canet_data::dataset::Frame;
use canet_model::picture;
use image::RgbImage;

/// Strips on a sheet.
const STRIPS: usize = 6;
/// Wider frames are shown at this width.
const WIDTH: u32 = 480;
/// Of colours over a frame: what is wrong must be seen, and what it is taken for.
const OPACITY: f32 = 0.6;

/// Collects strips while a split is evaluated.
pub(crate) struct Gallery {
    /// Every how many frames one is shown.
    every: usize,
    strips: Vec<RgbImage>,
    seen: Vec<Mask>,
}

impl Gallery {
    /// For a split of `frames` frames, of which some are shown, evenly spread.
    pub(crate) fn new(frames: usize) -> Self {
        Self { every: frames.div_ceil(STRIPS).max(1), strips: Vec::new(), seen: Vec::new() }
    }

    pub(crate) fn visit(
        &mut self,
        index: usize,
        frame: &Frame,
        predicted: &Mask,
        classes: &ClassSet,
    ) {
        if !index.is_multiple_of(self.every) {
            return;
        }
        let truth = picture::color_image(&frame.mask, classes);
        let prediction = picture::color_image(predicted, classes);
        self.strips.push(strip([&frame.image, &truth, &prediction]));
        self.seen.extend([frame.mask.clone(), predicted.clone()]);
    }

    /// All strips, one below the other, with a legend of the classes on them.
    pub(crate) fn sheet(&self, classes: &ClassSet) -> Option<RgbImage> {
        let width = self.strips.iter().map(RgbImage::width).max()?;
        let ids = self.seen.iter().flat_map(|mask| mask.ids().iter().copied()).collect::<Vec<_>>();
        let all = Mask::from_ids(ids.len() as u32, 1, ids);
        let legend = picture::legend(&all, classes, width);
        let parts: Vec<&RgbImage> = self.strips.iter().chain([&legend]).collect();
        let height = parts.iter().map(|part| part.height()).sum();
        let mut sheet = RgbImage::new(width, height);
        let mut top = 0;
        for part in parts {
            image::imageops::replace(&mut sheet, part, 0, top);
            top += i64::from(part.height());
        }
        Some(sheet)
    }
}

/// A frame | truth over it | prediction over it, with a legend of the classes in both.
pub(crate) fn comparison(
    frame: &Frame,
    predicted: &Mask,
    classes: &ClassSet,
) -> canet_model::Result<RgbImage> {
    let over = |mask: &Mask| picture::overlay(&frame.image, mask, classes, OPACITY);
    let strip = strip([&frame.image, &over(&frame.mask)?, &over(predicted)?]);
    let both = [frame.mask.ids(), predicted.ids()].concat();
    let both = Mask::from_ids(both.len() as u32, 1, both);
    Ok(picture::with_legend(&strip, &both, classes))
}

/// Pictures side by side, as wide as they are shown.
fn strip(pictures: [&RgbImage; 3]) -> RgbImage {
    let parts = pictures.map(shown);
    picture::strip(&[&parts[0], &parts[1], &parts[2]])
}

fn shown(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    if width <= WIDTH {
        return picture.clone();
    }
    let height = (u64::from(height) * u64::from(WIDTH) / u64::from(width)).max(1) as u32;
    image::imageops::resize(picture, WIDTH, height, image::imageops::FilterType::Nearest)
}
