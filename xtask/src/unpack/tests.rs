//! Archives that mean harm, and archives that do not.

use std::io::Cursor;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

/// Low limits, so that crossing them is cheap.
const LOW: Limits = Limits { entries: 20, bytes: 3 << 20, ratio: 200, ratio_from: 1 << 18 };

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Renames an entry behind the writer's back: both names must have the same length.
fn renamed(mut archive: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    for at in 0..archive.len().saturating_sub(from.len()) {
        if archive[at..].starts_with(from.as_bytes()) {
            archive[at..at + from.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "{from} is not there");
    archive
}

fn tar_entry(kind: tar::EntryType, name: &[u8], size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn tar_of(entries: &[(tar::EntryType, &[u8], &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (kind, name, bytes) in entries {
        let mut header = tar_entry(*kind, name, bytes.len() as u64);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_link_name("../../outside").unwrap();
            header.set_cksum();
        }
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn files(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<_> =
        entries.iter().map(|(n, b)| (tar::EntryType::Regular, n.as_bytes(), *b)).collect();
    tar_of(&entries)
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut draws = canet_data::draw::Draws::new(1, 0, 0, "noise");
    (0..count).map(|_| draws.bits() as u8).collect()
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
    let result = unpack(&path, &dir.path().join("cache/raw"), LOW);
    (dir, result)
}

/// The archive is refused for this reason, and nothing at all is written anywhere.
fn assert_refused(what: &str, archive: &[u8], reason: &str) {
    let (dir, result) = unpacked(archive);
    let error = format!("{:#}", result.map(|_| what).expect_err(what));
    assert!(error.contains(reason), "{what}: {error}");
    assert_eq!(tree(dir.path()), ["archive", "cache"], "{what}");
    let code = crate::fault::of(&unpack_error(archive)).exit_code();
    assert_eq!(code, 3, "{what}: {error}");
}

fn unpack_error(archive: &[u8]) -> anyhow::Error {
    unpacked(archive).1.expect_err("refused before")
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
        let again = unpack(&dir.path().join("archive"), &raw, LOW).unwrap();
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
    unpack(&dir.path().join("archive"), &dir.path().join("cache/raw"), LOW).unwrap();
    assert_eq!(tree(&dir.path().join("cache")), ["raw", "raw/a.png"]);
}

#[test]
fn hostile_zips_are_refused() {
    let plain = || zip_of(&[("ok/a.png", b"good"), ("XX/XX/b.png", b"bad")]);
    for (to, reason) in [
        ("../../b.png", "leads out"),
        ("/X/XX/b.png", "absolute"),
        ("C:/XX/b.png", "':'"),
        ("..\\XX\\b.png", "lead elsewhere"),
        ("XX/nul/.png", "device"),
        ("OK/A.PNG/.x", ""),
        ("XX/XX\0b.png", "lead elsewhere"),
    ] {
        if !reason.is_empty() {
            assert_refused(to, &renamed(plain(), "XX/XX/b.png", to), reason);
        }
    }
    let twice = zip_of(&[("a/1.png", b"one"), ("a/2.png", b"two")]);
    assert_refused("duplicate", &renamed(twice, "a/2.png", "a/1.png"), "same name");
    let case = zip_of(&[("a/x.png", b"one"), ("a/X.png", b"two")]);
    assert_refused("case", &case, "differ in case only");
    let late = zip_of(&[("a/x.png", b"one"), ("../notes.txt", b"two")]);
    assert_refused("escape of a file of no use", &late, "leads out");
    let bomb = zip_of(&[("a.png", &vec![0; 1 << 20])]);
    assert_refused("ratio", &bomb, "claims to grow");
    let many: Vec<String> = (0..21).map(|i| format!("{i}.png")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|n| (n.as_str(), &b""[..])).collect();
    assert_refused("entries", &zip_of(&many), "over 20 entries");
    let large = noise(2 << 20);
    assert_refused("total", &zip_of(&[("a.png", &large), ("b.png", &large)]), "the limit");
}

#[test]
fn zip_links_and_special_files_are_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("a", "../../outside", SimpleFileOptions::default()).unwrap();
    zip.start_file("a/x.png", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"through the link").unwrap();
    let linked = zip.finish().unwrap().into_inner();
    assert_refused("symlink then a file through it", &linked, "is a link");

    // The mode stands in the upper half of the external attributes, 38 bytes into a directory entry.
    let mut fifo = zip_of(&[("a.png", b"x")]);
    let at = fifo.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    fifo[at + 40..at + 42].copy_from_slice(&0o010_644_u16.to_le_bytes());
    assert_refused("fifo", &fifo, "is a special file");
}

#[test]
fn zips_that_lie_are_refused() {
    let body = noise(1000);
    let stored = || {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file("a.png", options).unwrap();
        zip.write_all(&body).unwrap();
        zip.finish().unwrap().into_inner()
    };
    let directory = |zip: &[u8]| zip.windows(4).position(|w| w == b"PK\x01\x02").unwrap();

    let mut flipped = stored();
    flipped[100] ^= 1;
    assert_refused("crc", &flipped, "entry \"a.png\" is damaged");

    for (what, size) in [("fewer bytes", 999_u32), ("more bytes", 1001)] {
        let mut lie = stored();
        let at = directory(&lie);
        lie[at + 24..at + 28].copy_from_slice(&size.to_le_bytes());
        assert_refused(what, &lie, "entry \"a.png\"");
    }

    // A zip64 size of 2^62, which the end of the file contradicts.
    let mut huge = stored();
    let at = directory(&huge);
    huge[at + 24..at + 28].copy_from_slice(&[0xff; 4]);
    assert_refused("zip64 without its field", &huge, "");

    let mut count = stored();
    let end = count.len() - 22;
    count[end + 8..end + 12].copy_from_slice(&[0xff; 4]);
    assert_refused("a directory that claims 65535 entries", &count, "damaged");

    let whole = stored();
    for cut in [10, 500, whole.len() - 30, whole.len() - 1] {
        assert_refused("cut", &whole[..cut], "damaged");
    }

    // Two entries of the directory that point to the same bytes.
    let mut pair = zip_of(&[("a.png", &body), ("b.png", &body)]);
    let first = directory(&pair);
    let second = first + 46 + 5;
    let second = second + pair[second..].windows(4).position(|w| w == b"PK\x01\x02").unwrap_or(0);
    let offset: [u8; 4] = pair[first + 42..first + 46].try_into().unwrap();
    pair[second + 42..second + 46].copy_from_slice(&offset);
    assert_refused("overlap", &pair, "overlap");
}

#[test]
fn hostile_tars_are_refused() {
    use tar::EntryType::{Block, Char, Directory, Fifo, GNUSparse, Link, Regular, Symlink};
    for (what, entries, reason) in [
        ("escape", vec![(Regular, &b"../x.png"[..], &b"x"[..])], "leads out"),
        ("inner escape", vec![(Regular, b"a/../../x.png", b"x")], "leads out"),
        ("absolute", vec![(Regular, b"/tmp/x.png", b"x")], "absolute"),
        ("backslash", vec![(Regular, b"..\\x.png", b"x")], "lead elsewhere"),
        ("drive", vec![(Regular, b"c:x.png", b"x")], "':'"),
        ("folder", vec![(Directory, b"../up/", b"")], "leads out"),
        ("late", vec![(Regular, b"a.png", b"x"), (Regular, b"../x.png", b"x")], "leads out"),
        ("symlink", vec![(Symlink, b"a", b""), (Regular, b"a/x.png", b"x")], "is a link"),
        ("hard link", vec![(Link, b"a.png", b"")], "is a link"),
        ("fifo", vec![(Fifo, b"a.png", b"")], "special"),
        ("character device", vec![(Char, b"a.png", b"")], "special"),
        ("block device", vec![(Block, b"a.png", b"")], "special"),
        ("sparse", vec![(GNUSparse, b"a.png", b"")], ""),
        ("twice", vec![(Regular, b"a.png", b"x"), (Regular, b"./a.png", b"y")], "twice"),
        ("case", vec![(Regular, b"a.png", b"x"), (Regular, b"A.png", b"y")], "case only"),
        ("device", vec![(Regular, b"com1.json", b"x")], "device"),
        ("file as folder", vec![(Regular, b"a.png", b""), (Regular, b"a.png/b.png", b"")], "one"),
        ("not utf-8", vec![(Regular, b"\xff.png", b"x")], "not UTF-8"),
    ] {
        let tar = tar_of(&entries);
        assert_refused(what, &tar, reason);
        assert_refused(what, &gz(&tar), reason);
    }
    let many: Vec<String> = (0..21).map(|i| format!("{i}.png")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|n| (n.as_str(), &b""[..])).collect();
    assert_refused("entries", &files(&many), "over 20 entries");
}

#[test]
fn tars_that_lie_are_refused() {
    let body = noise(2000);
    let whole = files(&[("a.png", &body), ("b.png", &body)]);
    // In a header, in a body, and between two entries, where all looks well.
    for cut in [0, 300, 1000, 512 + 2048, 512 + 2048 + 100] {
        assert!(unpacked(&whole[..cut]).1.is_err(), "{cut}");
        assert!(unpacked(&gz(&whole)[..cut.min(800)]).1.is_err(), "gz {cut}");
    }
    let mut claims = tar_entry(tar::EntryType::Regular, b"a.png", 1 << 60).as_bytes().to_vec();
    claims.extend([0; 1024]);
    assert_refused("a size of 2^60", &claims, "the limit");
    let mut longer = tar_entry(tar::EntryType::Regular, b"a.png", 1 << 20).as_bytes().to_vec();
    longer.extend([0; 1024]);
    assert_refused("more than there is", &longer, "");
    let mut sum = whole.clone();
    sum[150] ^= 1;
    assert_refused("checksum", &sum, "damaged");
    let mut crc = gz(&whole);
    let end = crc.len() - 8;
    crc[end] ^= 1;
    assert_refused("gzip checksum", &crc, "damaged");
    assert_refused("bomb", &gz(&files(&[("a.png", &vec![0; 2 << 20])])), "grows from");
    // A bomb in a file of no use, and in a name.
    assert_refused("other bomb", &gz(&files(&[("a", &vec![0; 2 << 20])])), "grows from");
    let mut name =
        tar_entry(tar::EntryType::GNULongName, b"././@LongLink", 2 << 20).as_bytes().to_vec();
    name.extend(vec![b'a'; 2 << 20]);
    name.extend(files(&[("a.png", b"x")]));
    assert_refused("name bomb", &gz(&name), "grows from");
}

#[test]
fn other_files_are_told_apart() {
    for (what, bytes, reason) in [
        ("empty", &b""[..], "an empty file"),
        ("page", b"\n <!doctype html><html>", "a web page"),
        ("7z", b"7z\xbc\xaf\x27\x1c", "--dir"),
        ("xz", b"\xfd7zXZ\0", "bzip2 or xz"),
        ("text", b"hello", "no zip, tar or tar.gz"),
        ("zip of nothing", &zip_of(&[]), "no jpg, png or json"),
        ("zip of text", &zip_of(&[("a.txt", b"x")]), "(1 others)"),
    ] {
        assert_refused(what, bytes, reason);
    }
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
