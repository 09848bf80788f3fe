//! The check of a frame's objects: each by itself, and what is seen of it once all are painted.

use std::path::Path;

use canet_core::{ClassId, LabelMap};

use super::document::{Document, Object};
use super::finding::What;
use super::frame::{How, Notes, compare};
use super::kind::Severity;
use super::report::Subject;
use super::{outline, visible};
use crate::annotation::{Annotation, class_of};
use crate::findings::FindingKind;
use crate::format::labelme as labelme_form;

/// An object to paint.
struct Painted {
    pointer: String,
    class: ClassId,
    points: Vec<[f64; 2]>,
}

/// Looks at a file of IDD's form.
pub(super) fn document(
    bytes: &[u8],
    path: &Path,
    how: &How,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    let first = notes.findings.len();
    let document = match Document::parse(bytes) {
        Ok(document) => document,
        Err((pointer, what)) => return notes.file(&pointer, what),
    };
    compare(["/imgWidth", "/imgHeight"], document.size(), subject, notes);
    let mut painted = Vec::new();
    for (index, object) in document.objects.iter().enumerate() {
        painted.extend(look_at(index, object, document.size(), how.labels, notes));
    }
    subject.objects = Some(document.objects.iter().filter(|object| !object.deleted).count());
    // Preparation may refuse what looks sound one by one, such as objects that paint for minutes.
    if notes.findings[first..].iter().all(|finding| finding.severity != Severity::Error)
        && let Err(error) = Annotation::parse(bytes, path, how.labels)
    {
        let reason = error.reason();
        return notes.file("", What::UnreadableAnnotation { reason });
    }
    paint(&painted, "/objects", document.size(), how, subject, notes);
}

/// Looks at one object, and returns it if it is painted.
fn look_at(
    index: usize,
    object: &Object,
    size: (u32, u32),
    labels: &LabelMap,
    notes: &mut Notes,
) -> Option<Painted> {
    let (points, pointer) = (object.points(), format!("/objects/{index}"));
    let first = notes.findings.len();
    for (below, what) in outline::examine(&points, size) {
        notes.file(&format!("{pointer}{below}"), what);
    }
    let class = class_of(&object.label, labels);
    if object.deleted {
        notes.file(&pointer, What::Deleted);
    } else if class.is_none() {
        let kind = FindingKind::unknown_label(object.label.clone(), labels);
        notes.file(&format!("{pointer}/label"), kind.into());
    }
    let broken = points.iter().flatten().any(|x| !x.is_finite());
    for finding in &mut notes.findings[first..] {
        finding.area = outline::bounds(&points).filter(|_| !broken);
        // What is not painted harms nobody; but a broken number refuses the whole file.
        if object.deleted && finding.severity == Severity::Warning {
            finding.severity = Severity::Note;
        }
    }
    let class = class.filter(|_| !object.deleted && !broken && points.len() > 2)?;
    Some(Painted { pointer, class, points })
}

/// Looks at a file of `LabelMe`.
pub(super) fn labelme(
    bytes: &[u8],
    path: &Path,
    how: &How,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    match labelme_form::parse(bytes, path, how.labels) {
        Ok(annotation) => parsed(&annotation, "/shapes", how, subject, notes),
        Err(error) => {
            let reason = error.reason();
            notes.file("", What::UnreadableAnnotation { reason });
        }
    }
}

/// Looks at an annotation as the reader of its form leaves it. `list` is the pointer to the objects;
/// findings are told with their object, because a form may write corners in other ways.
pub(super) fn parsed(
    annotation: &Annotation,
    list: &str,
    how: &How,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    let size = (annotation.width, annotation.height);
    compare(["", ""], size, subject, notes);
    let mut painted = Vec::new();
    for object in &annotation.objects {
        let points: Vec<_> = object.points().iter().map(|point| [point.x, point.y]).collect();
        let (pointer, class) = (format!("{list}/{}", object.index), object.class);
        let first = notes.findings.len();
        for (_, what) in outline::examine(&points, size) {
            notes.file(&pointer, what);
        }
        for finding in &mut notes.findings[first..] {
            finding.area = outline::bounds(&points);
        }
        painted.push(Painted { pointer, class, points });
    }
    for finding in &annotation.findings {
        notes.file(&format!("{list}/{}", finding.object), finding.kind.clone().into());
    }
    let deleted = annotation.finding_counts().deleted as usize;
    subject.objects = Some(annotation.objects.len() + annotation.findings.len() - deleted);
    paint(&painted, list, size, how, subject, notes);
}

impl From<FindingKind> for What {
    fn from(kind: FindingKind) -> Self {
        match kind {
            FindingKind::Deleted => Self::Deleted,
            FindingKind::FewPoints(points) => Self::FewPoints { points },
            FindingKind::NotAPolygon(shape) => Self::NotAPolygon { shape },
            FindingKind::UnknownLabel { label, hint } => Self::UnknownLabel { label, hint },
        }
    }
}

/// Paints the objects, for what is seen of each and of each class.
fn paint(
    painted: &[Painted],
    list: &str,
    size: (u32, u32),
    how: &How,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    if painted.is_empty() {
        notes.file(list, What::NoObjects);
    }
    let outlines: Vec<_> = painted.iter().map(|object| object.points.as_slice()).collect();
    let counts = visible::count(&outlines, size, how.rule);
    let mut histogram = [0; 256];
    let mut bare = u64::from(size.0) * u64::from(size.1);
    for (object, pixels) in painted.iter().zip(counts) {
        histogram[usize::from(object.class.0)] += pixels.visible;
        bare -= pixels.visible;
        let what = match pixels.painted {
            0 => What::OutsideFrame,
            all if pixels.visible == 0 => What::HiddenObject { pixels: all },
            _ => continue,
        };
        // Its box may have told so already.
        if notes.findings.iter().any(|f| f.pointer == object.pointer && f.what == what) {
            continue;
        }
        notes.file(&object.pointer, what);
        if let Some(finding) = notes.findings.last_mut() {
            finding.area = outline::bounds(&object.points);
        }
    }
    histogram[usize::from(how.labels.background().0)] += bare;
    subject.count(&histogram, how.labels);
}
