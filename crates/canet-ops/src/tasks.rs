//! Cutting work into tasks, by shape alone, so that any number of threads gives the same bits; and sharing them out.
//!
//! The thread pool sees each work as one of a few types: each other type would bring the pool's code once more.

use rayon::prelude::*;

use crate::simd;

/// Values of a task: enough to be worth handing over, few enough for all cores to get some.
pub(crate) const TASK: usize = 1 << 14;

/// Calls `work` with the number of each of `count` tasks. A thread takes one at a time: cores differ in pace, as
/// the threads beside them do, and rayon left to itself has two threads take a quarter of all at a time.
pub(crate) fn for_each_task(count: usize, work: impl Fn(usize) + Sync) {
    fn share(count: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..count).into_par_iter().with_max_len(1).for_each(work);
    }
    share(count, &work);
}

/// What `work` gives for the number of each of `count` tasks, in their order. A thread takes about `at_once` at a time.
pub(crate) fn map_tasks<R: Send>(
    count: usize,
    at_once: usize,
    work: impl Fn(usize) -> R + Sync,
) -> Vec<R> {
    fn share<R: Send>(count: usize, at_once: usize, work: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
        let tasks = (0..count).into_par_iter().with_min_len(at_once).with_max_len(at_once);
        tasks.map(work).collect()
    }
    share(count, at_once, &work)
}

/// Calls `work` with the number of each chunk of `len` values of `y`, and with the chunk. A thread takes about
/// `at_once` at a time.
pub(crate) fn for_chunks<T: Send>(
    y: &mut [T],
    len: usize,
    at_once: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    fn share<T: Send>(
        y: &mut [T],
        len: usize,
        at_once: usize,
        work: &(dyn Fn(usize, &mut [T]) + Sync),
    ) {
        let chunks = y.par_chunks_mut(len).with_min_len(at_once).with_max_len(at_once);
        chunks.enumerate().for_each(|(i, chunk)| work(i, chunk));
    }
    share(y, len, at_once, &work);
}

/// Calls `work(number of the row, row)` for all rows of `width` values of `y`, whose values cost
/// about `cost` simple steps each.
pub(crate) fn for_rows<T: Send>(
    y: &mut [T],
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    for_rows_with(
        y,
        width,
        cost,
        || (),
        #[inline(always)]
        |(), row, y| work(row, y),
    );
}

/// The same, where `work` needs a place to work in, which each task makes once with `place`.
pub(crate) fn for_rows_with<T: Send, P>(
    y: &mut [T],
    width: usize,
    cost: usize,
    place: impl Fn() -> P + Sync,
    work: impl Fn(&mut P, usize, &mut [T]) + Sync,
) {
    let rows = (TASK / (width * cost)).max(1);
    for_chunks(y, rows * width, 1, |task, y| {
        simd::vectorised(
            #[inline(always)]
            || {
                let mut place = place();
                for (row, y) in y.chunks_exact_mut(width).enumerate() {
                    work(&mut place, task * rows + row, y);
                }
            },
        );
    });
}

/// Works on several things, as many at a time as there are threads, and no more: a thread that waits
/// within one of them must not begin another, which would have to be held, too.
pub fn side_by_side<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let chunks = things.chunks(rayon::current_num_threads());
    chunks.flat_map(|chunk| chunk.par_iter().map(&work).collect::<Vec<_>>()).collect()
}
