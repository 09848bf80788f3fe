//! The one who waits for a download.

/// Is told how a download goes, and decides what a web page means.
pub trait Watcher {
    /// So many bytes are there, of so many; a `total` of 0 is not known.
    fn at(&mut self, done: u64, total: u64) {
        let _ = (done, total);
    }

    /// A connection ended early, and the next one begins.
    fn note(&mut self, line: &str) {
        let _ = line;
    }

    /// What a web page from the address `base` means, where a file was asked for.
    fn page(&self, page: &str, base: &str) -> Page {
        let _ = (page, base);
        Page::Refusal("a login may be needed, or the address is one for people".into())
    }
}

/// Nobody.
impl Watcher for () {}

/// What a web page in the place of a file means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// The file is at this address.
    Link(String),
    /// There is no file, and this may be why.
    Refusal(String),
}
