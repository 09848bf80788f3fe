//! Pictures of the worst findings: the frame around the place, with the outline over it.
//!
//! Only the frames that are shown are read, one after the other. The pixels are a small JPEG in the
//! page itself; the outline is drawn over them as SVG, sharp at any size.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use canet_page::escape::{base64, text};
use canet_page::section;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};

use super::super::document::Document;
use super::super::finding::{FileOf, Finding, What};
use super::super::kind::Kind;
use super::super::report::{Report, Subject};
use crate::frame_file;

/// How many pictures there are of a kind, and in all; each takes some 10 to 40 kB.
const OF_A_KIND: usize = 3;
const IN_ALL: usize = 24;

/// How wide a picture is at most, in pixels.
const WIDTH: u32 = 480;

/// How many corners of an outline are drawn; of more, only every so many.
const CORNERS: usize = 2000;

/// Pictures, the worst kind first, a few of each.
pub(super) fn gallery(report: &Report, root: &Path, page: &mut String) {
    let mut figures = 0;
    for (_, kind, _) in report.kinds() {
        let mut shown = 0;
        for finding in varied(report.worst_of(kind)) {
            if shown == OF_A_KIND || figures == IN_ALL {
                break;
            }
            let Some(figure) = figure(report, finding, root) else { continue };
            if figures == 0 {
                section("The worst in pictures", page);
                page.push_str("<div class=\"gallery\">\n");
            }
            page.push_str(&figure);
            (shown, figures) = (shown + 1, figures + 1);
        }
    }
    if figures > 0 {
        page.push_str("</div>\n</section>\n");
    }
}

/// Of each frame the first finding, then the others.
fn varied(findings: Vec<&Finding>) -> impl Iterator<Item = &Finding> {
    let mut frames = BTreeSet::new();
    let (first, others): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| frames.insert(finding.subject));
    first.into_iter().chain(others)
}

/// A picture with its caption; `None` if there is nothing to be seen of the frame.
fn figure(report: &Report, finding: &Finding, root: &Path) -> Option<String> {
    let subject = &report.subjects[finding.subject];
    let mut figure = String::from("<figure><div class=\"views\">");
    let message = format!("{} {}", place(finding), finding.message());
    let (alt, bad) = (text(&message).to_string(), finding.severity.name());
    draw(subject, finding, root, &alt, &mut figure)?;
    if let What::NearDuplicate { other, .. } = &finding.what {
        let twin = report.subjects.iter().find(|subject| subject.name() == *other)?;
        draw(twin, finding, root, "the other frame", &mut figure)?;
    }
    let (name, kind) = (subject.name(), finding.what.kind().name());
    let name = text(&name);
    writeln!(
        figure,
        "</div><figcaption><span class=\"tag {bad}\">{kind}</span> <b>{name}</b> {alt}</figcaption></figure>"
    )
    .ok()?;
    Some(figure)
}

/// What the finding is about, in words.
fn place(finding: &Finding) -> String {
    match (object_of(&finding.pointer), finding.file) {
        (Some(object), _) => format!("object {object}"),
        (None, FileOf::Image) => "the frame".to_owned(),
        (None, FileOf::Annotation) => "the annotation".to_owned(),
    }
}

/// The object that a pointer such as `/objects/3/polygon/0` leads to.
fn object_of(pointer: &str) -> Option<usize> {
    pointer.strip_prefix("/objects/")?.split('/').next()?.parse().ok()
}

/// The point that a pointer such as `/objects/3/polygon/0` leads to.
fn point_of(pointer: &str) -> Option<usize> {
    pointer.split('/').nth(4)?.parse().ok()
}

