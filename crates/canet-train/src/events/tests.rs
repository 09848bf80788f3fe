use super::*;

fn records(path: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    Records::open(path, |record| all.push(record.to_owned())).unwrap();
    all
}

/// An event without its time: what lies behind the first field.
fn timeless(record: &[u8]) -> &[u8] {
    assert_eq!(record[0], 0x09, "the time comes first");
    &record[9..]
}

/// The bytes that TensorFlow's own classes give for the same events, in `tests/readers/make_event_goldens.py`.
#[test]
fn events_are_the_bytes_of_tensorflow() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = EventFile::begin(dir.path(), 1).unwrap();
    file.scalars(300, &[("train/loss", 0.5), ("train/rate", 1e-3)]).unwrap();
    file.image(300, "val/strips", (300, 2), b"\x89PNG").unwrap();
    let histogram = Histogram {
        min: -1.0,
        max: 2.0,
        sum: 1.5,
        sum_of_squares: 4.25,
        limits: vec![0.5, 2.0],
        counts: vec![3, 1],
    };
    file.histograms(300, [("weights/a", &histogram)]).unwrap();
    file.text(0, "config", "seed = 0").unwrap();
    let written = records(&dir.path().join(name(1)));
    let goldens: Vec<Vec<u8>> = include_str!("goldens.txt").lines().map(unhex).collect();
    assert_eq!(goldens.len(), 5);
    assert_eq!(written.len(), 5);
    for (i, (written, golden)) in written.iter().zip(&goldens).enumerate() {
        assert_eq!(timeless(written), timeless(golden), "event {i}");
    }
}

fn unhex(line: &str) -> Vec<u8> {
    let digits = |i: usize| u8::from_str_radix(&line[i..i + 2], 16).unwrap();
    (0..line.len()).step_by(2).map(digits).collect()
}

#[test]
fn who_goes_on_begins_a_file_and_cuts_the_torn_one() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join(name(1));
    let mut file = EventFile::begin(dir.path(), 1).unwrap();
    file.scalars(1, &[("a", 1.0)]).unwrap();
    file.scalars(2, &[("a", 2.0)]).unwrap();
    drop(file);
    let whole = std::fs::read(&first).unwrap();
    std::fs::write(&first, &whole[..whole.len() - 3]).unwrap();
    // What is no event file is left alone.
    std::fs::write(dir.path().join("events.out.tfevents.x"), b"x").unwrap();
    EventFile::begin(dir.path(), 2).unwrap();
    assert_eq!(records(&first).len(), 2, "the torn event of step 2 is gone");
    assert!(std::fs::metadata(&first).unwrap().len() < whole.len() as u64 - 3);
    let second = records(&dir.path().join(name(2)));
    // Step 2; a session log (field 7) of two bytes: status (field 1) is START (1).
    assert_eq!(timeless(&second[1]), [0x10, 2, 0x3a, 2, 0x08, 1]);
    assert_eq!(second.len(), 2);
}
