//! A file that grows line by line: what is noted while long work goes on.
//!
//! [`atomic`](crate::atomic) writes a whole file, so noting the n-th result would cost n lines. A
//! journal appends one. A writer that is killed leaves at most one torn line, at the end: it has no
//! line feed, so [`Journal::open`] knows it and cuts it off. Lines are not synced. After a loss of power
//! the tail may be missing or, on some file systems, zeros: readers must take a line that makes no sense for
//! one that was never written.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    end: u64,
}

impl Journal {
    /// Opens a journal, or begins an empty one, and gives every whole line to `line`, without its end.
    pub fn open(path: &Path, mut line: impl FnMut(&[u8])) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(Error::io("open", path))?;
        let (mut reader, mut bytes, mut end) = (BufReader::new(&file), Vec::new(), 0);
        while reader.read_until(b'\n', &mut bytes).map_err(Error::io("read", path))? > 0 {
            let Some((b'\n', whole)) = bytes.split_last() else { break };
            line(whole);
            end += bytes.len() as u64;
            bytes.clear();
        }
        let mut journal = Self { path: path.to_owned(), file, end };
        journal.cut()?;
        Ok(journal)
    }

    /// Appends one line; a failure (a full disk) leaves none of it.
    pub fn append(&mut self, line: &[u8]) -> Result<(), Error> {
        debug_assert!(!line.contains(&b'\n'), "a line has no line feed");
        let bytes = [line, b"\n"].concat();
        if let Err(error) = self.file.write_all(&bytes) {
            self.cut().ok();
            return Err(Error::io("write", &self.path)(error));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Takes away what stands behind the last whole line.
    fn cut(&mut self) -> Result<(), Error> {
        let cut =
            self.file.set_len(self.end).and_then(|()| self.file.seek(SeekFrom::Start(self.end)));
        cut.map(|_| ()).map_err(Error::io("write", &self.path))
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
