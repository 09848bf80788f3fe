//! A dashboard on the terminal: curves, classes, speed and the last log lines while a run goes on.
//!
//! The run tells it what it tells every watcher; a thread of its own draws. A picture is drawn from
//! a copy, so a terminal that hangs holds nobody up. `q` and Ctrl-C ask the run to stop.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use self::view::View;
use super::{Seen, Watcher};
use crate::progress::Now;
use crate::record::{EpochRecord, StepRecord};
use crate::{Error, Result, memory};

mod draw;
mod screen;
mod view;

pub(crate) use screen::{Lines, restore};

/// The dashboard is drawn this often, and after each key.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// What is shown. There is one terminal, and so one dashboard in a process.
static VIEW: Mutex<View> = Mutex::new(View::new());

fn view() -> MutexGuard<'static, View> {
    // Whatever a panic left half-way is only shown.
    VIEW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows how far a piece of work is.
pub(crate) fn tell(now: Now) {
    view().now = Some(now);
}

/// The dashboard, on the screen until it is dropped.
pub(crate) struct Dashboard {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Takes the terminal. `title` names the run, `records` are what an earlier part of it gave, and
    /// `stop` is called when the user wants it to stop.
    pub(crate) fn open(
        title: String,
        records: &[EpochRecord],
        stop: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        *view() = View::of(title, records);
        let fail = |e: io::Error| Error::config("--tui", format!("the terminal refuses: {e}"));
        screen::take().map_err(fail)?;
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::Builder::new().name("dashboard".into());
        let thread = thread.spawn(move || {
            // Without its terminal, a run goes on: what it computes is worth more than the picture.
            if let Err(error) = show(&ends, &stop) {
                restore();
                tracing::warn!("the dashboard has ended: {error}");
            }
        });
        let thread = thread.map_err(|e| {
            restore();
            fail(e)
        })?;
        Ok(Self { over, thread: Some(thread) })
    }
}

/// What tells the dashboard of the run.
pub(crate) fn feed() -> Box<dyn Watcher> {
    Box::new(Feed)
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It may have panicked, which was told where it happened.
            let _ = thread.join();
        }
        restore();
    }
}

/// Draws and listens until it is `over`.
fn show(over: &AtomicBool, stop: &impl Fn()) -> io::Result<()> {
    while !over.load(Ordering::Relaxed) {
        let now = {
            let mut view = view();
            view.memory = (memory::resident_mib(), memory::peak_mib());
            view.clone()
        };
        let lines = screen::last_lines();
        if !screen::draw(|frame| draw::draw(frame, &now, &lines))? {
            return Ok(());
        }
        if event::poll(DRAW_EVERY)? && asks_to_stop(&event::read()?) {
            view().stopping = true;
            stop();
        }
    }
    Ok(())
}

/// In raw mode, Ctrl-C is a key like any other.
fn asks_to_stop(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let stops = match key.code {
        KeyCode::Char('c') => control,
        KeyCode::Char('q' | 'Q') => !control,
        _ => false,
    };
    stops && key.kind == KeyEventKind::Press
}

/// Passes on what the run tells.
struct Feed;

impl Watcher for Feed {
    fn step(&mut self, step: &StepRecord) -> Result<()> {
        view().step(step);
        Ok(())
    }

    fn epoch(&mut self, epoch: &EpochRecord, seen: &Seen) -> Result<()> {
        view().epoch(epoch, Some(seen.classes));
        Ok(())
    }
}
