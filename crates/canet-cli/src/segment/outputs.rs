//! What is written of a frame.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use canet_core::atomic;
use canet_data::format::Format;
use canet_data::vector::Vectorised;
use canet_data::vector::export::Export;
use canet_model::{Segmentation, picture};
use clap::ValueEnum;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use serde_json::{Map, Value, json};

use super::jobs::Job;
use super::source::Frame;
use crate::picture_file::{gray_png, rgb_png};
use crate::y4m;

/// A file of each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// `NAME_mask.png`: one class id a pixel, with a palette.
    Mask,
    /// `NAME_color.png`: the same in full colour.
    Color,
    /// `NAME_overlay.png`: the frame under the colours, with a legend.
    Overlay,
    /// `NAME_frame.json`: shares of classes, confidence, sizes, times.
    Json,
    /// `NAME_confidence.png`: how sure each pixel's class is, 255 for certain.
    Confidence,
    /// `NAME.png`: the frame itself.
    Frame,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Mask => "_mask.png",
            Self::Color => "_color.png",
            Self::Overlay => "_overlay.png",
            Self::Json => "_frame.json",
            Self::Confidence => "_confidence.png",
            Self::Frame => ".png",
        }
    }
}

/// What is to be made of frames.
pub(super) struct Outputs<'a> {
    /// The folder and what goes there; a video alone needs none.
    pub(super) files: Option<Files<'a>>,
    /// How much of the colours overlays show.
    pub(super) opacity: f32,
    /// What the frames of a video are like that is written.
    pub(super) video: Option<y4m::Header>,
}

/// What goes to the output folder.
pub(super) struct Files<'a> {
    pub(super) out: PathBuf,
    /// The files of each frame; JSON comes last, since it tells what the others took.
    pub(super) kinds: Vec<Kind>,
    pub(super) polygons: Option<Export<'a>>,
}

/// A frame and what the network makes of it.
pub(super) struct Segmented {
    pub(super) frame: Frame,
    /// Width and height at which the network sees it.
    pub(super) network: [u32; 2],
    pub(super) segmentation: Segmentation,
    /// Of the network, from the frame to the mask.
    pub(super) took: Duration,
}

/// What is left to do when a frame's own files are written.
#[derive(Default)]
pub(super) struct Made {
    /// The image's name and its polygons, for a file of many frames.
    pub(super) polygons: Option<(String, Vectorised)>,
    /// A frame for the video.
    pub(super) video: Option<Vec<u8>>,
}

impl Outputs<'_> {
    /// The files of a job.
    pub(super) fn files_of(&self, job: &Job) -> Vec<PathBuf> {
        let Some(Files { out, kinds, polygons }) = &self.files else { return Vec::new() };
        let mut files: Vec<_> = kinds.iter().map(|kind| job.file(out, kind.suffix())).collect();
        let own = polygons.as_ref().filter(|export| export.format.is_per_frame());
        files.extend(own.map(|export| job.sibling(out, &export.format.file_name(&job.image))));
        files
    }

    /// Writes a frame's files.
    pub(super) fn write(&self, segmented: &Segmented) -> Result<Made> {
        let start = Instant::now();
        let Segmented { frame, segmentation, .. } = segmented;
        let kinds = self.files.as_ref().map_or(&[][..], |files| &files.kinds);
        let overlay = (kinds.contains(&Kind::Overlay) || self.video.is_some())
            .then(|| segmentation.overlay(&fitted(&frame.picture, segmentation), self.opacity))
            .transpose()?;
        let mut made = Made::default();
        if let Some(files) = &self.files {
            for &kind in kinds {
                let bytes = match kind {
                    Kind::Mask => segmentation.mask.to_png(&segmentation.classes),
                    Kind::Color => rgb_png(&segmentation.color_image())?,
                    Kind::Overlay => with_legend(overlay.as_ref(), segmentation)?,
                    Kind::Confidence => confidence(segmentation)?,
                    Kind::Frame => rgb_png(&frame.picture)?,
                    Kind::Json => continue,
                };
                atomic::write(&frame.job.file(&files.out, kind.suffix()), &bytes)?;
            }
            if let Some(export) = &files.polygons {
                made.polygons = polygons(export, &files.out, &frame.job, segmentation)?;
            }
        }
        made.video = self
            .video
            .as_ref()
            .zip(overlay)
            .map(|(header, overlay)| y4m::encoded(header, &overlay));
        if let Some(files) = self.files.as_ref().filter(|_| kinds.contains(&Kind::Json)) {
            let json = record(segmented, start.elapsed())?;
            atomic::write(&frame.job.file(&files.out, Kind::Json.suffix()), &json)?;
        }
        Ok(made)
    }
}

