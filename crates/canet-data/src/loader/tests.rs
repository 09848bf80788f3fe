use tempfile::TempDir;

use super::*;
use crate::augment::{Augment, Blur, CopyRare, CropChoice, Jitter};
use crate::dataset::tests::prepared;

fn dataset(sizes: &[(u32, u32)]) -> (TempDir, Arc<Dataset>) {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path(), sizes);
    let data = Dataset::open(dir.path(), "train").unwrap();
    (dir, Arc::new(data))
}

fn augment() -> Augment {
    Augment {
        scale: (0.5, 2.0),
        crop: Some((8, 6)),
        flip: 0.5,
        jitter: Jitter { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.1 },
        blur: Blur { chance: 0.5, radius: (0.3, 1.0) },
        crop_choice: CropChoice { tries: 3, most: 0.75, ..CropChoice::default() },
        copy_rare: CopyRare { chance: 0.5, classes: vec!["sky".into()], donors: 2 },
        ..Augment::default()
    }
}

fn options() -> LoaderOptions {
    LoaderOptions { batch: 3, seed: 7, epoch: 1, first_batch: 0, threads: 2, prefetch: 2 }
}

fn loader(data: &Arc<Dataset>, augment: &Augment, options: LoaderOptions) -> Loader {
    Loader::new(Arc::clone(data), augment.resolve(data.classes()).unwrap(), options)
}

fn batches(data: &Arc<Dataset>, options: LoaderOptions) -> Vec<Batch> {
    loader(data, &augment(), options).collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_number_of_threads_does_not_show() {
    let (_dir, data) = dataset(&[(12, 9); 17]);
    let expected = batches(&data, LoaderOptions { threads: 1, ..options() });
    assert_eq!(expected.len(), 5);
    let first = &expected[0];
    assert_eq!((first.images.len(), first.masks.len()), (3 * 8 * 6 * 3, 3 * 8 * 6));
    for (threads, prefetch) in [(0, 0), (2, 1), (2, 2), (4, 3), (32, 100)] {
        let found = batches(&data, LoaderOptions { threads, prefetch, ..options() });
        assert_eq!(found, expected, "{threads} threads, {prefetch} ahead");
    }
}

#[test]
fn a_loader_goes_on_where_another_stopped() {
    let (_dir, data) = dataset(&[(12, 9); 17]);
    let expected = batches(&data, options());
    for first_batch in 0..=6 {
        let found = batches(&data, LoaderOptions { first_batch, ..options() });
        assert_eq!(found, expected[first_batch.min(5)..], "from {first_batch}");
    }
}

#[test]
fn an_epoch_has_each_frame_at_most_once_and_its_own_order() {
    let (_dir, data) = dataset(&[(12, 9); 17]);
    let order = |epoch| -> Vec<usize> {
        let batches = batches(&data, LoaderOptions { epoch, ..options() });
        batches.into_iter().flat_map(|b| b.indices).collect()
    };
    let mut seen = order(1);
    assert_ne!(seen, order(2));
    assert_eq!(seen, Draws::new(7, 1, 0, "order").permutation(17)[..15]);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 15);
}

#[test]
fn too_few_frames_repeat_to_fill_one_batch() {
    for (frames, batch, expected) in
        [(17, 3, 5), (3, 3, 1), (2, 3, 1), (1, 8, 1), (0, 3, 0), (4, 0, 4)]
    {
        assert_eq!(batches_per_epoch(frames, batch), expected, "{frames} by {batch}");
    }
    let (_dir, data) = dataset(&[(12, 9); 2]);
    let found = batches(&data, LoaderOptions { batch: 6, ..options() });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].indices.iter().filter(|&&i| i == 0).count(), 3);
    let frame = |k: usize| &found[0].images[k * 144..][..144];
    let first = found[0].indices[0];
    let again = (1..6).find(|&k| found[0].indices[k] == first).unwrap();
    assert_ne!(frame(0), frame(again), "repeats are augmented on their own");
}

#[test]
fn an_error_stands_at_its_place() {
    let (dir, data) = dataset(&[(12, 9); 9]);
    // A broken frame that others copy from is an error at their places, too.
    let augment = Augment { copy_rare: CopyRare::default(), ..augment() };
    let expected: Vec<Batch> =
        loader(&data, &augment, options()).collect::<Result<_, _>>().unwrap();
    let bad = expected[1].indices[2];
    std::fs::write(dir.path().join(&data.entry(bad).image), b"not a picture").unwrap();
    for threads in [1, 4] {
        let loader = loader(&data, &augment, LoaderOptions { threads, ..options() });
        let found: Vec<_> = loader.collect();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].as_ref().unwrap(), &expected[0]);
        let error = found[1].as_ref().unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:03}.png")), "{error}");
        assert_eq!(found[2].as_ref().unwrap(), &expected[2]);
    }
}

#[test]
fn frames_of_several_sizes_need_a_crop() {
    let (_dir, data) = dataset(&[(12, 9), (12, 9), (9, 12)]);
    let mut loader = loader(&data, &Augment::default(), options());
    let error = loader.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("set a crop"), "{error}");
    assert_eq!(batches(&data, options()).len(), 1);
}

#[test]
fn dropping_a_loader_midway_does_not_hang() {
    let (_dir, data) = dataset(&[(12, 9); 17]);
    for taken in 0..3 {
        let mut loader = loader(&data, &augment(), LoaderOptions { threads: 5, ..options() });
        for _ in 0..taken {
            loader.next().unwrap().unwrap();
        }
        assert_eq!(loader.len(), 5 - taken);
        drop(loader);
        assert_eq!(Arc::strong_count(&data), 1, "all workers have ended");
    }
}

#[test]
fn evaluation_sees_every_frame_once_in_order() {
    let sizes = [(12, 9), (5, 5), (9, 12), (1, 1), (30, 2)];
    let (_dir, data) = dataset(&sizes);
    for threads in [1, 3] {
        let frames: Vec<_> =
            Frames::new(Arc::clone(&data), threads, 2).collect::<Result<_, _>>().unwrap();
        assert_eq!(frames.len(), sizes.len());
        for (place, (index, frame)) in frames.iter().enumerate() {
            assert_eq!((*index, frame.image.dimensions()), (place, sizes[place]));
            assert_eq!(*frame, data.read(place).unwrap());
        }
    }
}
