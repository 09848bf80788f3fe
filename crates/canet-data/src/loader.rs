//! Batches for training and frames for evaluation, read ahead on threads.
//!
//! What comes out is a function of the data, the options and the position alone: any number of
//! threads gives the same batches, and a loader that starts at batch `k` goes on as one that has come
//! there. A frame that cannot be read is an error at its place; the batches after it are not moved.

use std::sync::Arc;

use crate::Error;
use crate::augment::{Augmenter, Donors};
use crate::dataset::{Dataset, Frame};
use crate::draw::Draws;
use crate::prefetch::Prefetch;

/// Frames of one size, ready for the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which frames of the data set these are.
    pub indices: Vec<usize>,
    /// Width of each frame.
    pub width: u32,
    /// Height of each frame.
    pub height: u32,
    /// The pictures, one after the other: (N, H, W, 3).
    pub images: Vec<u8>,
    /// The masks, one after the other: (N, H, W).
    pub masks: Vec<u8>,
}

/// How batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Frames in a batch; at least one is taken.
    pub batch: usize,
    /// Seed of the order and of all augmentation.
    pub seed: u64,
    /// Each epoch has its own order and its own augmentation.
    pub epoch: u32,
    /// The batch to begin with: 0, or more to go on within an epoch.
    pub first_batch: usize,
    /// Threads that read and augment; at least one is used.
    pub threads: usize,
    /// How many batches may wait ahead of the one in use; at least one.
    pub prefetch: usize,
}

/// How many batches an epoch of `frames` frames has. Frames that do not fill a last batch are left
/// out (the next epoch has another order); fewer frames than a batch repeat until one is full.
pub fn batches_per_epoch(frames: usize, batch: usize) -> usize {
    (frames / batch.max(1)).max(usize::from(frames > 0))
}

/// The batches of one epoch, from `first_batch` on.
pub struct Loader {
    dataset: Arc<Dataset>,
    samples: Prefetch<Result<(usize, Frame), Error>>,
    batch: usize,
}

impl Loader {
    /// Starts reading.
    pub fn new(dataset: Arc<Dataset>, augmenter: Augmenter, options: LoaderOptions) -> Self {
        let LoaderOptions { seed, epoch, threads, first_batch, .. } = options;
        let batch = options.batch.max(1);
        let n = dataset.len();
        let order = Draws::new(seed, epoch, 0, "order").permutation(n);
        let left = batches_per_epoch(n, batch).saturating_sub(first_batch);
        let source = Arc::clone(&dataset);
        // Samples, not batches, are the jobs: threads then share the work of the very first batch.
        let ahead = options.prefetch.max(1) * batch;
        let samples = Prefetch::new(left * batch, threads, ahead, move |job| {
            let position = first_batch * batch + job;
            let index = order[position % n];
            let frame = source.read(index)?;
            // A frame that repeats to fill a batch is another sample, drawn for on its own.
            let sample = (position / n * n + index) as u64;
            let donors = Donors { count: n, own: index, read: &|index| source.read(index) };
            Ok((index, augmenter.apply(&frame, &donors, seed, epoch, sample)?))
        });
        Self { dataset, samples, batch }
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // All samples of a bad batch are taken too, so that the next batch begins at its own.
        let samples: Vec<_> = self.samples.by_ref().take(self.batch).collect();
        if samples.is_empty() {
            return None;
        }
        Some(samples.into_iter().collect::<Result<Vec<_>, _>>().and_then(|s| self.stack(&s)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.samples.len() / self.batch;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Loader {}

impl Loader {
    fn stack(&self, samples: &[(usize, Frame)]) -> Result<Batch, Error> {
        let mut batch = Batch {
            indices: Vec::new(),
            width: 0,
            height: 0,
            images: Vec::new(),
            masks: Vec::new(),
        };
        for (index, frame) in samples {
            let (width, height) = frame.image.dimensions();
            if batch.indices.is_empty() {
                (batch.width, batch.height) = (width, height);
            }
            if (width, height) != (batch.width, batch.height) {
                return Err(Error::Frame {
                    path: self.dataset.entry(*index).image.clone().into(),
                    reason: format!(
                        "is {width}x{height} after augmentation, but its batch is {}x{}; \
                         set a crop, or a base size and no scale",
                        batch.width, batch.height
                    ),
                });
            }
            batch.indices.push(*index);
            batch.images.extend_from_slice(frame.image.as_raw());
            batch.masks.extend_from_slice(frame.mask.ids());
        }
        Ok(batch)
    }
}

/// Every frame of a data set once, in the order of the manifest, at its stored size.
pub struct Frames(Prefetch<Result<(usize, Frame), Error>>);

impl Frames {
    /// Starts reading on `threads` threads, at most `prefetch` frames ahead.
    pub fn new(dataset: Arc<Dataset>, threads: usize, prefetch: usize) -> Self {
        let jobs = dataset.len();
        Self(Prefetch::new(jobs, threads, prefetch, move |index| Ok((index, dataset.read(index)?))))
    }
}

impl Iterator for Frames {
    type Item = Result<(usize, Frame), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Frames {}

#[cfg(test)]
mod tests;
