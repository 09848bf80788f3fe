//! The work on one frame: check, copy, rasterise, write.

use std::path::Path;

use canet_core::{LabelMap, Mask, atomic};

use super::job::Job;
use super::record::{Made, Ready, Record};
use crate::annotation::Annotation;
use crate::dataset_spec::AnnotationKind;
use crate::findings::{Finding, FindingCounts, worth_listing};
use crate::hash::sha256;
use crate::manifest::Entry;
use crate::raster::{self, Rule};
use crate::{Error, frame_file, label_image};

/// How annotations become masks, the same for all frames.
pub(super) struct How<'a> {
    pub(super) kind: AnnotationKind,
    pub(super) labels: &'a LabelMap,
    pub(super) rule: Rule,
}

/// A source whose content is at fault: the frame is skipped, the rest goes on.
struct Flaw {
    annotation: bool,
    error: Error,
}

/// Makes a frame's results. An error is the machine's fault, not the frame's, and so is a source
/// that cannot be read: remembered as a skip, it would still be missing once it can be read again.
pub(super) fn make(job: &Job, how: &How, out: &Path) -> Result<Record, Error> {
    let image = bytes_of(&job.frame.image)?;
    let annotation = bytes_of(job.annotation)?;
    let made = match check(job, image, &annotation, how) {
        Ok(sources) => Made::Ready(Box::new(write(job, &sources, how.labels, out)?)),
        Err(flaw) => {
            Made::Skipped { annotation_at_fault: flaw.annotation, reason: flaw.error.reason() }
        }
    };
    Ok(Record { image: job.image_stamp, annotation: job.annotation_stamp, made })
}

/// What a frame's files hold, checked.
struct Sources {
    image: Vec<u8>,
    mask: Mask,
    findings: Vec<Finding>,
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(Error::io("read", path))
}

fn check(job: &Job, image: Vec<u8>, annotation: &[u8], how: &How) -> Result<Sources, Flaw> {
    let of_image = |error| Flaw { annotation: false, error };
    let of_annotation = |error| Flaw { annotation: true, error };
    let size = frame_file::check(&image, &job.frame.image).map_err(of_image)?;
    let (mask, findings) = to_mask(annotation, job.annotation, size, how).map_err(of_annotation)?;
    Ok(Sources { image, mask, findings })
}

/// Makes an annotation of whatever kind a mask of the frame's size. A mask of another size is never
/// stretched: it would belong to another frame.
fn to_mask(
    bytes: &[u8],
    path: &Path,
    size: (u32, u32),
    how: &How,
) -> Result<(Mask, Vec<Finding>), Error> {
    let unlike = |at: &str, (width, height): (u32, u32)| Error::Annotation {
        path: path.to_owned(),
        at: at.to_owned(),
        reason: format!("is for {width}x{height} pixels, but its frame has {}x{}", size.0, size.1),
    };
    match how.kind {
        AnnotationKind::Polygons => {
            let annotation = Annotation::parse(bytes, path, how.labels)?;
            let claimed = (annotation.width, annotation.height);
            if claimed != size {
                return Err(unlike("imgWidth, imgHeight", claimed));
            }
            Ok((raster::rasterise(&annotation, how.labels, how.rule), annotation.findings))
        }
        AnnotationKind::LabelImages | AnnotationKind::ColorImages => {
            let read = match how.kind {
                AnnotationKind::ColorImages => label_image::from_color_png_of_size,
                _ => label_image::from_png_of_size,
            };
            let mask = read(bytes, path, how.labels, Some(size))?;
            Ok((mask, Vec::new()))
        }
    }
}

fn write(job: &Job, sources: &Sources, labels: &LabelMap, out: &Path) -> Result<Ready, Error> {
    let (image, mask) = (job.image_name(), job.mask_name());
    let png = sources.mask.to_png(labels.classes());
    atomic::write(&out.join(&image), &sources.image)?;
    atomic::write(&out.join(&mask), &png)?;
    let counts = sources.mask.histogram();
    Ok(Ready {
        image_bytes: sources.image.len() as u64,
        mask_bytes: png.len() as u64,
        pixels: (0..=u8::MAX).zip(counts).filter(|(_, count)| *count > 0).collect(),
        findings: FindingCounts::of(&sources.findings),
        listed_findings: worth_listing(&sources.findings),
        entry: Entry {
            drive: job.frame.drive.clone(),
            frame: job.frame.frame.clone(),
            width: sources.mask.width(),
            height: sources.mask.height(),
            image_sha256: sha256(&sources.image),
            mask_sha256: sha256(&png),
            image,
            mask,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::RawFrame;
    use crate::names::{DriveId, FrameId};
    use crate::split::Split;

    /// A folder cannot be read as a file, whoever runs the test; a lock or a lost disk is the same.
    #[test]
    fn a_source_that_cannot_be_read_stops_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let (whole, unreadable) = (dir.path().join("a.json"), dir.path().join("folder"));
        std::fs::write(&whole, "{}").unwrap();
        std::fs::create_dir(&unreadable).unwrap();
        let labels = LabelMap::builtin("idd-level3").unwrap();
        for (image, annotation) in [(&unreadable, &whole), (&whole, &unreadable)] {
            let frame = RawFrame {
                split: None,
                drive: DriveId::new("1"),
                frame: FrameId::new("2"),
                image: image.clone(),
                annotation: Some(annotation.clone()),
            };
            let job = Job::new(&frame, annotation, Split::Train);
            let out = dir.path().join("out");
            let how =
                How { kind: AnnotationKind::Polygons, labels: &labels, rule: Rule::default() };
            let error = make(&job, &how, &out).unwrap_err();
            assert!(error.to_string().contains("cannot read"), "{error}");
            assert!(error.to_string().contains("folder"), "{error}");
        }
    }
}
