//! A file that grows line by line: what is noted while long work goes on.
//!
//! [`atomic`](crate::atomic) writes a whole file, so noting the n-th result would cost n lines. A
//! journal appends one. A writer that is killed leaves at most one torn line, at the end: it has no
//! line feed, so [`Journal::open`] knows it and cuts it off. Lines are not synced. After a loss of power
//! the tail may be missing or, on some file systems, zeros: readers must take a line that makes no sense for
//! one that was never written.

use std::io::BufRead;
use std::path::Path;

use crate::Error;
use crate::growing::Growing;

/// An open journal.
#[derive(Debug)]
pub struct Journal(Growing);

impl Journal {
    /// Opens a journal, or begins an empty one, and gives every whole line to `line`, without its end.
    pub fn open(path: &Path, mut line: impl FnMut(&[u8])) -> Result<Self, Error> {
        let lines = Growing::open(path, |reader| {
            let (mut bytes, mut end) = (Vec::new(), 0);
            while reader.read_until(b'\n', &mut bytes)? > 0 {
                let Some((b'\n', whole)) = bytes.split_last() else { break };
                line(whole);
                end += bytes.len() as u64;
                bytes.clear();
            }
            Ok(end)
        })?;
        Ok(Self(lines))
    }

    /// Appends one line; a failure (a full disk) leaves none of it.
    pub fn append(&mut self, line: &[u8]) -> Result<(), Error> {
        debug_assert!(!line.contains(&b'\n'), "a line has no line feed");
        self.0.append(&[line, b"\n"].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> (Journal, Vec<String>) {
        let mut lines = Vec::new();
        let journal =
            Journal::open(path, |l| lines.push(String::from_utf8_lossy(l).into_owned())).unwrap();
        (journal, lines)
    }

    #[test]
    fn a_journal_cut_anywhere_has_its_whole_lines_and_goes_on() {
        let dir = std::env::temp_dir().join(format!("canet-journal-{}", std::process::id()));
        let path = dir.join("deep/journal");
        let (mut journal, found) = lines(&path);
        assert!(found.is_empty());
        for line in ["one", "", "three"] {
            journal.append(line.as_bytes()).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole, b"one\n\nthree\n");
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, found) = lines(&path);
            let expected = [(4, "one"), (5, ""), (11, "three")];
            let expected: Vec<_> =
                expected.iter().filter(|(end, _)| *end <= cut).map(|l| l.1).collect();
            assert_eq!(found, expected, "{cut}");
            journal.append(b"more").unwrap();
            assert_eq!(lines(&path).1, [&expected[..], &["more"]].concat(), "{cut}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
