use super::*;
use crate::hash::sha256;
use canet_core::{Fault, LabelMap};

fn small() -> Manifest {
    let classes = LabelMap::builtin("idd-lite-7").unwrap().classes().clone();
    let entry = Entry {
        drive: DriveId::new("7"),
        frame: FrameId::new("0001"),
        width: 4,
        height: 2,
        image: "images/train/7/0001.png".into(),
        mask: "masks/train/7/0001.png".into(),
        image_sha256: sha256(b"image"),
        mask_sha256: sha256(b"mask"),
        packed: None,
    };
    let mut statistics = SplitStatistics::of(&classes);
    statistics.add(&BTreeMap::from([(0, 5), (255, 3)]));
    let mut manifest = Manifest {
        format: FORMAT_LOOSE,
        dataset: "test".into(),
        classes,
        rule: "pillow-6".into(),
        resize: None,
        shards: Vec::new(),
        official_splits: false,
        seed: 1,
        val_share: 0.2,
        hash: String::new(),
        splits: BTreeMap::from([(Split::Train, vec![entry])]),
        statistics: BTreeMap::from([(Split::Train, statistics)]),
        findings: FindingCounts::default(),
        listed_findings: Vec::new(),
        skipped: Vec::new(),
        left_out: BTreeMap::new(),
    };
    manifest.hash = manifest.compute_hash();
    manifest
}

fn read(manifest: &[u8]) -> Result<Manifest, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE_NAME), manifest).unwrap();
    Manifest::read(dir.path()).map_err(|e| e.to_string())
}

#[test]
fn what_is_written_is_read_again() {
    let manifest = small();
    assert_eq!(read(&manifest.to_json()).unwrap(), manifest);
    assert_eq!(manifest.entries(Split::Train).len(), 1);
    assert_eq!(manifest.entries(Split::Val).len(), 0);
    let statistics = &manifest.statistics[&Split::Train];
    assert_eq!((statistics.pixels, statistics.void_pixels), (8, 3));
    assert_eq!((statistics.classes[0].pixels, statistics.classes[0].frames), (5, 1));
}

#[test]
fn absent_foreign_newer_and_changed_manifests_are_refused() {
    let text = String::from_utf8(small().to_json()).unwrap();
    for (text, needle) in [
        ("{".to_owned(), "is not a manifest"),
        ("{\"format\": 3}".to_owned(), "update the program"),
        ("{\"format\": 1}".to_owned(), "missing field"),
        (text.replace("\"width\": 4", "\"width\": 5"), "was changed"),
        (text.replace("\"width\": 4", "\"width\": -4"), "[0].width"),
        (text.replace("masks/train", "../masks/train"), "leads out"),
    ] {
        let error = read(text.as_bytes()).unwrap_err();
        assert!(error.contains(needle), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let error = Manifest::read(dir.path()).unwrap_err();
    assert!(error.to_string().contains("cargo xtask download-and-prepare"), "{error}");
    assert_eq!(error.fault(), Fault::Data);
}
