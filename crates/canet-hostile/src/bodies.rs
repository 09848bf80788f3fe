//! What must hold for any bytes: the bodies of the fuzz targets. A panic is a fault that was found.

use std::fs;
use std::path::Path;

use canet_core::{ClassId, LabelMap, Mask};
use canet_data::annotation::Annotation;
use canet_data::raster::{Rule, rasterise};
use canet_data::vector::{Deviation, Options, vectorise};
use canet_data::{Error, format, frame_file};
use xtask::unpack::{Limits, Unpacked, unpack};

use crate::{Fate, scratch};

/// The longest message: an error must not repeat a stranger's file.
const LONGEST_MESSAGE: usize = 1000;

/// An annotation is refused with its path and a place, or it can be painted by every rule, with
/// nothing on the mask but classes and void. As in preparation, it is painted only if it is for a
/// frame of the `size` that is known.
///
/// # Panics
/// If that does not hold.
pub fn annotation(bytes: &[u8], labels: &LabelMap, size: (u32, u32)) -> Fate {
    let parsed = Annotation::parse(bytes, Path::new("a.json"), labels);
    painted(parsed.map(|annotation| vec![annotation]), labels, size)
}

/// As [`annotation()`], for the files of `LabelMe`.
///
/// # Panics
/// If that does not hold.
pub fn labelme(bytes: &[u8], labels: &LabelMap, size: (u32, u32)) -> Fate {
    let parsed = format::labelme::parse(bytes, Path::new("a.json"), labels);
    painted(parsed.map(|annotation| vec![annotation]), labels, size)
}

/// As [`annotation()`], for the files of COCO: each of its images.
///
/// # Panics
/// If that does not hold.
pub fn coco(bytes: &[u8], labels: &LabelMap, size: (u32, u32)) -> Fate {
    let parsed = format::coco::Instances::parse(bytes, Path::new("a.json"), labels);
    let annotations = |file: format::coco::Instances| {
        file.images.into_iter().map(|image| image.annotation).collect()
    };
    painted(parsed.map(annotations), labels, size)
}

fn painted(parsed: Result<Vec<Annotation>, Error>, labels: &LabelMap, size: (u32, u32)) -> Fate {
    let annotations = match parsed {
        Ok(annotations) => annotations,
        Err(error) => {
            assert!(matches!(error, Error::Annotation { .. }), "{error}");
            let message = error.to_string();
            assert!(message.starts_with("a.json: at "), "{message}");
            assert!(message.len() <= LONGEST_MESSAGE, "a message of {} bytes", message.len());
            return Fate::Refused(message);
        }
    };
    for annotation in annotations {
        if (annotation.width, annotation.height) != size {
            return Fate::Refused("a.json: is for a frame of another size".into());
        }
        for rule in Rule::ALL {
            let mask = rasterise(&annotation, labels, rule);
            assert_eq!((mask.width(), mask.height()), size);
            assert_eq!(mask.first_foreign(labels.classes()), None, "{rule}");
        }
    }
    Fate::Accepted
}

/// A mask PNG is refused, or is written and read again as the same mask.
///
/// # Panics
/// If that does not hold.
pub fn mask(bytes: &[u8], labels: &LabelMap) -> Fate {
    let path = Path::new("m.png");
    let mask = match Mask::from_png(bytes, path) {
        Ok(mask) => mask,
        Err(error) => return Fate::Refused(error.to_string()),
    };
    let again = Mask::from_png(&mask.to_png(labels.classes()), path);
    assert_eq!(again.expect("what was written is read"), mask);
    Fate::Accepted
}

