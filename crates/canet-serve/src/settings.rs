//! What a server is told, with the bounds of each number.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::time::Duration;

use canet_core::MAX_SIDE;

use crate::{Error, Result, Token};

/// How many bodies of the largest size there may be at once, and how many bytes of answers: see
/// [`Settings::memory`].
const WHOLE_BODIES: usize = 16;
/// What hyper keeps of a connection's head, in bytes.
pub(crate) const HEAD_BYTES: usize = 16 << 10;
/// What hyper keeps of what it reads and writes, in bytes, for each direction.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;
/// Bytes a pixel takes at most: decoded with 16 bits a channel and as frame (11), or as frame, mask,
/// confidence and the picture that is made of them, with its file (14).
const PIXEL_BYTES: u64 = 14;

/// What a network keeps of its memory for pictures to come, see [`canet_model::Frozen`]: so many
/// times what a picture takes, but no more bytes than this.
const KEPT_SESSIONS: u64 = 4;
const KEPT_BYTES: u64 = 1 << 30;

/// Address, token and limits.
///
/// ```
/// use canet_serve::Settings;
///
/// let settings = Settings { queue: 8, ..Settings::default() };
/// settings.check()?;
/// assert!(Settings { batch: 0, ..settings }.check().is_err());
/// # Ok::<(), canet_serve::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 is any that is free.
    pub address: SocketAddr,
    /// What clients have to show, if they have to.
    pub token: Option<Token>,
    /// Bytes that a request's body may have: 1 KiB to 1 GiB.
    pub max_body: usize,
    /// Pixels that a picture may have: 1024 to those of the largest frame.
    pub max_pixels: u64,
    /// Pictures that may wait: 1 to 4096.
    pub queue: usize,
    /// Pictures that the network looks at side by side: 1 to 64.
    pub batch: usize,
    /// Connections that may be open: 1 to 65,536. More wait in the system's own queue.
    pub connections: usize,
    /// How long a request may take, from its head to its answer, and how long the client may then
    /// take to read that: up to an hour, as all times.
    pub timeout: Duration,
    /// How long a body may take to come.
    pub body_timeout: Duration,
    /// How long a head may take to come, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long requests may go on when the server is told to stop.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 8080).into(),
            token: None,
            max_body: 16 << 20,
            max_pixels: 16 << 20,
            queue: 64,
            batch: 2,
            connections: 256,
            timeout: Duration::from_mins(1),
            body_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// Refuses what is out of bounds, naming them.
    pub fn check(&self) -> Result<()> {
        let most_pixels = u64::from(MAX_SIDE) * u64::from(MAX_SIDE);
        within("max-body", self.max_body as u64, 1 << 10..=1 << 30)?;
        within("max-pixels", self.max_pixels, 1 << 10..=most_pixels)?;
        within("queue", self.queue as u64, 1..=4096)?;
        within("batch", self.batch as u64, 1..=64)?;
        within("connections", self.connections as u64, 1..=1 << 16)?;
        for (option, time) in [
            ("timeout", self.timeout),
            ("body timeout", self.body_timeout),
            ("header timeout", self.header_timeout),
            ("drain", self.drain),
        ] {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            if !(1..=3_600_000).contains(&millis) {
                let reason = format!("is {millis} ms; 1 ms to an hour are possible");
                return Err(Error::Setting { option, reason });
            }
        }
        Ok(())
    }

    /// Whether anybody but this machine's own programs can reach the server, and use it.
    pub fn is_open_to_all(&self) -> bool {
        self.token.is_none() && !self.address.ip().is_loopback()
    }

    /// Pictures that are decoded, computed or encoded at one time: a batch, and one for each core,
    /// so that the network need not wait for them.
    pub(crate) fn active(&self) -> usize {
        self.batch + std::thread::available_parallelism().map_or(1, NonZero::get)
    }

    /// Bytes that all bodies together may take; all answers may take as much again.
    pub(crate) fn body_bytes(&self) -> usize {
        WHOLE_BODIES * self.max_body
    }

    /// Bytes that all requests together take at most, with what the network keeps for the next ones, besides the weights; `network` is what the
    /// network needs for the largest picture. Not in it is what polygons take while they are made,
    /// which depends on how ragged a mask is.
    pub fn memory(&self, network: u64) -> u64 {
        let connections = self.connections * (HEAD_BYTES + 2 * BUFFER_BYTES);
        let frames = self.active() as u64 * self.max_pixels * PIXEL_BYTES;
        let networks = self.batch as u64 * network + KEPT_BYTES.min(KEPT_SESSIONS * network);
        (connections + 2 * self.body_bytes()) as u64 + frames + networks
    }
}

fn within(option: &'static str, value: u64, bounds: RangeInclusive<u64>) -> Result<()> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (low, high) = (bounds.start(), bounds.end());
    Err(Error::Setting { option, reason: format!("is {value}; {low} to {high} are possible") })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Settings);

    #[test]
    fn every_number_has_bounds() {
        let of = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check()
        };
        of(|_| {}).unwrap();
        let cases: [(Change, &str); 10] = [
            (|s| s.max_body = 1, "max-body: is 1; 1024 to 1073741824"),
            (|s| s.max_pixels = 1 << 60, "max-pixels: is 1152921504606846976; 1024 to 268435456"),
            (|s| s.queue = 0, "queue: is 0; 1 to 4096"),
            (|s| s.queue = 5000, "queue: is 5000; 1 to 4096"),
            (|s| s.batch = 0, "batch: is 0; 1 to 64"),
            (|s| s.connections = 0, "connections: is 0"),
            (|s| s.timeout = Duration::ZERO, "timeout: is 0 ms"),
            (|s| s.body_timeout = Duration::MAX, "body timeout: is"),
            (|s| s.header_timeout = Duration::from_secs(3601), "header timeout: is 3601000 ms"),
            (|s| s.drain = Duration::ZERO, "drain: is 0 ms"),
        ];
        for (change, needle) in cases {
            let error = of(change).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }

    #[test]
    fn open_is_what_others_reach_without_a_token() {
        let token = Some(Token::new("a-secret-of-some-length").unwrap());
        for (address, token, open) in [
            ("127.0.0.1:1", None, false),
            ("[::1]:1", None, false),
            ("0.0.0.0:1", None, true),
            ("[::]:1", None, true),
            ("192.168.1.2:1", None, true),
            ("0.0.0.0:1", token, false),
        ] {
            let settings =
                Settings { address: address.parse().unwrap(), token, ..Settings::default() };
            assert_eq!(settings.is_open_to_all(), open, "{address}");
        }
    }
}
