//! Results of work on several threads, fetched in the order of the work.
//!
//! Pieces of work have places, 0, 1, 2 and so on. Threads put results to their places as they are
//! done; whoever fetches them gets them in order, so that nothing depends on how many threads there
//! are. No piece is begun that lies `ahead` places or more from the one to be fetched next: that
//! bounds the memory. A panic is a result, too, and goes on where it is fetched.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The places that may be worked on, and the results that wait.
///
/// ```
/// use canet_data::window::Window;
///
/// let window = Window::new(2);
/// assert!(window.has_room(0) && window.has_room(1));
/// window.put(1, Ok("second"));
/// window.put(0, Ok("first"));
/// window.end(2);
/// assert_eq!([(); 3].map(|()| window.fetch()), [Some("first"), Some("second"), None]);
/// ```
pub struct Window<T> {
    ahead: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The place of the next result to be fetched.
    next: usize,
    ready: BTreeMap<usize, thread::Result<T>>,
    /// How many places there are, once that is known.
    end: Option<usize>,
    stop: bool,
}

impl<T> Window<T> {
    /// Of `ahead` places, at least one.
    pub fn new(ahead: usize) -> Self {
        let state = State { next: 0, ready: BTreeMap::new(), end: None, stop: false };
        Self { ahead: ahead.max(1), state: Mutex::new(state), changed: Condvar::new() }
    }

    /// No code that can panic runs under the lock, so a poisoned lock still guards a sound state.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until work on this place may begin; `false` if no more is wanted.
    pub fn has_room(&self, place: usize) -> bool {
        let mut state = self.lock();
        while !state.stop && state.end.is_none_or(|end| place < end) {
            if place < state.next + self.ahead {
                return true;
            }
            state = self.wait(state);
        }
        false
    }

    /// The result of a place, or its panic.
    pub fn put(&self, place: usize, result: thread::Result<T>) {
        self.lock().ready.insert(place, result);
        self.changed.notify_all();
    }

    /// Tells how many places there are.
    pub fn end(&self, places: usize) {
        self.lock().end = Some(places);
        self.changed.notify_all();
    }

    /// Waits for the next result; `None` after the last one.
    pub fn fetch(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            let next = state.next;
            if let Some(result) = state.ready.remove(&next) {
                state.next += 1;
                drop(state);
                self.changed.notify_all();
                return Some(result.unwrap_or_else(|panic| resume_unwind(panic)));
            }
            if state.end == Some(next) {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// How many results were fetched.
    pub fn fetched(&self) -> usize {
        self.lock().next
    }

    /// Nothing more is wanted; what is in work may end.
    pub fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }
}
