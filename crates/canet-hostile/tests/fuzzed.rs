//! The fuzz targets' bodies on seeded mutants, where no fuzzer is at hand. Those of annotations and
//! pictures have corpora of their own, in `annotations.rs` and `pictures.rs`.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::io::{Cursor, Write};

use canet_core::{ClassId, LabelMap, Mask};
use canet_data::draw::Draws;
use canet_hostile::peak::Counting;
use canet_hostile::{Mutator, Tally, bodies};
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::{SimpleFileOptions, ZipWriter};

#[global_allocator]
static COUNTING: Counting = Counting;

fn labels() -> LabelMap {
    LabelMap::builtin("idd-level3").unwrap()
}

#[test]
fn masks() {
    let labels = labels();
    let mut mask = Mask::filled(40, 30, ClassId(3));
    mask.ids_mut().iter_mut().enumerate().for_each(|(i, id)| *id = (i * i % 26) as u8);
    let files =
        [mask.to_png(labels.classes()), Mask::filled(5, 4, ClassId::VOID).to_png(labels.classes())];
    let mutator =
        Mutator { seed: 1, words: &[b"IDAT", b"IEND", b"PLTE", b"tRNS", b"acTL", b"fcTL"] };
    let mut tally = Tally::default();
    for number in 0..5000 {
        let mutant = mutator.mutant(&files[number as usize % 2], number);
        let fate = tally.case(|| bodies::mask(&mutant, &labels));
        assert!(fate.is_some(), "mutant {number}");
    }
    println!("masks, mutated: {tally}");
    assert!(tally.refused > 1000 && tally.accepted > 500 && tally.peak < 3_000_000, "{tally}");
}

#[test]
fn any_ids_survive_a_png() {
    let labels = labels();
    for number in 0..2000 {
        let mut draws = Draws::new(2, 0, number, "ids");
        let bytes: Vec<u8> = (0..draws.below(3000)).map(|_| draws.bits() as u8).collect();
        bodies::ids(&bytes, &labels);
    }
}

#[test]
fn any_mask_survives_its_polygons() {
    for number in 0..1500 {
        let mut draws = Draws::new(4, 0, number, "vector");
        let (width, classes) = (1 + draws.below(24) as u8, 1 + draws.below(5) as u8);
        let mut bytes = vec![width, classes];
        // Runs of one class: noise alone has no outlines worth the name.
        while bytes.len() < 400 {
            let (id, run) = (draws.bits() as u8, 1 + draws.below(9));
            bytes.extend(std::iter::repeat_n(id, run));
        }
        bodies::vectorised(&bytes);
    }
}

/// Archives of each kind, small enough to be mutated everywhere.
fn archives() -> Vec<Vec<u8>> {
    let files: [(&str, &[u8]); 3] = [
        ("data/a.png", b"not much of a picture"),
        ("data/b.json", b"{}"),
        ("data/c.txt", b"no use"),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&tar).unwrap();
    vec![zip.finish().unwrap().into_inner(), tar, gz.finish().unwrap()]
}

#[test]
fn archive_mutants() {
    let files = archives();
    let words: [&[u8]; 12] = [
        b"../",
        b"/",
        b"..\\",
        b"C:",
        b"\0",
        b"a.png",
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"ustar",
        b"././@LongLink",
    ];
    let mutator = Mutator { seed: 3, words: &words };
    let mut tally = Tally::default();
    for number in 0..3000 {
        let mutant = mutator.mutant(&files[number as usize % files.len()], number);
        let fate = tally.case(|| bodies::archive(&mutant));
        assert!(fate.is_some(), "mutant {number}");
    }
    println!("archives, mutated: {tally}");
    assert!(tally.refused > 500 && tally.accepted > 200 && tally.peak < 20_000_000, "{tally}");
}
