//! Work done ahead on threads, delivered in order.
//!
//! A pool takes the jobs `0..n` in turn and the iterator yields their results in the same order, so
//! what comes out does not depend on how many threads there are or how fast each is. Jobs start only
//! within a window of `ahead` jobs from the next one to be delivered: that bounds the memory. Dropping
//! the iterator stops the pool and waits for the jobs in flight; a panic in a job comes back at that
//! job's place.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The results of `job(0), job(1), ... job(n - 1)`, in this order.
pub(crate) struct Prefetch<T> {
    shared: Arc<Shared<T>>,
    workers: Vec<thread::JoinHandle<()>>,
}

struct Shared<T> {
    job: Box<dyn Fn(usize) -> T + Send + Sync>,
    jobs: usize,
    ahead: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The next job that a worker takes.
    next_job: usize,
    /// The next result that the iterator yields.
    next_out: usize,
    ready: BTreeMap<usize, thread::Result<T>>,
    stop: bool,
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
        let state = State { next_job: 0, next_out: 0, ready: BTreeMap::new(), stop: false };
        let shared = Arc::new(Shared {
            job: Box::new(job),
            jobs,
            ahead: ahead.max(1),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
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
    /// No code that can panic runs under the lock, so a poisoned lock still guards a sound state.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(index) = self.take() {
            let result = catch_unwind(AssertUnwindSafe(|| (self.job)(index)));
            self.lock().ready.insert(index, result);
            self.changed.notify_all();
        }
    }

    fn take(&self) -> Option<usize> {
        let mut state = self.lock();
        while !state.stop && state.next_job < self.jobs {
            if state.next_job < state.next_out + self.ahead {
                state.next_job += 1;
                return Some(state.next_job - 1);
            }
            state = self.wait(state);
        }
        None
    }

    fn deliver(&self) -> Option<thread::Result<T>> {
        let mut state = self.lock();
        if state.next_out == self.jobs {
            return None;
        }
        let index = state.next_out;
        loop {
            if let Some(result) = state.ready.remove(&index) {
                state.next_out += 1;
                self.changed.notify_all();
                return Some(result);
            }
            state = self.wait(state);
        }
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.workers.is_empty() {
            let index = self.shared.take()?;
            self.shared.lock().next_out += 1;
            return Some((self.shared.job)(index));
        }
        self.shared.deliver().map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.jobs - self.shared.lock().next_out;
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Prefetch<T> {}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
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
