//! What the bytes of a part came from, and what a server says of them.

use std::fs;
use std::path::Path;

use canet_core::atomic;
use ureq::http::{Response, header};

use crate::Result;

/// What a part came from. Only bytes of the same thing may be added to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) url: String,
    /// A strong `ETag`, or `Last-Modified`.
    pub(crate) validator: Option<String>,
    pub(crate) length: Option<u64>,
}

impl Origin {
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        Some(Self {
            url: lines.next()?,
            validator: lines.next().filter(|line| !line.is_empty()),
            length: lines.next().and_then(|line| line.parse().ok()),
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let validator = self.validator.as_deref().unwrap_or("");
        let length = self.length.map(|n| n.to_string()).unwrap_or_default();
        Ok(atomic::write(path, format!("{}\n{validator}\n{length}\n", self.url).as_bytes())?)
    }
}

pub(crate) fn text(response: &Response<ureq::Body>, name: header::HeaderName) -> Option<&str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// What tells two versions of a file apart. A weak `ETag` does not.
pub(crate) fn validator(response: &Response<ureq::Body>) -> Option<String> {
    text(response, header::ETAG)
        .filter(|tag| !tag.starts_with("W/"))
        .or_else(|| text(response, header::LAST_MODIFIED))
        .map(str::to_owned)
}

/// `bytes 5-99/100` is (5, Some(100)); `bytes 5-99/*` is (5, None).
pub(crate) fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, length) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    let length = if length == "*" { None } else { Some(length.trim().parse().ok()?) };
    (start <= end && length.is_none_or(|n| end < n)).then_some((start, length))
}
