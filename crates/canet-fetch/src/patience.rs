//! What a server may ask of the one who waits.

use std::time::Duration;

/// How long to wait for a server, and for how much.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To connect, to answer, and between two pieces of the body.
    pub silence: Duration,
    /// Over each such stretch of time...
    pub stretch: Duration,
    /// ...at least this many bytes must come: against servers that drip.
    pub least: u64,
    /// Between attempts.
    pub pause: Duration,
    /// No file is larger: a server that sends on and on would fill the disk.
    pub most: u64,
}

impl Default for Patience {
    fn default() -> Self {
        let minute = Duration::from_mins(1);
        let pause = Duration::from_millis(500);
        Self { silence: minute, stretch: minute, least: 64 << 10, pause, most: 200 << 30 }
    }
}
