//! Downloads that end with the right file or an error, and go on where they stopped.
//!
//! [`fetch()`] is the download; `download` says how it goes on. [`head`] and [`text`] ask a server for what
//! has to be known before. [`sha256_of`] is the checksum of a file. Whoever waits for a download is
//! told of it through a [`Watcher`], which also knows what a web page in the place of a file means.

#![forbid(unsafe_code)]

mod ask;
mod download;
mod error;
mod origin;
mod page;
mod patience;
mod sha256;
mod watcher;

pub use ask::{Answer, head, text};
pub use download::fetch;
pub use error::{Error, Result};
pub use patience::Patience;
pub use sha256::sha256_of;
pub use ureq::http::StatusCode;
pub use watcher::{Page, Watcher};
