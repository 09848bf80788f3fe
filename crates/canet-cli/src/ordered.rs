//! Work on several threads, delivered in order.
//!
//! Threads take the items of an iterator in turn, one thread at a time, and work on them side by
//! side; the results come out in the order of the items, so that nothing depends on how many threads
//! there are ([`Window`]). No more than `ahead` items are taken before the result that comes next is
//! fetched: that bounds the memory.
//!
//! The iterator may itself work hard, or be another [`InOrder`]. Whichever thread is free then moves
//! it on, while the others work on what it gave before:
//!
//! ```text
//! frames --in_order: decode--> | --one at a time: network--> in_order: encode--> results
//! ```

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};

use canet_data::window::Window;

/// The results, in the order of their items. Dropping it lets the threads end after what they are
/// at; a panic of a thread comes back at its item's place.
pub(crate) struct InOrder<T>(Arc<Window<T>>);

/// What all threads share besides.
struct Work<I, F> {
    /// The items, and how many were taken.
    source: Mutex<(I, usize)>,
    work: F,
}

/// Starts `threads` threads on the items of `source`; see the head of this file. Fewer will do where
/// the system gives no more; none at all is an error.
pub(crate) fn in_order<'scope, I, T, F>(
    scope: &'scope Scope<'scope, '_>,
    [threads, ahead]: [usize; 2],
    source: I,
    work: F,
) -> io::Result<InOrder<T>>
where
    I: Iterator + Send + 'scope,
    T: Send + 'scope,
    F: Fn(I::Item) -> T + Send + Sync + 'scope,
{
    let window = Arc::new(Window::new(ahead));
    let shared = Arc::new(Work { source: Mutex::new((source, 0)), work });
    for number in 0..threads.max(1) {
        let (window, shared) = (Arc::clone(&window), Arc::clone(&shared));
        match thread::Builder::new().spawn_scoped(scope, move || shared.go_on(&window)) {
            Ok(_) => {}
            Err(error) if number == 0 => return Err(error),
            Err(error) => {
                tracing::warn!("only {number} of {threads} threads started: {error}");
                break;
            }
        }
    }
    Ok(InOrder(window))
}

impl<I: Iterator, F> Work<I, F> {
    fn go_on<T>(&self, window: &Window<T>)
    where
        F: Fn(I::Item) -> T,
    {
        loop {
            // Panics are caught under this lock, and so under the window's.
            let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
            let place = source.1;
            if !window.has_room(place) {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| source.0.next())) {
                Ok(Some(item)) => {
                    source.1 += 1;
                    drop(source);
                    window.put(place, catch_unwind(AssertUnwindSafe(|| (self.work)(item))));
                }
                Ok(None) => return window.end(place),
                Err(panic) => {
                    source.1 += 1;
                    window.put(place, Err(panic));
                    return window.end(place + 1);
                }
            }
        }
    }
}

impl<T> Iterator for InOrder<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.fetch()
    }
}

impl<T> Drop for InOrder<T> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Takes longer for early items, so that later ones overtake them.
    fn uneven(item: usize) -> usize {
        thread::sleep(Duration::from_micros((7 - item as u64 % 7) * 100));
        item * item
    }

    #[test]
    fn order_is_kept_through_two_stages_of_any_size() {
        let expected: Vec<usize> = (0..40).map(|i| i * i + 1).collect();
        for sizes in [[0, 0], [1, 1], [2, 3], [5, 2], [9, 100]] {
            let found: Vec<usize> = thread::scope(|scope| {
                let squares = in_order(scope, sizes, 0..40, uneven).unwrap();
                in_order(scope, sizes, squares, |square| square + 1).unwrap().collect()
            });
            assert_eq!(found, expected, "{sizes:?}");
        }
        let mut none = thread::scope(|scope| in_order(scope, [2, 2], 0..0, uneven).unwrap());
        assert_eq!(none.next(), None);
    }

    #[test]
    fn no_more_is_taken_than_the_window_holds() {
        let taken = AtomicUsize::new(0);
        let source = (0..1000).inspect(|_| {
            taken.fetch_add(1, Ordering::SeqCst);
        });
        thread::scope(|scope| {
            let mut results = in_order(scope, [4, 6], source, |item| item).unwrap();
            for fetched in 1..50 {
                results.next();
                thread::sleep(Duration::from_micros(300));
                let taken = taken.load(Ordering::SeqCst);
                assert!(taken <= fetched + 6, "{taken} taken after {fetched}");
            }
        });
        assert!(taken.into_inner() <= 49 + 6, "dropping the results ends the threads");
    }

    #[test]
    fn a_panic_arrives_at_its_place() {
        for in_source in [false, true] {
            let source = (0..10).inspect(|item| assert!(!in_source || *item != 3, "three"));
            let work = |item: i32| {
                assert!(item != 3, "three");
                item
            };
            thread::scope(|scope| {
                let mut results = in_order(scope, [2, 4], source, work).unwrap();
                assert_eq!(results.by_ref().take(3).collect::<Vec<_>>(), [0, 1, 2]);
                let panic = catch_unwind(AssertUnwindSafe(|| results.next())).unwrap_err();
                assert_eq!(panic.downcast_ref::<&str>(), Some(&"three"));
                let rest = if in_source { vec![] } else { (4..10).collect() };
                assert_eq!(results.collect::<Vec<_>>(), rest);
            });
        }
    }
}
