//! Event files that TensorBoard opens, written without its libraries.
//!
//! A file is a row of [records](canet_core::records), each an `Event` message of protocol buffers
//! (`event.proto` and `summary.proto` of TensorBoard); only the few fields that are needed are written.
//! A file belongs to one process: one that goes on with a run begins a new file, and says there from
//! which step on the older ones no longer hold.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use canet_core::records::Records;

use crate::{Error, Result};

pub mod histogram;
pub mod message;

use histogram::Histogram;
use message::Message;

/// What every file's name begins with: TensorBoard looks for `tfevents`, and reads in order of names.
const PREFIX: &str = "events.out.tfevents.";

/// An open event file.
#[derive(Debug)]
pub struct EventFile {
    records: Records,
}

impl EventFile {
    /// Begins a file in `folder`, behind those of earlier processes; what a killed one left torn is
    /// cut off. Events of steps from `first_step` on, which are now made again, no longer hold.
    pub fn begin(folder: &Path, first_step: u64) -> Result<Self> {
        let last = last_number(folder)?;
        if let Some(last) = last {
            Records::open(&folder.join(name(last)), |_| {})?;
        }
        let path = folder.join(name(last.unwrap_or(0) + 1));
        let mut file = Self { records: Records::open(&path, |_| {})? };
        file.add(now(), 0, |event| event.bytes(3, b"brain.Event:2"))?;
        if last.is_some() {
            // SessionLog with status START: TensorBoard forgets all from this step on.
            let start = Message::default().int(1, 1);
            file.add(now(), first_step, |event| event.message(7, &start))?;
        }
        Ok(file)
    }

    /// Adds numbers of a step.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let value = |&(tag, value): &(&str, f64)| tagged(tag).float(2, value as f32);
        self.summary(step, values.iter().map(value))
    }

    /// Adds an encoded picture (PNG or JPEG) of a size.
    pub fn image(
        &mut self,
        step: u64,
        tag: &str,
        (width, height): (u32, u32),
        encoded: &[u8],
    ) -> Result<()> {
        let image = Message::default()
            .int(1, height.into())
            .int(2, width.into())
            .int(3, 3) // RGB
            .bytes(4, encoded);
        self.summary(step, [tagged(tag).message(4, &image)])
    }

    /// Adds histograms.
    pub fn histograms<'a>(
        &mut self,
        step: u64,
        histograms: impl IntoIterator<Item = (&'a str, &'a Histogram)>,
    ) -> Result<()> {
        let value =
            |(tag, histogram): (&str, &Histogram)| tagged(tag).message(5, &histogram.message());
        self.summary(step, histograms.into_iter().map(value))
    }

    /// Adds a text, which TensorBoard reads as Markdown.
    pub fn text(&mut self, step: u64, tag: &str, text: &str) -> Result<()> {
        let plugin = Message::default().bytes(1, b"text");
        let metadata = Message::default().message(1, &plugin);
        let shape = Message::default().message(2, &Message::default().int(1, 1));
        // DT_STRING, one value.
        let tensor = Message::default().int(1, 7).message(2, &shape).bytes(8, text.as_bytes());
        self.summary(step, [tagged(tag).message(8, &tensor).message(9, &metadata)])
    }

    fn summary(&mut self, step: u64, values: impl IntoIterator<Item = Message>) -> Result<()> {
        let summary =
            values.into_iter().fold(Message::default(), |all, value| all.message(1, &value));
        self.add(now(), step, |event| event.message(5, &summary))
    }

    /// Appends an event; `what` gives it its content.
    fn add(
        &mut self,
        seconds: f64,
        step: u64,
        what: impl FnOnce(Message) -> Message,
    ) -> Result<()> {
        let event = Message::default().double(1, seconds).int(2, step);
        Ok(self.records.append(what(event).as_bytes())?)
    }
}

/// A `Summary.Value` of a name.
fn tagged(tag: &str) -> Message {
    Message::default().bytes(1, tag.as_bytes())
}

fn name(number: u64) -> String {
    format!("{PREFIX}{number:06}")
}

/// The greatest number of an event file in `folder`; none if there is none.
fn last_number(folder: &Path) -> Result<Option<u64>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let fail = |e: std::io::Error| Error::run(folder, format!("cannot be listed: {e}"));
    let mut last = None;
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        last = last.max(number);
    }
    Ok(last)
}

/// Seconds since 1970: events have their time of day, which nothing is computed from.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests;
