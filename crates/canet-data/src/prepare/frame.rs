//! The work on one frame: check, copy or shrink, rasterise, write; and leave alone what is there.

use std::borrow::Cow;
use std::path::Path;

use canet_core::{Mask, atomic};

use super::job::Job;
use super::record::{FrameFile, How, Made, MaskFile, Part, Record, Source, Stamp, Written};
use super::shelf::Shelf;
use crate::annotation::Annotation;
use crate::dataset_spec::AnnotationKind;
use crate::findings::{Finding, FindingCounts, worth_listing};
use crate::format::labelme;
use crate::hash::Digest;
use crate::{Error, frame_file, label_image, raster, resize, shrink};

/// Whether a frame is as an earlier run left it. No source is read for that.
pub(super) fn fits(job: &Job, how: &How, shelf: &Shelf, record: Option<&Record>) -> bool {
    let Some(record) = record else { return false };
    let same = |source: &Source, now: Option<Stamp>| now.is_some() && source.stamp == now;
    let Record { image, annotation, .. } = record;
    same(image, job.image_stamp)
        && same(annotation, job.annotation_stamp)
        && record.split == job.split
        && record.frame.of == how.of_frame(image)
        && match (&record.frame.made, &record.mask) {
            (Made::Flawed(_), _) => true,
            (Made::Ready(_), None) => false,
            (Made::Ready(frame), Some(mask)) => {
                mask.of == how.of_mask(annotation, frame.source)
                    && lies_there(job, shelf, frame, &mask.made)
            }
        }
}

/// A frame whose annotation is flawed needs no files.
fn lies_there(job: &Job, shelf: &Shelf, frame: &FrameFile, mask: &Made<MaskFile>) -> bool {
    match mask {
        Made::Flawed(_) => true,
        Made::Ready(mask) => {
            shelf.holds(&job.image_name(job.split), &frame.file)
                && shelf.holds(&job.mask_name(job.split), &mask.file)
        }
    }
}

/// What had to be made; the rest was there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Work {
    pub(super) frame: bool,
    pub(super) mask: bool,
}

/// Makes a frame's results, or those of them that an earlier run has not left. An error is the
/// machine's fault, not the frame's, and so is a source that cannot be read: remembered as a flaw,
/// it would still be missing once it can be read again.
pub(super) fn make(
    job: &Job,
    how: &How,
    shelf: &Shelf,
    old: Option<&Record>,
) -> Result<(Record, Work), Error> {
    let mut image = Loaded::open(&job.frame.image, job.image_stamp, old.map(|r| r.image))?;
    let mut annotation = match gathered(job, how) {
        Some((_, digest)) => Loaded::gathered(job, digest),
        None => Loaded::open(job.annotation, job.annotation_stamp, old.map(|r| r.annotation))?,
    };
    let was = old.map_or(job.split, |record| record.split);
    let mut work = Work::default();

    let names = (job.image_name(job.split), job.image_name(was));
    let of = how.of_frame(&image.source);
    let kept = keep(old.map(|record| &record.frame), of, |frame| &frame.file, &names, shelf)?;
    work.frame = kept.is_none();
    let frame = kept.map_or_else(|| make_frame(job, &mut image, how, shelf), Ok)?;

    let mut mask = None;
    if let Made::Ready(FrameFile { source: size, .. }) = frame.made {
        let names = (job.mask_name(job.split), job.mask_name(was));
        let of = how.of_mask(&annotation.source, size);
        let old = old.and_then(|record| record.mask.as_ref());
        let kept = keep(old, of, |mask| &mask.file, &names, shelf)?;
        work.mask = kept.is_none();
        mask = Some(kept.map_or_else(|| make_mask(job, &mut annotation, size, how, shelf), Ok)?);
    }
    let (image, annotation) = (image.source, annotation.source);
    Ok((Record { image, annotation, split: job.split, frame, mask }, work))
}

/// An earlier result, if it was made from the same and lies where it belongs, or can be moved there;
/// `names` are its file's name and the one it had.
fn keep<T: Clone>(
    old: Option<&Part<T>>,
    of: Digest,
    file: impl Fn(&T) -> &Written,
    (name, was): &(String, String),
    shelf: &Shelf,
) -> Result<Option<Part<T>>, Error> {
    let Some(part) = old.filter(|part| part.of == of) else { return Ok(None) };
    let is_there = match &part.made {
        Made::Flawed(_) => true,
        Made::Ready(made) => shelf.brings(name, was, file(made))?,
    };
    Ok(is_there.then(|| part.clone()))
}

/// A source, read only if it has to be.
struct Loaded<'a> {
    path: &'a Path,
    source: Source,
    bytes: Option<Vec<u8>>,
}

impl<'a> Loaded<'a> {
    fn open(path: &'a Path, stamp: Option<Stamp>, old: Option<Source>) -> Result<Self, Error> {
        if let Some(source) = old.filter(|old| stamp.is_some() && old.stamp == stamp) {
            return Ok(Self { path, source, bytes: None });
        }
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let source = Source { stamp, sha256: Digest::of(&bytes) };
        Ok(Self { path, source, bytes: Some(bytes) })
    }

