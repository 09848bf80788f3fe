//! Work done ahead on threads, delivered in order.
//!
//! A pool takes the jobs `0..n` in turn and the iterator yields their results in the same order, so
//! what comes out does not depend on how many threads there are or how fast each is. Jobs start only
//! within a window of `ahead` jobs from the next one to be delivered: that bounds the memory. Dropping
//! the iterator stops the pool and waits for the jobs in flight; a panic in a job comes back at that
//! job's place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::window::Window;

/// The results of `job(0), job(1), ... job(n - 1)`, in this order.
pub(crate) struct Prefetch<T> {
    shared: Arc<Shared<T>>,
    workers: Vec<thread::JoinHandle<()>>,
}

struct Shared<T> {
    job: Box<dyn Fn(usize) -> T + Send + Sync>,
    jobs: usize,
    /// The next job to be taken.
    next: Mutex<usize>,
    window: Window<T>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts `threads` workers (at least one) on `jobs` jobs, never more than `ahead` (at least one)
    /// from the one to be delivered next.
    pub(crate) fn new(
        jobs: usize,
        threads: usize,
        ahead: usize,
        job: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Self {
        let (job, next, window) = (Box::new(job), Mutex::new(0), Window::new(ahead));
        window.end(jobs);
        let shared = Arc::new(Shared { job, jobs, next, window });
        let mut workers = Vec::new();
        for number in 0..threads.clamp(1, jobs.max(1)) {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name(format!("prefetch-{number}"));
            match thread.spawn(move || shared.work()) {
                Ok(worker) => workers.push(worker),
                // The system has no more threads to give. Fewer do the same work; with none at all,
                // `next` does it itself.
                Err(error) => {
                    tracing::warn!("only {number} of {threads} loader threads started: {error}");
                    break;
                }
            }
        }
        Self { shared, workers }
    }
}

impl<T> Shared<T> {
    fn work(&self) {
        while let Some(place) = self.take() {
            self.run(place);
        }
    }

    fn take(&self) -> Option<usize> {
        // Who waits for room keeps the lock: the others are behind it in any case.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.window.has_room(*next).then(|| {
            *next += 1;
            *next - 1
        })
    }

    fn run(&self, place: usize) {
        self.window.put(place, catch_unwind(AssertUnwindSafe(|| (self.job)(place))));
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.workers.is_empty() {
            self.shared.run(self.shared.take()?);
        }
        self.shared.window.fetch()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.jobs - self.shared.window.fetched();
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Prefetch<T> {}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.shared.window.stop();
        for worker in self.workers.drain(..) {
            // A job's panic was caught and delivered; the worker itself has nothing that panics.
            worker.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Takes longer for early jobs, so that later ones overtake them.
    fn uneven(index: usize) -> usize {
        thread::sleep(Duration::from_micros((7 - index as u64 % 7) * 150));
        index * index
    }

    #[test]
    fn order_is_kept_for_any_number_of_threads_and_window() {
        let expected: Vec<usize> = (0..40).map(|i| i * i).collect();
        for threads in [0, 1, 2, 5, 64] {
            for ahead in [0, 1, 3, 100] {
                let found: Vec<usize> = Prefetch::new(40, threads, ahead, uneven).collect();
                assert_eq!(found, expected, "{threads} threads, {ahead} ahead");
            }
        }
        assert_eq!(Prefetch::new(0, 2, 2, uneven).next(), None);
    }

    #[test]
    fn no_more_than_the_window_is_begun() {
        let begun = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&begun);
        let mut work = Prefetch::new(1000, 4, 6, move |i| {
            counter.fetch_add(1, Ordering::SeqCst);
            i
        });
        for delivered in 1..50 {
            work.next();
            thread::sleep(Duration::from_micros(300));
            let begun = begun.load(Ordering::SeqCst);
            assert!(begun <= delivered + 6, "{begun} begun after {delivered}");
        }
        assert_eq!(work.len(), 1000 - 49);
    }

    #[test]
    fn dropping_midway_ends_the_workers() {
        for taken in [0, 1, 5] {
            let alive = Arc::new(0);
            let witness = Arc::clone(&alive);
            let mut work = Prefetch::new(10_000, 3, 4, move |i| uneven(i + *witness));
            for _ in 0..taken {
                work.next();
            }
            drop(work);
            // The job, and with it the witness, lives as long as any worker does.
            assert_eq!(Arc::strong_count(&alive), 1, "after {taken}");
        }
    }

    #[test]
    fn a_panic_arrives_at_its_place() {
        let mut work = Prefetch::new(10, 2, 4, |i| {
            assert!(i != 3, "job three");
            i
        });
        assert_eq!(work.by_ref().take(3).collect::<Vec<_>>(), [0, 1, 2]);
        let panic = catch_unwind(AssertUnwindSafe(|| work.next())).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"job three"));
        assert_eq!(work.collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
    }
}
