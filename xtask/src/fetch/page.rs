//! Web pages where a file was asked for.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::http::Response;

/// A page with a form is far smaller than this.
const MOST: usize = 1 << 20;

pub(super) fn is_page(response: &Response<ureq::Body>) -> bool {
    response.body().mime_type().is_some_and(|mime| {
        mime.eq_ignore_ascii_case("text/html") || mime.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

/// What comes of a page within a time. One that breaks off has no form, and that is what is reported.
pub(super) fn read_page(response: &mut Response<ureq::Body>, time: Duration) -> String {
    let (mut page, begin) = (Vec::new(), Instant::now());
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 64 << 10];
    while page.len() < MOST && begin.elapsed() < time {
        match body.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => page.extend_from_slice(&buffer[..n]),
        }
    }
    String::from_utf8_lossy(&page).into_owned()
}
