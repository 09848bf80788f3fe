//! What all formats have in common.

use std::path::Path;

use canet_core::ClassId;

use super::*;
use crate::annotation::Annotation;
use crate::painting::Shape;
use crate::raster::{Rule, rasterise};

fn coords(points: &[(f64, f64)]) -> Vec<Coord<f64>> {
    points.iter().map(|&(x, y)| Coord { x, y }).collect()
}

/// Coordinates that only the shortest round-trip form keeps, outside the frame as well as in it.
fn painting(background: u8) -> Painting {
    let shape =
        |class, points: &[(f64, f64)]| Shape { class: ClassId(class), points: coords(points) };
    let shapes = vec![
        shape(0, &[(0.0, 5.5), (11.0, 4.1 + 0.2), (11.000_000_000_000_002, 9.0), (-0.0, 9.0)]),
        shape(9, &[(1.0 / 3.0, -7.25e-3), (6.1, 1e-7), (1e6, 7.0), (3.0, 8.0)]),
        shape(255, &[(4.0, 4.0), (5.0, 4.0), (5.0, 5.0)]),
        shape(8, &[(2.0, 2.0), (2.0, 2.0), (2.0, 2.0)]),
    ];
    Painting { width: 12, height: 10, background: ClassId(background), shapes }
}

fn bits(points: &[Coord<f64>]) -> Vec<(u64, u64)> {
    points.iter().map(|p| (p.x.to_bits(), p.y.to_bits())).collect()
}

fn labels() -> LabelMap {
    LabelMap::builtin("idd-level3").unwrap()
}

fn note() -> Note {
    let note = serde_json::json!({"rule": "pillow-6", "why": "a -- b"});
    note.as_object().unwrap().clone()
}

/// Reads what [`write()`] wrote, by the reader of the format.
fn read(format: Format, bytes: &[u8], labels: &LabelMap) -> Option<Annotation> {
    let path = Path::new("written");
    match format {
        Format::Idd | Format::Cityscapes => Some(Annotation::parse(bytes, path, labels).unwrap()),
        Format::LabelMe => Some(labelme::parse(bytes, path, labels).unwrap()),
        Format::Coco => {
            let mut images = coco::Instances::parse(bytes, path, labels).unwrap().images;
            assert_eq!((images.len(), images[0].file_name.as_str()), (1, "a.png"));
            Some(images.remove(0).annotation)
        }
        Format::Cvat => None,
    }
}

#[test]
fn a_painting_comes_back_bit_for_bit_and_as_the_same_mask() {
    let labels = labels();
    let mut read_back = 0;
    for (format, background) in Format::ALL.into_iter().flat_map(|f| [(f, 255), (f, 3)]) {
        let painting = painting(background);
        let bytes = write(format, &painting, &labels, "a.png", Some(&note())).unwrap();
        let Some(annotation) = read(format, &bytes, &labels) else { continue };
        assert_eq!((annotation.width, annotation.height), (12, 10), "{format}");
        assert!(annotation.findings.is_empty(), "{format}");
        let objects = &annotation.objects[usize::from(background == 3)..];
        assert_eq!(objects.len(), painting.shapes.len(), "{format}");
        for (object, shape) in objects.iter().zip(&painting.shapes) {
            assert_eq!(object.class, shape.class, "{format}");
            assert_eq!(bits(object.points()), bits(&shape.points), "{format}");
        }
        for rule in Rule::ALL {
            let mask = painting.rasterise(rule);
            assert_eq!(rasterise(&annotation, &labels, rule).ids(), mask.ids(), "{format} {rule}");
        }
        read_back += 1;
    }
    assert_eq!(read_back, 8);
}

#[test]
fn formats_are_found_by_name_and_name_their_files() {
    for (name, per_frame, file) in [
        ("idd", true, "0007_gtFine_polygons.json"),
        ("cityscapes", true, "0007_gtFine_polygons.json"),
        ("labelme", true, "0007_leftImg8bit.json"),
        ("cvat", false, "annotations.xml"),
        ("coco", false, "instances.json"),
    ] {
        let format: Format = name.parse().unwrap();
        assert_eq!(format.to_string(), name);
        assert_eq!(format.is_per_frame(), per_frame);
        assert_eq!(Gathered::new(format, &labels()).is_none(), per_frame);
        assert_eq!(format.file_name("train/1.5/0007_leftImg8bit.PNG"), file);
    }
    assert_eq!(Format::LabelMe.file_name("frame.v2"), "frame.v2.json");
    let error = "voc".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("known are idd, cityscapes, labelme, cvat, coco"), "{error}");
}

type Change = fn(&mut Painting);

#[test]
fn what_no_reader_would_take_is_not_written() {
    let labels = labels();
    let cases: [(Change, &str); 6] = [
        (|p| p.width = 0, "a.png: at its width: is 0; 1 to 16384"),
        (|p| p.height = 16_385, "a.png: at its height: is 16385"),
        (|p| p.shapes[1].points.truncate(2), "a.png: at shapes[1]: has 2 points"),
        (|p| p.shapes[2].points[0].x = f64::NAN, "a.png: at shapes[2]: has the point (NaN, 4)"),
        (|p| p.shapes[0].points[1].y = f64::INFINITY, "at shapes[0]: has the point (11, inf)"),
        (|p| p.shapes[0].class = ClassId(26), "label map idd-level3: has no label for class 26"),
    ];
    for format in Format::ALL {
        for (change, needle) in cases {
            let mut painting = painting(255);
            change(&mut painting);
            let error = write(format, &painting, &labels, "a.png", None).unwrap_err().to_string();
            assert!(error.contains(needle), "{format}: {error}");
        }
    }
    let map = LabelMap::builtin("assignment-21").unwrap();
    let error = write(Format::Idd, &painting(0), &map, "a.png", None).unwrap_err();
    assert_eq!(error.fault(), crate::Fault::Usage);
    assert!(error.to_string().contains("no label for class 255 (void)"), "{error}");
}
