//! The work on one frame: check, copy, rasterise, write.

use std::path::Path;

use canet_core::{LabelMap, Mask, atomic};

use super::job::Job;
use super::record::{Made, Ready, Record};
use crate::annotation::{Annotation, FindingCounts};
use crate::dataset_spec::AnnotationKind;
use crate::manifest::{Entry, sha256};
use crate::{Error, frame_file, label_image, raster};

/// A source that is at fault: the frame is skipped, the rest goes on.
struct Fault {
    annotation: bool,
    error: Error,
}

/// Makes a frame's results. An error is the machine's fault, not the frame's.
pub(super) fn make(
    job: &Job,
    kind: AnnotationKind,
    labels: &LabelMap,
    out: &Path,
) -> Result<Record, Error> {
    let made = match read(job, kind, labels) {
        Ok(sources) => Made::Ready(Box::new(write(job, &sources, labels, out)?)),
        Err(fault) => {
            Made::Skipped { annotation_at_fault: fault.annotation, reason: fault.error.reason() }
        }
    };
    Ok(Record { image: job.image_stamp, annotation: job.annotation_stamp, made })
}

/// What a frame's files hold, checked.
struct Sources {
    image: Vec<u8>,
    mask: Mask,
    findings: FindingCounts,
}

fn read(job: &Job, kind: AnnotationKind, labels: &LabelMap) -> Result<Sources, Fault> {
    let of_image = |error| Fault { annotation: false, error };
    let of_annotation = |error| Fault { annotation: true, error };
    let image_path = &job.frame.image;
    let image =
        std::fs::read(image_path).map_err(Error::io("read", image_path)).map_err(of_image)?;
    let size = frame_file::check(&image, image_path).map_err(of_image)?;
    let (mask, findings) = read_mask(job.annotation, size, kind, labels).map_err(of_annotation)?;
    Ok(Sources { image, mask, findings })
}

/// Reads an annotation of whatever kind as a mask of the frame's size. A mask of another size is
/// never stretched: it would belong to another frame.
fn read_mask(
    path: &Path,
    size: (u32, u32),
    kind: AnnotationKind,
    labels: &LabelMap,
) -> Result<(Mask, FindingCounts), Error> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let unlike = |at: &str, (width, height): (u32, u32)| Error::Annotation {
        path: path.to_owned(),
        at: at.to_owned(),
        reason: format!("is for {width}x{height} pixels, but its frame has {}x{}", size.0, size.1),
    };
    match kind {
        AnnotationKind::Polygons => {
            let annotation = Annotation::parse(&bytes, path, labels)?;
            let claimed = (annotation.width, annotation.height);
            if claimed != size {
                return Err(unlike("imgWidth, imgHeight", claimed));
            }
            Ok((raster::rasterise(&annotation, labels), annotation.finding_counts()))
        }
        AnnotationKind::LabelImages => {
            let mask = label_image::from_png(&bytes, path, labels)?;
            if (mask.width(), mask.height()) != size {
                return Err(unlike("its size", (mask.width(), mask.height())));
            }
            Ok((mask, FindingCounts::default()))
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
        findings: sources.findings.clone(),
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
