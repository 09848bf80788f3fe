//! Tar archives, plain or gzipped.
//!
//! A tar has no directory: entries are judged one by one on the way, and what came before a bad one
//! goes away with the temporary folder.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use anyhow::{Context, Result};
use flate2::read::MultiGzDecoder;
use tar::EntryType;

use super::{Limits, Sink, refused};
use crate::fault;

pub(super) fn unpack(mut file: File, sink: &mut Sink) -> Result<()> {
    // Cut between two entries, a tar still reads as a whole one; but a whole one ends in zeros.
    let total = file.metadata().context("cannot read its size")?.len();
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(total.saturating_sub(512)))
        .and_then(|_| (&file).take(512).read_to_end(&mut end))
        .and_then(|_| file.rewind())
        .context("cannot read its end")?;
    if end != [0; 512] {
        return Err(fault::data("it ends too early; download it again"));
    }
    let (reader, read) = counted(file);
    entries(BufReader::new(reader), sink, &read, total)
}

pub(super) fn unpack_gz(file: File, sink: &mut Sink) -> Result<()> {
    let total = file.metadata().context("cannot read its size")?.len();
    let (reader, read) = counted(file);
    let decoder = MultiGzDecoder::new(BufReader::new(reader));
    let mut grown = Grown { decoder, read: Rc::clone(&read), given: 0, limits: sink.limits };
    entries(&mut grown, sink, &read, total)?;
    // The checksum stands at the very end.
    io::copy(&mut grown, &mut io::sink()).map_err(|e| damaged(&e))?;
    Ok(())
}

/// The most that the headers of one entry may take: long names and attributes have headers of their
/// own, which are held in memory.
const MAX_HEADERS: u64 = 1 << 20;

fn entries(reader: impl Read, sink: &mut Sink, read: &Cell<u64>, total: u64) -> Result<()> {
    let left = Rc::new(Cell::new(MAX_HEADERS));
    let mut archive = tar::Archive::new(Rationed { inner: reader, left: Rc::clone(&left) });
    for entry in archive.entries().map_err(|e| damaged(&e))? {
        let mut entry = entry.map_err(|e| damaged(&e))?;
        left.set(u64::MAX);
        let name = entry.path_bytes().into_owned();
        let size = entry.size();
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
            EntryType::XGlobalHeader => {
                sink.count()?;
                pass(&mut entry, &left)?;
                continue;
            }
            EntryType::Link | EntryType::Symlink => return Err(refused(&name, "is a link")),
            _ => return Err(refused(&name, "is a special file")),
        }
        let wanted = sink.admit(&name, size)?;
        let folder = entry.header().entry_type() == EntryType::Directory;
        if let Some(path) = wanted.filter(|_| !folder) {
            sink.store(&path, size, &mut entry)?;
        }
        pass(&mut entry, &left)?;
        sink.bar.set(read.get(), total);
    }
    Ok(())
}

/// Reads what is left of an entry; what follows are headers again.
fn pass(entry: &mut impl Read, left: &Cell<u64>) -> Result<()> {
    io::copy(entry, &mut io::sink()).map_err(|e| damaged(&e))?;
    left.set(MAX_HEADERS);
    Ok(())
}

/// A reader that gives no more than it is allowed.
struct Rationed<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let Some(left) = self.left.get().checked_sub(n as u64) else {
            return Err(io::Error::other(format!(
                "an entry has over {MAX_HEADERS} bytes of names and attributes"
            )));
        };
        self.left.set(left);
        Ok(n)
    }
}

fn damaged(error: &io::Error) -> anyhow::Error {
    fault::data(format!("it is damaged: {error}"))
}

/// A reader, and how many bytes it has read so far.
fn counted<R: Read>(inner: R) -> (Counted<R>, Rc<Cell<u64>>) {
    let read = Rc::new(Cell::new(0));
    (Counted { inner, read: Rc::clone(&read) }, read)
}

struct Counted<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.set(self.read.get() + n as u64);
        Ok(n)
    }
}

/// A decoder that stops when it gives too much for what it was given. Headers count too: a name of
/// a gigabyte is as good a bomb as a file of one.
struct Grown<R> {
    decoder: R,
    read: Rc<Cell<u64>>,
    given: u64,
    limits: Limits,
}

impl<R: Read> Read for Grown<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.decoder.read(buffer)?;
        self.given += n as u64;
        let Limits { ratio, ratio_from, .. } = self.limits;
        if self.given > ratio_from && self.given / ratio > self.read.get() {
            return Err(io::Error::other(format!(
                "it grows from {} to over {} bytes, which no picture does",
                self.read.get(),
                self.given
            )));
        }
        Ok(n)
    }
}
