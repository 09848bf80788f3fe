//! A batch in blocks of pixels, and the softmax of a block.

use candle_core::Result;
use rayon::prelude::*;

use crate::graph::Value;
use crate::math::Math;
use crate::simd;

/// Pixels a task works on at a time: its exponentials stay in a second-level cache.
pub(super) const BLOCK: usize = 1024;

/// The size of a batch of logits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) images: usize,
    pub(super) classes: usize,
    /// Of an image.
    pub(super) pixels: usize,
}

impl Size {
    pub(super) fn of(logits: &Value) -> Result<Self> {
        let (images, classes, h, w) = logits.dims4()?;
        Ok(Self { images, classes, pixels: h * w })
    }

    /// The number of logits.
    pub(super) fn elements(self) -> usize {
        self.images * self.classes * self.pixels
    }

    /// What `work` makes of each block, in reading order; a thread makes its workplace with `init`.
    pub(super) fn map_blocks<S, R: Send>(
        self,
        init: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, Place) -> R + Sync,
    ) -> Vec<R> {
        fn share<S, R: Send>(
            count: usize,
            init: &(dyn Fn() -> S + Sync),
            work: &(dyn Fn(&mut S, usize) -> R + Sync),
        ) -> Vec<R> {
            (0..count).into_par_iter().map_init(init, work).collect()
        }

        let blocks = self.pixels.div_ceil(BLOCK);
        let place = |i: usize| {
            let (image, first) = (i / blocks, i % blocks * BLOCK);
            Place { size: self, image, first, len: BLOCK.min(self.pixels - first) }
        };
        share(self.images * blocks, &init, &|workplace, i| work(workplace, place(i)))
    }
}

/// Where a block lies: some pixels of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) size: Size,
    image: usize,
    first: usize,
    pub(super) len: usize,
}

impl Place {
    /// The block's part of what has one element a pixel.
    pub(super) fn of<U>(self, pixels: &[U]) -> &[U] {
        &pixels[self.image * self.size.pixels + self.first..][..self.len]
    }

    /// Where the block starts in the plane of a class.
    #[inline(always)]
    pub(super) fn plane(self, class: usize) -> usize {
        (self.image * self.size.classes + class) * self.size.pixels + self.first
    }
}

/// The softmax of a block, and what a thread keeps for it. Values of a class are `BLOCK` apart.
pub(super) struct Softmax<T> {
    classes: usize,
    /// `exp(logit - largest logit of the pixel)`, class by class.
    pub(super) values: Vec<T>,
    largest: [T; BLOCK],
    /// Of the exponentials.
    pub(super) sums: [T; BLOCK],
    /// The logarithms of the sums.
    pub(super) logs: [T; BLOCK],
    /// How far the target's logit is below the largest; 0 where the target is no class. With the
    /// logarithm of the sum it is `-log softmax`.
    pub(super) shortfalls: [T; BLOCK],
}

impl<T: Math> Softmax<T> {
    pub(super) fn new(classes: usize) -> Self {
        let [largest, sums, logs, shortfalls] = [[T::ZERO; BLOCK]; 4];
        Self { classes, values: vec![T::ZERO; classes * BLOCK], largest, sums, logs, shortfalls }
    }

    /// Of the block at `place` of `logits`, whose targets are these.
    pub(super) fn take(&mut self, logits: &[T], targets: &[u8], place: Place) {
        simd::vectorised(
            #[inline(always)]
            || self.load(logits, place),
        );
        for (i, &target) in targets.iter().enumerate() {
            let class = usize::from(target);
            let is_class = class < self.classes;
            self.shortfalls[i] =
                if is_class { self.largest[i] - self.values[class * BLOCK + i] } else { T::ZERO };
        }
        simd::vectorised(
            #[inline(always)]
            || self.exponentiate(place.len),
        );
    }

    /// Copies the logits, whose planes may lie so that a cache could not hold them together, and
    /// finds the largest of each pixel.
    #[inline(always)]
    fn load(&mut self, logits: &[T], place: Place) {
        let largest = &mut self.largest[..place.len];
        largest.fill(T::LOWEST);
        for (class, values) in self.values.chunks_exact_mut(BLOCK).enumerate() {
            let logits = &logits[place.plane(class)..][..place.len];
            for ((to, largest), &v) in values.iter_mut().zip(&mut *largest).zip(logits) {
                *to = v;
                *largest = v.larger(*largest);
            }
        }
    }

    #[inline(always)]
    fn exponentiate(&mut self, len: usize) {
        let sums = &mut self.sums[..len];
        sums.fill(T::ZERO);
        for values in self.values.chunks_exact_mut(BLOCK) {
            for ((v, sum), &largest) in values.iter_mut().zip(&mut *sums).zip(&self.largest) {
                *v = (*v - largest).exp();
                *sum += *v;
            }
        }
        self.logs.iter_mut().zip(sums).for_each(|(log, sum)| *log = sum.ln());
    }

    /// Multiplies the values of each pixel by its factor.
    #[inline(always)]
    pub(super) fn multiply(&mut self, factors: &[T]) {
        for values in self.values.chunks_exact_mut(BLOCK) {
            values.iter_mut().zip(factors).for_each(|(v, &factor)| *v *= factor);
        }
    }
}
