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
    let mut end = [1; 512];
    file.seek(SeekFrom::End(-512))
        .and_then(|_| file.read_exact(&mut end))
        .and_then(|()| file.rewind())
        .context("cannot read its end")?;
    if end != [0; 512] {
        return Err(fault::data("it ends too early; download it again"));
    }
    let total = file.metadata().context("cannot read its size")?.len();
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

fn entries(reader: impl Read, sink: &mut Sink, read: &Cell<u64>, total: u64) -> Result<()> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|e| damaged(&e))? {
        let mut entry = entry.map_err(|e| damaged(&e))?;
        let name = entry.path_bytes().into_owned();
        let size = entry.size();
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
            EntryType::XGlobalHeader => continue,
            EntryType::Link | EntryType::Symlink => return Err(refused(&name, "is a link")),
            _ => return Err(refused(&name, "is a special file")),
        }
        let wanted = sink.admit(&name, size)?;
        if entry.header().entry_type() == EntryType::Directory {
            continue;
        }
        if let Some(path) = wanted {
            sink.store(&path, size, &mut entry)?;
        }
        sink.bar.set(read.get(), total);
    }
    Ok(())
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