    /// A part of a file that has been read: known by what it says, whatever the rest of the file says.
    fn gathered(job: &Job<'a>, sha256: Digest) -> Self {
        let source = Source { stamp: job.annotation_stamp, sha256 };
        Self { path: job.annotation, source, bytes: Some(Vec::new()) }
    }

    /// The bytes, and the source as they are of.
    fn read(&mut self) -> Result<(&[u8], Source), Error> {
        if self.bytes.is_none() {
            *self = Self::open(self.path, self.source.stamp, None)?;
        }
        Ok((self.bytes.as_deref().unwrap_or_default(), self.source))
    }
}

fn make_frame(
    job: &Job,
    image: &mut Loaded,
    how: &How,
    shelf: &Shelf,
) -> Result<Part<FrameFile>, Error> {
    let path = image.path;
    let (bytes, source) = image.read()?;
    let file = match &how.resize {
        None => frame_file::check(bytes, path).map(|size| (size, Cow::Borrowed(bytes))),
        Some(to) => shrink::frame(bytes, path, to).map(|s| (s.source, Cow::Owned(s.bytes))),
    };
    let made = match file {
        Err(error) => Made::Flawed(error.reason()),
        Ok((size, file)) => {
            atomic::write_later(&shelf.out.join(job.image_name(job.split)), &file)?;
            let file = match file {
                Cow::Borrowed(same) => Written { bytes: same.len() as u64, sha256: source.sha256 },
                Cow::Owned(new) => Written::of(&new),
            };
            Made::Ready(FrameFile { source: size, file })
        }
    };
    Ok(Part { of: how.of_frame(&source), made })
}

fn make_mask(
    job: &Job,
    annotation: &mut Loaded,
    size: (u32, u32),
    how: &How,
    shelf: &Shelf,
) -> Result<Part<MaskFile>, Error> {
    let (bytes, source) = annotation.read()?;
    let made = match to_mask(bytes, job, size, how) {
        Err(error) => Made::Flawed(error.reason()),
        Ok((mask, findings)) => {
            let mask = match how.resize.map(|to| to.size()) {
                None => mask,
                Some(size) => resize::mask(&mask, size, resize::Window::whole(size)),
            };
            let png = mask.to_png(how.labels.classes());
            atomic::write_later(&shelf.out.join(job.mask_name(job.split)), &png)?;
            Made::Ready(MaskFile {
                size: (mask.width(), mask.height()),
                file: Written::of(&png),
                pixels: (0..=u8::MAX).zip(mask.histogram()).filter(|(_, n)| *n > 0).collect(),
                findings: FindingCounts::of(&findings),
                listed_findings: worth_listing(&findings),
            })
        }
    };
    Ok(Part { of: how.of_mask(&source, size), made })
}

/// Makes an annotation of whatever kind a mask of the frame's size. A mask of another size is never
/// stretched: it would belong to another frame.
fn to_mask(
    bytes: &[u8],
    job: &Job,
    size: (u32, u32),
    how: &How,
) -> Result<(Mask, Vec<Finding>), Error> {
    let path = job.annotation;
    let unlike = |at: &str, (width, height): (u32, u32)| Error::Annotation {
        path: path.to_owned(),
        at: at.to_owned(),
        reason: format!("is for {width}x{height} pixels, but its frame has {}x{}", size.0, size.1),
    };
    let read = match how.kind {
        AnnotationKind::ColorImages => label_image::from_color_png,
        AnnotationKind::LabelImages => label_image::from_png,
        AnnotationKind::Polygons | AnnotationKind::LabelMe | AnnotationKind::Coco => {
            let annotation = polygons(bytes, job, how)?;
            let claimed = (annotation.width, annotation.height);
            if claimed != size {
                return Err(unlike("its width and height", claimed));
            }
            let mask = raster::rasterise(&annotation, how.labels, how.rule);
            return Ok((mask, annotation.into_owned().findings));
        }
    };
    Ok((read(bytes, path, how.labels, Some(size))?, Vec::new()))
}

/// The polygons of a frame, from its own file or from among the gathered ones.
fn polygons<'a>(bytes: &[u8], job: &Job, how: &How<'a>) -> Result<Cow<'a, Annotation>, Error> {
    if let Some((annotation, _)) = gathered(job, how) {
        return Ok(Cow::Borrowed(annotation));
    }
    let parse = match how.kind {
        AnnotationKind::LabelMe => labelme::parse,
        _ => Annotation::parse,
    };
    parse(bytes, job.annotation, how.labels).map(Cow::Owned)
}

fn gathered<'a>(job: &Job, how: &How<'a>) -> Option<(&'a Annotation, Digest)> {
    how.gathered?.of(&job.frame.image)
}

#[cfg(test)]
mod tests {
    use canet_core::LabelMap;

    use super::*;
    use crate::layout::RawFrame;
    use crate::names::{DriveId, FrameId};
    use crate::raster::Rule;
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
            let shelf = Shelf::open(&dir.path().join("out"));
            let how = How::new(AnnotationKind::Polygons, &labels, Rule::default(), None);
            let error = make(&job, &how, &shelf, None).unwrap_err();
            assert!(error.to_string().contains("cannot read"), "{error}");
            assert!(error.to_string().contains("folder"), "{error}");
        }
    }
}