/// Any ids at all survive the way into a PNG and back. The first byte is the width.
///
/// # Panics
/// If they do not.
pub fn ids(bytes: &[u8], labels: &LabelMap) {
    let Some((&width, ids)) = bytes.split_first() else { return };
    let width = usize::from(width).max(1);
    let height = ids.len() / width;
    if height == 0 {
        return;
    }
    let mask = Mask::from_ids(width as u32, height as u32, ids[..width * height].to_vec());
    let png = mask.to_png(labels.classes());
    assert_eq!(Mask::from_png(&png, Path::new("m.png")).expect("a whole mask"), mask);
    let foreign = mask.first_foreign(labels.classes()).map(|(_, _, id)| ClassId(id));
    assert!(foreign.is_none_or(|id| !labels.classes().allows(id)));
}

/// Any mask becomes polygons that give it back under every rule, and simpler ones that tell how far
/// they are from it. The first byte is the width, the second how many classes there are.
///
/// # Panics
/// If that does not hold.
pub fn vectorised(bytes: &[u8]) {
    let &[width, classes, ref ids @ ..] = bytes else { return };
    let (width, classes) = (usize::from(width).max(1), classes.max(1));
    let height = ids.len() / width;
    if height == 0 {
        return;
    }
    let ids = ids[..width * height].iter().map(|id| id % classes).collect();
    let mask = Mask::from_ids(width as u32, height as u32, ids);
    for rule in Rule::ALL {
        let exact = Options::exact(rule, ClassId::VOID);
        let polygons = vectorise(&mask, &exact).expect("an exact form").painting;
        assert_eq!(polygons.rasterise(rule), mask, "{rule}");
        let simple = vectorise(&mask, &Options { simplify: 1.5, min_area: 4, ..exact });
        let simple = simple.expect("a simple form");
        let again = simple.painting.rasterise(rule);
        assert_eq!(simple.deviation, Deviation::between(&mask, &again), "{rule}");
    }
}

/// A frame is refused, or what is decoded has the size that the check tells.
///
/// # Panics
/// If that does not hold.
pub fn picture(bytes: &[u8]) -> Fate {
    let path = Path::new("f.jpg");
    match (frame_file::check(bytes, path), frame_file::decode(bytes, path)) {
        (Ok(size), Ok(frame)) => {
            assert_eq!((frame.width(), frame.height()), size);
            Fate::Accepted
        }
        (Err(error), Err(_)) => {
            let message = error.to_string();
            assert!(message.starts_with("f.jpg: "), "{message}");
            assert!(message.len() <= LONGEST_MESSAGE, "a message of {} bytes", message.len());
            Fate::Refused(message)
        }
        (checked, _) => panic!("checking and decoding do not agree: {checked:?}"),
    }
}

/// Limits that are soon reached.
pub const LOW: Limits = Limits { entries: 100, bytes: 3 << 20, ratio: 200, ratio_from: 1 << 18 };

/// An archive is refused and leaves nothing, or is unpacked to its folder; nothing is written beside.
///
/// # Panics
/// If that does not hold, or if the machine has no room for temporary files.
pub fn archive(bytes: &[u8]) -> Fate {
    let dir = scratch();
    let (path, into) = (dir.path().join("a.archive"), dir.path().join("cache/raw"));
    fs::write(&path, bytes).expect("a temporary file");
    fs::create_dir(dir.path().join("cache")).expect("a temporary folder");
    let names = |folder: &Path| -> Vec<_> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name()).collect()
    };
    let result = unpack(&path, &into, LOW);
    assert_eq!(names(dir.path()).len(), 2, "something was written beside the cache");
    match result {
        Ok(unpacked) => {
            assert!(matches!(unpacked, Unpacked::Now { files: 1.., .. }), "{unpacked:?}");
            assert_eq!(names(&dir.path().join("cache")), ["raw"]);
            Fate::Accepted
        }
        Err(error) => {
            assert!(names(&dir.path().join("cache")).is_empty(), "something was left: {error:#}");
            let fault = xtask::fault::of(&error);
            assert_eq!(fault, canet_core::Fault::Data, "{error:#}");
            Fate::Refused(format!("{error:#}"))
        }
    }
}
