//! Archives that mean no harm. Those that do are a corpus of `canet-hostile`.

use std::io::Cursor;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn files(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Every path below a folder, relative to it, sorted.
fn tree(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            paths.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    paths.sort();
    paths
}

fn unpacked(archive: &[u8]) -> (TempDir, Result<Unpacked>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    fs::write(&path, archive).unwrap();
    fs::create_dir(dir.path().join("cache")).unwrap();
    let result = unpack(&path, &dir.path().join("cache/raw"), Limits::default());
    (dir, result)
}

#[test]
fn good_archives_of_each_kind_unpack_to_the_same_tree() {
    let entries: [(&str, &[u8]); 4] = [
        ("data/images/0/a.jpg", b"jpg"),
        ("data/masks/0/a.json", b"{}"),
        ("data/readme.txt", b"no use"),
        ("__MACOSX/data/images/0/._a.jpg", b"shadow"),
    ];
    let tar = files(&entries);
    for (kind, archive) in [("zip", zip_of(&entries)), ("tar.gz", gz(&tar)), ("tar", tar)] {
        let (dir, result) = unpacked(&archive);
        assert_eq!(result.unwrap(), Unpacked::Now { files: 2, others: 2 }, "{kind}");
        let raw = dir.path().join("cache/raw");
        let found: Vec<_> = tree(&raw).into_iter().filter(|p| p.contains('.')).collect();
        assert_eq!(found, ["data/images/0/a.jpg", "data/masks/0/a.json"], "{kind}");
        assert_eq!(fs::read(raw.join("data/images/0/a.jpg")).unwrap(), b"jpg");
        assert_eq!(tree(&dir.path().join("cache"))[0], "raw", "no temporary folder is left");
        let again = unpack(&dir.path().join("archive"), &raw, Limits::default()).unwrap();
        assert_eq!(again, Unpacked::Before);
    }
}

#[test]
fn what_a_killed_run_left_is_not_taken_for_whole() {
    let (dir, result) = unpacked(b"not an archive");
    assert!(result.is_err());
    let left = dir.path().join("cache/raw.unpacking/old.jpg");
    fs::create_dir(left.parent().unwrap()).unwrap();
    fs::write(left, b"half").unwrap();
    fs::write(dir.path().join("archive"), zip_of(&[("a.png", b"x")])).unwrap();
    unpack(&dir.path().join("archive"), &dir.path().join("cache/raw"), Limits::default()).unwrap();
    assert_eq!(tree(&dir.path().join("cache")), ["raw", "raw/a.png"]);
}

#[test]
fn archives_have_fingerprints_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zip");
    fs::write(&path, b"one").unwrap();
    let one = fingerprint(&path).unwrap();
    assert_eq!(fingerprint(&path).unwrap(), one);
    fs::write(&path, b"two").unwrap();
    assert_ne!(fingerprint(&path).unwrap(), one);
    let error = fingerprint(dir.path()).unwrap_err();
    assert_eq!(crate::fault::of(&error).exit_code(), 2);
}
