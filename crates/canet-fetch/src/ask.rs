//! Short questions to a server.

use std::io::Read;

use ureq::http::{HeaderMap, StatusCode};

use crate::{Error, Patience, Result};

/// What a server says of an address.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status; redirects are answers, too.
    pub status: StatusCode,
    headers: HeaderMap,
}

impl Answer {
    /// A header's value, if it is there and plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

pub(crate) fn agent(url: &str, redirects: u32, patience: Patience) -> ureq::Agent {
    ureq::Agent::config_builder()
        .https_only(url.starts_with("https://"))
        .http_status_as_error(false)
        .max_redirects(redirects)
        .max_redirects_will_error(redirects > 0)
        .timeout_resolve(Some(patience.silence))
        .timeout_connect(Some(patience.silence))
        .timeout_recv_response(Some(patience.silence))
        .timeout_per_read(Some(patience.silence))
        .build()
        .into()
}

/// Asks what is at an address (`HEAD`), without following redirects.
pub fn head(url: &str, patience: Patience) -> Result<Answer> {
    let response = agent(url, 0, patience).head(url).call().map_err(|e| unreachable(url, &e))?;
    Ok(Answer { status: response.status(), headers: response.headers().clone() })
}

/// Reads a short text, following redirects; what is longer than `most` bytes is an error.
pub fn text(url: &str, most: u64, patience: Patience) -> Result<String> {
    let mut response =
        agent(url, 10, patience).get(url).call().map_err(|e| unreachable(url, &e))?;
    let status = response.status();
    if status != StatusCode::OK {
        return Err(Error::Status { url: url.to_owned(), status });
    }
    let mut text = String::new();
    let read = response.body_mut().as_reader().take(most + 1).read_to_string(&mut text);
    let read = read.map_err(|e| Error::content(url, format!("gave no text: {e}")))?;
    if read as u64 > most {
        return Err(Error::content(url, format!("gave more than {most} bytes of text")));
    }
    Ok(text)
}

pub(crate) fn unreachable(url: &str, error: &ureq::Error) -> Error {
    Error::Unreachable { url: url.to_owned(), reason: error.to_string() }
}
