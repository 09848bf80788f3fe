//! A file that only grows, by whole pieces: what [`journal`](crate::journal) and
//! [`records`](crate::records) have in common.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// An open file.
#[derive(Debug)]
pub(crate) struct Growing {
    path: PathBuf,
    file: File,
    /// Where the last whole piece ends.
    end: u64,
}

impl Growing {
    /// Opens a file, or begins an empty one. `whole` reads its whole pieces and returns how many
    /// bytes they take; what stands behind them is cut off.
    pub(crate) fn open(
        path: &Path,
        whole: impl FnOnce(&mut BufReader<&File>) -> std::io::Result<u64>,
    ) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(Error::io("open", path))?;
        let end = whole(&mut BufReader::new(&file)).map_err(Error::io("read", path))?;
        let mut growing = Self { path: path.to_owned(), file, end };
        growing.cut()?;
        Ok(growing)
    }

    /// Appends one piece; a failure (a full disk) leaves none of it.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Err(error) = self.file.write_all(bytes) {
            self.cut().ok();
            return Err(Error::io("write", &self.path)(error));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Takes away what stands behind the last whole piece.
    fn cut(&mut self) -> Result<(), Error> {
        let cut =
            self.file.set_len(self.end).and_then(|()| self.file.seek(SeekFrom::Start(self.end)));
        cut.map(|_| ()).map_err(Error::io("write", &self.path))
    }
}
