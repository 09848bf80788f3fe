//! Polygons of what the network predicts, read back by the readers of the label side.

use std::collections::BTreeMap;
use std::path::Path;

use canet_core::{LabelMap, Mask};
use canet_data::annotation::Annotation;
use canet_data::format::{Format, coco, labelme};
use canet_data::painting::{Painting, Shape};
use canet_data::raster::{Rule, rasterise};
use canet_data::vector::export::usual_rule;
use geo::Coord;
use image::{ImageFormat, RgbImage};

use crate::world::{World, classes, expect};

/// The frames, by the names of their images.
const FRAMES: [&str; 3] = ["007/b.png", "007/c & d.jpg", "a.jpeg"];

#[test]
fn polygons_give_the_masks_back_and_name_the_frames() {
    let world = World::new("polygons");
    for (name, seed) in FRAMES.into_iter().zip(1..) {
        let frame = RgbImage::from_fn(57 + seed, 38, |x, y| {
            let value = (x / 5 * seed * 31 + y / 4 * 57) ^ (x * y / 40 * 11);
            image::Rgb([value as u8, (value / 3) as u8, (255 - value % 255) as u8])
        });
        world.frame(&format!("frames/{name}"), ImageFormat::Png);
        frame.save(world.file(&format!("frames/{name}"))).unwrap();
    }
    for format in Format::ALL {
        let out = format.name();
        let arguments = ["--out", out, "--polygons", out, "--write", "mask,json", "frames"];
        expect(&world.segment(&arguments), 0, "3/3");
        let painted = painted(&world, format);
        assert_eq!(painted.len(), 3, "{format}");
        for (image, painted) in painted {
            let stem = Path::new(&image).with_extension("");
            let path = world.file(out).join(format!("{}_mask.png", stem.display()));
            let mask = Mask::read(&path, &classes()).unwrap();
            assert!(mask.histogram().iter().filter(|count| **count > 0).count() > 1);
            assert_eq!(painted, mask, "{format}: {image}");
        }
    }
}

/// What each frame's polygons paint.
fn painted(world: &World, format: Format) -> BTreeMap<String, Mask> {
    let labels = LabelMap::of_classes(&classes()).unwrap();
    let rule = usual_rule(format);
    let file = |name: &str| world.read(&format!("{format}/{name}"));
    if format == Format::Coco {
        let path = Path::new("instances.json");
        let images = coco::Instances::parse(&file("instances.json"), path, &labels).unwrap().images;
        let mask =
            |image: coco::Image| (image.file_name, rasterise(&image.annotation, &labels, rule));
        return images.into_iter().map(mask).collect();
    }
    if format == Format::Cvat {
        return cvat(&String::from_utf8(file("annotations.xml")).unwrap(), &labels, rule);
    }
    let mask = |image: &str| {
        let folder = Path::new(image).parent().unwrap();
        let path = folder.join(format.file_name(image));
        let bytes = file(path.to_str().unwrap());
        let annotation = if format == Format::LabelMe {
            names_its_frame(world, &path, image);
            labelme::parse(&bytes, &path, &labels).unwrap()
        } else {
            Annotation::parse(&bytes, &path, &labels).unwrap()
        };
        assert!(annotation.findings.is_empty(), "{format}");
        (image.to_owned(), rasterise(&annotation, &labels, rule))
    };
    FRAMES.into_iter().map(mask).collect()
}

/// `LabelMe` opens the frame from the annotation's folder.
fn names_its_frame(world: &World, annotation: &Path, image: &str) {
    let annotation = world.file("labelme").join(annotation);
    let name = world.json(annotation.to_str().unwrap())["imagePath"].as_str().unwrap().to_owned();
    assert!(!name.contains('\\'), "{name}");
    let found = annotation.parent().unwrap().join(name).canonicalize().unwrap();
    assert_eq!(found, world.file("frames").join(image).canonicalize().unwrap());
}

/// There is no reader of CVAT's files on the label side; these are as regular as they are written.
fn cvat(text: &str, labels: &LabelMap, rule: Rule) -> BTreeMap<String, Mask> {
    let value = |element: &str, key: &str| {
        let from = element.find(&format!(" {key}=\"")).unwrap() + key.len() + 3;
        element[from..].split('"').next().unwrap().replace("&amp;", "&")
    };
    let mut masks = BTreeMap::new();
    for image in text.split("<image").skip(1) {
        let polygons = image.split("<polygon").skip(1).enumerate();
        let shapes = polygons.map(|(order, polygon)| {
            assert_eq!(value(polygon, "z_order"), order.to_string());
            let number = |text: &str| text.parse::<f64>().unwrap();
            let points = value(polygon, "points");
            let points = points.split(';').map(|point| {
                let (x, y) = point.split_once(',').unwrap();
                Coord { x: number(x), y: number(y) }
            });
            let class = labels.class_of_label(&value(polygon, "label")).unwrap();
            Shape { class, points: points.collect() }
        });
        let [width, height] = ["width", "height"].map(|key| value(image, key).parse().unwrap());
        let background = labels.background();
        let painting = Painting { width, height, background, shapes: shapes.collect() };
        masks.insert(value(image, "name"), painting.rasterise(rule));
    }
    masks
}

#[test]
fn what_would_not_fit_a_frame_is_refused() {
    let world = World::new("polygons-refused");
    for name in ["a_leftImg8bit.png", "a.png", "b.png", "b_frame.png"] {
        world.frame(&format!("frames/{name}"), ImageFormat::Png);
    }
    for (arguments, words) in [
        (&["--polygons", "idd", "--size", "9x9", "frames"][..], "cannot be used with"),
        (&["--polygons", "voc", "frames"], "known are idd"),
        (&["--polygons", "idd", "frames"], "would both become out/a_gtFine_polygons.json"),
        (&["--polygons", "labelme", "frames"], "would both become out/b_frame.json"),
    ] {
        expect(&world.segment(&[&["--out", "out"], arguments].concat()), 2, words);
    }
    assert!(!world.file("out").exists());
}
