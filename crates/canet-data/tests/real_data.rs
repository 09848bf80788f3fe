//! Against real data, which users do not have. The tests are ignored unless asked for:
//! `CANET_SHARED_DATA=DIR cargo test --workspace --test real_data -- --ignored`. Then
//! everything must be there; nothing is left out silently.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper that fails should fail its test, and figures are for the reader of the log"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use canet_core::{ClassId, LabelMap, LabelTable, Mask};
use canet_data::annotation::Annotation;
use canet_data::check;
use canet_data::dataset_spec::DatasetSpec;
use canet_data::draft::{DraftOptions, draft};
use canet_data::manifest::Manifest;
use canet_data::prepare::{Outcome, PrepareOptions, prepare};
use canet_data::raster::{Rule, rasterise};
use canet_data::split::Split;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn shared_data() -> PathBuf {
    std::env::var_os("CANET_SHARED_DATA").expect("CANET_SHARED_DATA names the folder").into()
}

fn unpack(archive: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::open(archive).unwrap();
    zip::ZipArchive::new(file).unwrap().extract(dir.path()).unwrap();
    dir
}

/// Prepares a data set twice and demands that the second time is idle.
fn prepare_timed(dataset: &str, raw: &Path, out: &Path) -> Outcome {
    let spec = DatasetSpec::builtin(dataset).unwrap();
    let options = PrepareOptions { seed: 42, ..PrepareOptions::new(out) };
    let begin = Instant::now();
    let first = prepare(raw, &spec, &options, &|_| {}).unwrap();
    let (work, idle) = (begin.elapsed(), Instant::now());
    let second = prepare(raw, &spec, &options, &|_| {}).unwrap();
    println!(
        "{dataset}: {} frames in {work:.2?}, idle run {:.2?}, {} skipped, {} objects not painted",
        first.work_done,
        idle.elapsed(),
        first.manifest.skipped.len(),
        first.manifest.findings.total(),
    );
    assert_eq!((second.work_done, second.reused), (0, first.work_done));
    assert_eq!(second.manifest, first.manifest);
    assert_eq!(Manifest::read(out).unwrap(), first.manifest);
    first
}

fn frames(manifest: &Manifest) -> [usize; 3] {
    [Split::Train, Split::Val, Split::Test].map(|split| manifest.entries(split).len())
}

/// The hash is that of the image which Pillow 6.2.2 draws by the official tool's steps.
#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_full_annotation_is_the_official_mask() {
    let data = shared_data();
    let path = data.join("idd-polygon-sample/frame0029_gtFine_polygons.json");
    let map = LabelMap::builtin("idd-level3").unwrap();
    let annotation = Annotation::parse(&std::fs::read(&path).unwrap(), &path, &map).unwrap();
    assert_eq!((annotation.width, annotation.height), (1920, 1080));
    let counts = annotation.finding_counts();
    assert_eq!((annotation.objects.len(), counts.deleted, counts.total()), (197, 30, 30));
    let begin = Instant::now();
    let mask = rasterise(&annotation, &map, Rule::Pillow6);
    println!("197 polygons at 1920x1080 in {:.2?}", begin.elapsed());
    let hash: Vec<u8> = Sha256::digest(mask.ids()).to_vec();
    assert_eq!(hash[..8], OFFICIAL_HASH);
}
const OFFICIAL_HASH: [u8; 8] = [0xb3, 0xae, 0x5a, 0x68, 0xa8, 0x51, 0xef, 0xa5];

/// The full annotation with a frame of its size, as a tree of IDD.
#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_full_annotation_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let name = "frame0029_gtFine_polygons.json";
    let json = std::fs::read(shared_data().join("idd-polygon-sample").join(name)).unwrap();
    let folders = ["gtFine/train/1", "leftImg8bit/train/1"].map(|folder| dir.path().join(folder));
    for folder in &folders {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(folders[0].join(name), &json).unwrap();
    let frame = image::GrayImage::from_fn(1920, 1080, |x, y| [(x / 10 + y / 20) as u8].into());
    frame.save(folders[1].join("frame0029_leftImg8bit.png")).unwrap();

    let spec = check::dataset(dir.path()).unwrap();
    assert_eq!(spec.name, "idd");
    let report = check::check(dir.path(), &spec, None, &|_| {}).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["objects"].as_array().unwrap().len(), 227);
    assert!(report.findings.iter().all(|finding| json.pointer(&finding.pointer).is_some()));
    let counts: Vec<_> = report.counts().iter().map(|(kind, n)| (kind.name(), *n)).collect();
    let expected = [
        ("self-crossing", 1),
        ("hidden-object", 2),
        ("deleted", 30),
        ("repeated-points", 17),
        ("closed-outline", 5),
    ];
    assert_eq!(counts, expected);
}

/// Traced from label images: single pixels and lines of them are outlines without an area.
#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_assignment_mini_is_checked() {
    let raw = unpack(&shared_data().join("assignment-mini.zip"));
    let spec = check::dataset(raw.path()).unwrap();
    assert_eq!(spec.name, "assignment");
    let begin = Instant::now();
    let report = check::check(raw.path(), &spec, None, &|_| {}).unwrap();
    println!("{} frames checked in {:.2?}", report.frames(), begin.elapsed());
    assert_eq!(report.frames(), 400);
    let counts: Vec<_> = report.counts().iter().map(|(kind, n)| (kind.name(), *n)).collect();
    let expected = [("zero-area", 9213), ("repeated-points", 8796), ("closed-outline", 4276)];
    assert_eq!(counts, expected);
}