/// The frame at the mask's size.
fn fitted<'a>(frame: &'a RgbImage, segmentation: &Segmentation) -> Cow<'a, RgbImage> {
    let (width, height) = (segmentation.mask.width(), segmentation.mask.height());
    if frame.dimensions() == (width, height) {
        Cow::Borrowed(frame)
    } else {
        Cow::Owned(resize(frame, width, height, FilterType::Triangle))
    }
}

fn with_legend(overlay: Option<&RgbImage>, segmentation: &Segmentation) -> Result<Vec<u8>> {
    let overlay = overlay.context("the overlay was not made")?;
    rgb_png(&picture::with_legend(overlay, &segmentation.mask, &segmentation.classes))
}

fn confidence(segmentation: &Segmentation) -> Result<Vec<u8>> {
    let confidence = segmentation.confidence.as_ref().context("confidence was not asked for")?;
    gray_png(&confidence.to_gray())
}

/// Writes the polygons of a mask, or returns them for a file of many frames.
fn polygons(
    export: &Export,
    out: &Path,
    job: &Job,
    segmentation: &Segmentation,
) -> Result<Option<(String, Vectorised)>> {
    let polygons = export.polygons(&segmentation.mask)?;
    if !export.format.is_per_frame() {
        return Ok(Some((job.image.clone(), polygons)));
    }
    let path = job.sibling(out, &export.format.file_name(&job.image));
    let image = if export.format == Format::LabelMe { beside(&path, job)? } else { None };
    let bytes = export.written(&polygons, image.as_deref().unwrap_or(&job.image))?;
    atomic::write(&path, &bytes)?;
    Ok(None)
}

/// The frame's file as it is reached from the folder of an annotation, by which `LabelMe` opens it.
/// A stream's frame has no file but the one that is written beside its annotation.
fn beside(annotation: &Path, job: &Job) -> Result<Option<String>> {
    let folder = annotation.parent().unwrap_or(Path::new(""));
    let Ok(frame) = job.frame.canonicalize() else {
        return Ok(job.image.rsplit('/').next().map(str::to_owned));
    };
    fs::create_dir_all(folder).map_err(canet_core::Error::io("create folder", folder))?;
    let folder = folder.canonicalize().map_err(canet_core::Error::io("find", folder))?;
    Ok(Some(relative(&folder, &frame)))
}

/// The way from a folder to a file, both without links, with `/`.
fn relative(folder: &Path, file: &Path) -> String {
    let common = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| "..".into());
    let down = file.components().skip(common).map(|part| part.as_os_str().to_string_lossy());
    if common == 0 {
        return file.display().to_string();
    }
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// What `NAME_frame.json` tells.
fn record(segmented: &Segmented, encoding: Duration) -> Result<Vec<u8>> {
    let Segmented { frame, network, segmentation, took } = segmented;
    let classes = &segmentation.classes.classes;
    let shares = classes.iter().zip(segmentation.shares());
    let shares: Map<_, _> =
        shares.map(|(class, share)| (class.name.clone(), Value::from(share))).collect();
    let ms = |time: Duration| (time.as_secs_f64() * 1e5).round() / 100.0;
    let (width, height) = frame.picture.dimensions();
    let record = json!({
        "frame": frame.job.image,
        "sizes": {
            "frame": [width, height],
            "network": network,
            "mask": [segmentation.mask.width(), segmentation.mask.height()],
        },
        "shares": shares,
        "mean_confidence": segmentation.confidence.as_ref().map(canet_model::Confidence::mean),
        "ms": { "decode": ms(frame.took), "network": ms(*took), "encode": ms(encoding) },
    });
    let mut bytes = serde_json::to_vec_pretty(&record)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_frame_is_found() {
        for (folder, file, way) in [
            ("/a/out", "/a/out/b.png", "b.png"),
            ("/a/out/007", "/a/drives/007/b.jpg", "../../drives/007/b.jpg"),
            ("/x", "/y/b.jpg", "../y/b.jpg"),
        ] {
            assert_eq!(relative(Path::new(folder), Path::new(file)), way);
        }
    }
}
