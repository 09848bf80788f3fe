//! Archives that mean harm: refused, with nothing left and nothing written elsewhere.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

#[path = "../common/mod.rs"]
mod common;
mod craft;
mod tars;
mod zips;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use canet_hostile::peak::{self, Counting};
use canet_hostile::{Fate, Tally, bodies, scratch};
use common::busy;
use craft::{end64, pieces, stored};
use xtask::unpack::{Limits, Unpacked, unpack};

#[global_allocator]
static COUNTING: Counting = Counting;

/// What one small archive may take in memory, whatever it claims.
const MOST_BYTES: usize = 20_000_000;

/// An archive, and what must become of it.
struct Case {
    what: String,
    bytes: Vec<u8>,
    expected: Expected,
}

#[derive(Clone, Copy)]
enum Expected {
    /// Refused with an error that says this.
    Refused(&'static str),
    /// Unpacked to as many files.
    Files(usize),
}

fn refused(what: impl Into<String>, bytes: Vec<u8>, reason: &'static str) -> Case {
    Case { what: what.into(), bytes, expected: Expected::Refused(reason) }
}

fn accepted(what: impl Into<String>, bytes: Vec<u8>, files: usize) -> Case {
    Case { what: what.into(), bytes, expected: Expected::Files(files) }
}

/// Files that are no archives at all.
fn strangers() -> Vec<Case> {
    vec![
        refused("nothing", Vec::new(), "an empty file"),
        refused("a page", b"\n <!doctype html><html>".to_vec(), "a web page"),
        refused("7z", b"7z\xbc\xaf\x27\x1c".to_vec(), "--dir"),
        refused("rar", b"Rar!\x1a\x07".to_vec(), "--dir"),
        refused("xz", b"\xfd7zXZ\0".to_vec(), "bzip2 or xz"),
        refused("text", b"hello".to_vec(), "no zip, tar or tar.gz"),
        refused("a zip of nothing", craft::zip(&[]), "no jpg, png or json"),
        refused("a zip of text", craft::zip(&[stored("a.txt", b"x")]), "(1 others)"),
    ]
}

/// Every file below a folder with its bytes.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap_or_default();
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
            }
        }
    }
    files
}

/// Tries one archive beside a file that must stay as it is. Returns the files that were unpacked.
fn try_one(case: &Case, tally: &mut Tally) -> (Option<Fate>, usize) {
    let dir = scratch();
    let (path, into) = (dir.path().join("a.archive"), dir.path().join("cache/raw"));
    fs::write(&path, &case.bytes).unwrap();
    fs::write(dir.path().join("outside.txt"), "as it was").unwrap();
    fs::create_dir(dir.path().join("cache")).unwrap();
    let before = content(dir.path());
    let fate = tally.case(|| match unpack(&path, &into, bodies::LOW) {
        Ok(Unpacked::Now { .. }) => Fate::Accepted,
        Ok(Unpacked::Before) => panic!("it was never unpacked before"),
        Err(error) => {
            assert_eq!(xtask::fault::of(&error), canet_core::Fault::Data, "{error:#}");
            Fate::Refused(format!("{error:#}"))
        }
    });
    let mut after = content(dir.path());
    let inside = after.extract_if(.., |path, _| path.starts_with("cache/raw")).count();
    let left = fs::read_dir(dir.path().join("cache")).unwrap().count();
    tally.outside += usize::from(after != before)
        + usize::from(left > usize::from(inside > 0))
        + usize::from(Path::new("/tmp/canet-hostile-evil.png").exists());
    (fate, inside)
}

#[test]
fn crafted_archives_are_refused_and_leave_nothing() {
    let (mut tally, mut kinds) = (Tally::default(), BTreeMap::<_, usize>::new());
    let mut wrong = Vec::new();
    for case in strangers().into_iter().chain(zips::cases()).chain(tars::cases()) {
        let (fate, files) = try_one(&case, &mut tally);
        *kinds.entry(case.what.split(':').next().unwrap().to_owned()).or_default() += 1;
        let as_it_should = match (&fate, case.expected) {
            (Some(Fate::Accepted), Expected::Files(expected)) => files == expected,
            (Some(Fate::Refused(error)), Expected::Refused(reason)) => {
                error.contains(reason) && error.len() < 700 && files == 0
            }
            _ => false,
        };
        if !as_it_should {
            wrong.push(format!("{}: {fate:?}, {files} files", case.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("archives: {tally}; {kinds:?}");
    assert_eq!((tally.crashed, tally.outside), (0, 0));
    assert!(tally.refused >= 100 && tally.accepted >= 10, "{tally}");
    assert!(tally.peak > 0 && tally.peak <= MOST_BYTES, "{tally}");
}

/// A zip of `count` empty files that are neither pictures nor annotations, and one picture.
fn of_many(count: u32) -> Vec<u8> {
    let mut entries: Vec<_> = (1..count).map(|i| stored(format!("{i:07}"), b"")).collect();
    entries.push(stored("a.png", b"x"));
    let (bodies, directory) = pieces(&entries);
    let (start, length) = (bodies.len() as u64, directory.len() as u64);
    [bodies, directory, end64(u64::from(count), length, start, start + length)].concat()
}

/// The limit on entries is one on memory too: a zip's directory is read whole.
#[test]
fn a_million_entries_are_bounded() {
    let limit = Limits::default().entries as u32;
    let dir = scratch();
    for (count, reason) in [(limit, None), (limit + 1, Some("entries"))] {
        let (path, into) = (dir.path().join("a.zip"), dir.path().join(format!("raw-{count}")));
        fs::write(&path, of_many(count)).unwrap();
        let size = fs::metadata(&path).unwrap().len();
        let ((result, most), time) = busy(|| peak::of(|| unpack(&path, &into, Limits::default())));
        println!("{count} entries in {size} bytes: at most {most} bytes more, {time:.1?}");
        match reason {
            None => {
                let expected = Unpacked::Now { files: 1, others: u64::from(count) - 1 };
                assert_eq!(result.unwrap(), expected);
                assert!(most < 600_000_000, "{most}");
            }
            Some(reason) => {
                let error = format!("{:#}", result.unwrap_err());
                assert!(error.contains(reason), "{error}");
                assert!(most < 10_000_000, "{most}");
                assert!(!into.exists());
            }
        }
    }
}