/// The polygons of assignment-mini were traced from IDD-Lite's label images, so filling them must
/// give these images back.
#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_polygons_and_label_images_agree() {
    let data = shared_data();
    let polygons = unpack(&data.join("assignment-mini.zip"));
    let images = unpack(&data.join("idd-lite-dev.zip"));
    let out = tempfile::tempdir().unwrap();
    let manifest = prepare_timed("assignment", polygons.path(), out.path()).manifest;
    let level1 = level1_of_assignment();
    let (mut same, mut pixels, mut compared) = (0_u64, 0_u64, 0);
    for entry in manifest.splits.values().flatten() {
        let ours = Mask::read(&out.path().join(&entry.mask), &manifest.classes).unwrap();
        let name = format!("{}/{}_label.png", entry.drive, entry.frame);
        let theirs = ["train", "val"]
            .map(|split| images.path().join("idd20k_lite/gtFine").join(split).join(&name))
            .into_iter()
            .find(|path| path.exists())
            .unwrap();
        let theirs = Mask::from_png(&std::fs::read(&theirs).unwrap(), &theirs).unwrap();
        assert_eq!((ours.width(), ours.height()), (theirs.width(), theirs.height()));
        let pairs = ours.ids().iter().zip(theirs.ids());
        same += pairs.filter(|(a, b)| level1[&ClassId(**a)].0 == **b).count() as u64;
        pixels += ours.ids().len() as u64;
        compared += 1;
    }
    let agreement = 100.0 * same as f64 / pixels as f64;
    println!("{compared} frames: {agreement:.4}% of {pixels} pixels agree");
    assert_eq!(compared, 400);
    assert!(agreement >= 99.9, "{agreement}");
}

/// The level 1 class of each class of the assignment, by way of the labels; unlabeled is void.
fn level1_of_assignment() -> BTreeMap<ClassId, ClassId> {
    let assignment = LabelMap::builtin("assignment-21").unwrap();
    let level1 = LabelMap::builtin("idd-level1").unwrap();
    let mut map = BTreeMap::new();
    for label in LabelTable::idd().labels() {
        let classes = (assignment.class_of_label(&label.name), level1.class_of_label(&label.name));
        if let (Some(from), Some(to)) = classes {
            assert_eq!(*map.entry(from).or_insert(to), to, "{}", label.name);
        }
    }
    assert_eq!(map[&ClassId(0)], ClassId::VOID);
    map
}

#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_assignment_mini_is_prepared() {
    let data = shared_data();
    let (raw, out) = (unpack(&data.join("assignment-mini.zip")), tempfile::tempdir().unwrap());
    let manifest = prepare_timed("assignment", raw.path(), out.path()).manifest;
    let [train, val, test] = frames(&manifest);
    assert_eq!((train + val, val, test), (400, 80, 0));
    assert_eq!((manifest.skipped.len(), manifest.findings.total()), (0, 0));
    let drives = |split| manifest.entries(split).iter().map(|e| &e.drive).collect::<Vec<_>>();
    assert!(drives(Split::Val).iter().all(|drive| !drives(Split::Train).contains(drive)));
}

#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_idd_lite_is_prepared() {
    let data = shared_data();
    let (raw, out) = (unpack(&data.join("idd-lite-dev.zip")), tempfile::tempdir().unwrap());
    let manifest = prepare_timed("idd-lite", raw.path(), out.path()).manifest;
    assert_eq!(frames(&manifest), [1203, 200, 0]);
    assert_eq!(manifest.left_out, BTreeMap::from([("test".to_owned(), 404)]));
    assert!(manifest.skipped.is_empty(), "{:?}", manifest.skipped);
}

#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_camvid_is_prepared() {
    let data = shared_data();
    let (raw, out) = (unpack(&data.join("camvid-trainval.zip")), tempfile::tempdir().unwrap());
    let manifest = prepare_timed("camvid", raw.path(), out.path()).manifest;
    assert_eq!(frames(&manifest), [367, 101, 0]);
    let drives: Vec<_> = manifest.entries(Split::Train).iter().map(|e| e.drive.as_str()).collect();
    assert!(drives.contains(&"0001TP") && drives.contains(&"0006R0"));
    assert!(manifest.skipped.is_empty(), "{:?}", manifest.skipped);
}

/// What `canet check --init` drafts finds every frame, and is prepared like the project's own files.
#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_drafts_find_all_frames() {
    let data = shared_data();
    for (archive, frames, labelled, map, classes) in [
        ("assignment-mini.zip", 400, 400, "assignment-21", 8),
        ("idd-lite-dev.zip", 1403, 1403, "idd-lite-7", 7),
        ("camvid-trainval.zip", 468, 468, "camvid-11", 11),
    ] {
        let (raw, out) = (unpack(&data.join(archive)), tempfile::tempdir().unwrap());
        let begin = Instant::now();
        let options = DraftOptions { out: out.path().to_owned(), force: false };
        let drafted = draft(raw.path(), &options).unwrap();
        println!("{archive}: drafted in {:.2?}: {:?}", begin.elapsed(), drafted.notes);
        assert_eq!(drafted.frames.values().sum::<usize>(), frames);
        assert_eq!((drafted.labelled, drafted.nearest), (labelled, Some(map)));
        assert_eq!(drafted.classes.len(), classes);
        let spec = DatasetSpec::from_file(&drafted.dataset).unwrap();
        let options = PrepareOptions::new(out.path().join("prepared"));
        let manifest = prepare(raw.path(), &spec, &options, &|_| {}).unwrap().manifest;
        assert_eq!(manifest.splits.values().map(Vec::len).sum::<usize>(), labelled);
        assert!(manifest.skipped.is_empty(), "{:?}", manifest.skipped);
        assert_eq!(manifest.findings.total(), 0);
    }
}