fn draw(
    subject: &Subject,
    finding: &Finding,
    root: &Path,
    alt: &str,
    to: &mut String,
) -> Option<()> {
    let path = root.join(subject.image.as_deref()?);
    let frame = frame_file::decode(&fs::read(&path).ok()?, &path).ok()?;
    let (width, height) = (f64::from(frame.width()), f64::from(frame.height()));
    let view = view(finding, (width, height));
    let [x, y, w, h] = view;
    write!(to, "<svg role=\"img\" aria-label=\"{alt}\" viewBox=\"{x:.1} {y:.1} {w:.1} {h:.1}\">")
        .ok()?;
    let crop = [x.max(0.0), y.max(0.0), (x + w).min(width), (y + h).min(height)];
    let crop = crop.map(|side| side.round() as u32);
    if crop[0] < crop[2] && crop[1] < crop[3] {
        let [left, top, w, h] = [crop[0], crop[1], crop[2] - crop[0], crop[3] - crop[1]];
        let jpeg = base64(&shrunk(&frame, [left, top, w, h])?);
        write!(
            to,
            "<image x=\"{left}\" y=\"{top}\" width=\"{w}\" height=\"{h}\" \
             preserveAspectRatio=\"none\" href=\"data:image/jpeg;base64,{jpeg}\"/>"
        )
        .ok()?;
    }
    outline(subject, finding, root, w, to);
    to.push_str("</svg>");
    Some(())
}

/// The part of the plane that is shown, as left, top, width and height: the frame, or 3:2 around the
/// finding's place with some room.
fn view(finding: &Finding, (width, height): (f64, f64)) -> [f64; 4] {
    let Some([left, top, right, bottom]) = finding.area else { return [0.0, 0.0, width, height] };
    let room = (1.6 * (right - left)).max(2.4 * (bottom - top)).max(90.0);
    if matches!(finding.what.kind(), Kind::OutsideFrame | Kind::BeyondFrame) {
        // The frame and the object, but at most once the frame to each side.
        let (left, right) = (left.clamp(-width, 0.0), right.clamp(width, 2.0 * width));
        let (top, bottom) = (top.clamp(-height, 0.0), bottom.clamp(height, 2.0 * height));
        let rim = width / 20.0;
        return [left - rim, top - rim, right - left + 2.0 * rim, bottom - top + 2.0 * rim];
    }
    if room > width || room / 1.5 > height {
        return [0.0, 0.0, width, height];
    }
    let (w, h) = (room, room / 1.5);
    let inside =
        |middle: f64, side: f64, whole: f64| (middle - side / 2.0).clamp(0.0, whole - side);
    [
        inside(f64::midpoint(left, right), w, width),
        inside(f64::midpoint(top, bottom), h, height),
        w,
        h,
    ]
}

/// A part of a frame as a small JPEG.
fn shrunk(frame: &RgbImage, [x, y, w, h]: [u32; 4]) -> Option<Vec<u8>> {
    let crop = image::imageops::crop_imm(frame, x, y, w, h).to_image();
    let mut picture = DynamicImage::ImageRgb8(crop);
    if w > WIDTH {
        picture = picture.resize(WIDTH, u32::MAX, FilterType::Triangle);
    }
    let mut jpeg = Cursor::new(Vec::new());
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 75)).ok()?;
    Some(jpeg.into_inner())
}

/// The object's outline, and a ring around the point that the finding is about.
fn outline(
    subject: &Subject,
    finding: &Finding,
    root: &Path,
    width: f64,
    to: &mut String,
) -> Option<()> {
    let object = object_of(&finding.pointer)?;
    let path = root.join(subject.annotation.as_deref()?);
    let document = Document::parse(&fs::read(path).ok()?).ok()?;
    let points = document.objects.get(object)?.points();
    let step = points.len().div_ceil(CORNERS).max(1);
    let mut corners = String::new();
    for [x, y] in points.iter().step_by(step).filter(|p| p.iter().all(|c| c.is_finite())) {
        let near = |c: f64| c.clamp(-1e6, 1e6);
        write!(corners, "{:.1},{:.1} ", near(*x), near(*y)).ok()?;
    }
    let corners = corners.trim_end();
    for class in ["under", "over"] {
        write!(to, "<polygon class=\"{class}\" points=\"{corners}\"/>").ok()?;
    }
    // What is too small to be seen gets a ring, too.
    let small = finding.area.filter(|[l, t, r, b]| (r - l).max(b - t) < width / 20.0);
    let middle = small.map(|[l, t, r, b]| [f64::midpoint(l, r), f64::midpoint(t, b)]);
    let point = point_of(&finding.pointer).and_then(|point| points.get(point).copied());
    let [x, y] = point.filter(|p| p.iter().all(|c| c.is_finite())).or(middle)?;
    let radius = width / 40.0;
    write!(to, "<circle class=\"over\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>").ok()?;
    Some(())
}
