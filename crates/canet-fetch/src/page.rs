//! Web pages where a file was asked for.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::http::Response;

/// A page with a form is far smaller than this.
const MOST: usize = 1 << 20;

pub(crate) fn is_page(response: &Response<ureq::Body>) -> bool {
    response.body().mime_type().is_some_and(|mime| {
        mime.eq_ignore_ascii_case("text/html") || mime.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

/// What comes of a page within a time. One that breaks off has no form, and that is what is reported.
pub(crate) fn read_page(response: &mut Response<ureq::Body>, time: Duration) -> String {
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

/// The title of a page, shortened, without what is not text.
pub(crate) fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let from = lower.find("<title")? + "<title".len();
    let from = from + lower[from..].find('>')? + 1;
    let to = from + lower[from..].find("</title")?;
    let text: String = page[from..to].chars().filter(|c| !c.is_control()).take(80).collect();
    Some(unescape(text.trim()))
}

fn unescape(text: &str) -> String {
    let pairs = [("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_read() {
        let page = "<html><TITLE lang=en>\nGoogle Drive - Quota exceeded &lt;b&gt;</TITLE>";
        assert_eq!(title(page).as_deref(), Some("Google Drive - Quota exceeded <b>"));
        for page in ["", "<title", "<title>", "<title></titl", "</title>"] {
            assert_eq!(title(page), None, "{page}");
        }
    }
}
