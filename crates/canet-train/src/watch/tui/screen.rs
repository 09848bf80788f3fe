//! The terminal, taken and given back on every way out, and the log lines meanwhile.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};
use std::time::Duration;

use ratatui::{DefaultTerminal, Frame};

/// Log lines that are kept while the dashboard is on, and printed when it is over.
const KEPT: usize = 500;

/// The terminal while it is taken.
static SCREEN: Mutex<Option<DefaultTerminal>> = Mutex::new(None);
static LINES: Mutex<Held> = Mutex::new(Held { held: false, lines: VecDeque::new() });
static HOOK: Once = Once::new();

struct Held {
    /// Whether lines are kept, or printed at once.
    held: bool,
    lines: VecDeque<String>,
}

fn lines() -> MutexGuard<'static, Held> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the terminal. A panic, on any thread, gives it back before it is told.
pub(super) fn take() -> io::Result<()> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(io::Error::other("standard input and output are not one"));
    }
    HOOK.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            tell(info);
        }));
    });
    let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
    match ratatui::try_init() {
        Ok(terminal) => *screen = Some(terminal),
        Err(error) => {
            // It may have got half-way.
            let _ = ratatui::try_restore();
            return Err(error);
        }
    }
    lines().held = true;
    Ok(())
}

/// Gives the terminal back, if it is taken, and prints the log lines that were kept.
pub(crate) fn restore() {
    let Some(mut screen) = screen_soon() else {
        // Drawing hangs, or it is what panicked: the terminal is given back under its hands.
        let _ = ratatui::try_restore();
        return release();
    };
    if screen.take().is_some() {
        // There is nobody to tell, and nothing else to try.
        let _ = ratatui::try_restore();
    }
    drop(screen);
    release();
}

/// The lock, unless it is not to be had: whoever draws holds it, and may be this very thread.
fn screen_soon() -> Option<MutexGuard<'static, Option<DefaultTerminal>>> {
    for _ in 0..50 {
        match SCREEN.try_lock() {
            Ok(screen) => return Some(screen),
            Err(TryLockError::Poisoned(screen)) => return Some(screen.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    None
}

/// Prints what was kept, and from now on everything at once.
fn release() {
    let mut lines = lines();
    lines.held = false;
    let mut err = io::stderr().lock();
    for line in lines.lines.drain(..) {
        // A standard error that is gone has no readers.
        let _ = writeln!(err, "{line}");
    }
}

/// Draws, unless the terminal was given back: then false.
pub(super) fn draw(picture: impl FnOnce(&mut Frame)) -> io::Result<bool> {
    let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(terminal) = screen.as_mut() else { return Ok(false) };
    terminal.draw(picture)?;
    Ok(true)
}

/// The last log lines, oldest first.
pub(super) fn last_lines() -> Vec<String> {
    lines().lines.iter().cloned().collect()
}

/// Where the log is written to: the dashboard while it is on, else standard error.
pub(crate) struct Lines;

impl Write for Lines {
    /// The log writes a whole message at a time.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let mut lines = lines();
        if !lines.held {
            return io::stderr().write(message);
        }
        let text = String::from_utf8_lossy(message);
        lines.lines.extend(text.trim_end_matches('\n').split('\n').map(str::to_owned));
        let surplus = lines.lines.len().saturating_sub(KEPT);
        lines.lines.drain(..surplus);
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
