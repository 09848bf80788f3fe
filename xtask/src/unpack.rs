//! Archives, unpacked whole or not at all, and nowhere but where they should be.
//!
//! An archive is a stranger's program for writing files. So each name must be a plain relative path
//! that means the same on every system, links and special files are refused, sizes are limited as
//! declared and as they turn out, and everything goes to a temporary folder that is renamed at the
//! end: a killed or refused unpack is never taken for a whole one. One bad entry refuses the archive.
//! Only pictures and annotations are written; other files are counted.
//!
//! (The files are not synced one by one, which would take minutes for a large data set: this protects
//! against kills, not against a loss of power, after which frames that cannot be read are reported.)

mod names;
mod tarred;
#[cfg(test)]
mod tests;
mod zipped;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use canet_data::hash::hex;
use sha2::{Digest, Sha256};

use self::names::{Names, Verdict};
use crate::fault;
use crate::progress::{Bar, Unit, bytes};

/// What an archive may ask of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries, of any kind.
    pub entries: u64,
    /// Bytes in all, unpacked.
    pub bytes: u64,
    /// How many times larger than packed an entry may be...
    pub ratio: u64,
    /// ...if it is larger than this.
    pub ratio_from: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 200 << 30, ratio: 200, ratio_from: 1 << 20 }
    }
}

/// What became of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpacked {
    /// The folder was there already.
    Before,
    /// It was unpacked now: files written, and files that are neither pictures nor annotations.
    Now {
        /// Pictures and annotations that were written.
        files: u64,
        /// Other files, which were left.
        others: u64,
    },
}

/// Unpacks `archive` into the folder `into`, unless that exists.
pub fn unpack(archive: &Path, into: &Path, limits: Limits) -> Result<Unpacked> {
    if into.is_dir() {
        return Ok(Unpacked::Before);
    }
    let mut name = into.as_os_str().to_owned();
    name.push(".unpacking");
    let temporary = PathBuf::from(name);
    let clear = |action| -> Result<()> {
        match fs::remove_dir_all(&temporary) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("cannot {action} {}", temporary.display()))
            }
            _ => Ok(()),
        }
    };
    clear("remove what a killed run left in")?;
    fs::create_dir_all(&temporary)
        .with_context(|| format!("cannot make {}", temporary.display()))?;
    let done = fill(archive, &temporary, limits).and_then(|done| {
        fs::rename(&temporary, into)
            .with_context(|| format!("cannot rename to {}", into.display()))?;
        Ok(done)
    });
    if done.is_err() {
        clear("remove").ok();
    }
    done.with_context(|| format!("{} cannot be unpacked", archive.display()))
}

fn fill(archive: &Path, root: &Path, limits: Limits) -> Result<Unpacked> {
    let open = || File::open(archive).with_context(|| format!("cannot read {}", archive.display()));
    let mut head = Vec::new();
    open()?.take(512).read_to_end(&mut head).context("cannot read its beginning")?;
    let mut sink = Sink::new(root, limits);
    match Kind::of(&head)? {
        Kind::Zip => zipped::unpack(open()?, &mut sink)?,
        Kind::Tar => tarred::unpack(open()?, &mut sink)?,
        Kind::TarGz => tarred::unpack_gz(open()?, &mut sink)?,
    }
    if sink.files == 0 {
        return Err(fault::data(format!(
            "it holds no jpg, png or json file ({} others)",
            sink.others
        )));
    }
    Ok(Unpacked::Now { files: sink.files, others: sink.others })
}

/// A name for the folder of an archive: other archives have other names.
pub(crate) fn fingerprint(archive: &Path) -> Result<String> {
    const END: u64 = 64 << 10;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(archive)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let modified = meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(meta.len().to_le_bytes());
        hash.update(modified.as_nanos().to_le_bytes());
        // A zip has the checksums of its files at its end.
        for start in [0, meta.len().saturating_sub(END)] {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(start))?;
            (&file).take(END).read_to_end(&mut bytes)?;
            hash.update(&bytes);
        }
        Ok(hex(&hash.finalize()[..8]))
    };
    read().with_context(|| format!("cannot read {}; an archive is expected", archive.display()))
}

/// What an archive is, told from its first bytes: names lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zip,
    Tar,
    TarGz,
}

impl Kind {
    fn of(head: &[u8]) -> Result<Self> {
        let by_hand = "unpack it by hand and pass the folder with --dir";
        let what = if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Ok(Self::Zip);
        } else if head.starts_with(&[0x1f, 0x8b]) {
            return Ok(Self::TarGz);
        } else if head.get(257..262) == Some(b"ustar") {
            return Ok(Self::Tar);
        } else if head.is_empty() {
            "an empty file; download it again".to_owned()
        } else if head.trim_ascii_start().starts_with(b"<") {
            "a web page, not an archive; download it again in a browser".to_owned()
        } else if head.starts_with(b"7z\xbc\xaf") || head.starts_with(b"Rar!") {
            format!("a 7z or rar archive; {by_hand}")
        } else if head.starts_with(b"BZh") || head.starts_with(b"\xfd7zXZ") {
            format!("packed with bzip2 or xz; {by_hand}")
        } else {
            format!("no zip, tar or tar.gz archive; if it is an archive, {by_hand}")
        };
        Err(fault::data(format!("it is {what}")))
    }
}

/// Where entries go: it holds the limits and is the only one that writes.
struct Sink<'a> {
    root: &'a Path,
    limits: Limits,
    names: Names,
    entries: u64,
    declared: u64,
    files: u64,
    others: u64,
    bar: Bar,
}

impl<'a> Sink<'a> {
    fn new(root: &'a Path, limits: Limits) -> Self {
        let bar = Bar::new("unpacking", Unit::Bytes);
        let names = Names::default();
        Self { root, limits, names, entries: 0, declared: 0, files: 0, others: 0, bar }
    }

    fn count(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries { Err(self.too_many()) } else { Ok(()) }
    }

    fn too_many(&self) -> anyhow::Error {
        fault::data(format!("it has over {} entries", self.limits.entries))
    }

    /// Judges an entry by its name and declared size, before anything of it is read. The path is
    /// where to write it, if it is to be written.
    fn admit(&mut self, name: &[u8], size: u64) -> Result<Option<PathBuf>> {
        self.count()?;
        self.declared = self.declared.saturating_add(size);
        if self.declared > self.limits.bytes {
            return Err(fault::data(format!(
                "it would unpack to over {}, the limit",
                bytes(self.limits.bytes)
            )));
        }
        match self.names.judge(name).map_err(|reason| refused(name, reason))? {
            Verdict::Folder => Ok(None),
            Verdict::Other => {
                self.others += 1;
                Ok(None)
            }
            Verdict::Wanted(path) => Ok(Some(path)),
        }
    }

    /// Writes one entry and checks that it has the size it declared.
    fn store(&mut self, path: &Path, size: u64, body: &mut dyn Read) -> Result<()> {
        let name = path.as_os_str().as_encoded_bytes();
        let target = self.root.join(path);
        let write = || format!("cannot write {}", target.display());
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).with_context(write)?;
        }
        // Names are unique by now; `create_new` makes sure that nothing is ever written over.
        let mut file = File::create_new(&target).with_context(write)?;
        let mut buffer = vec![0; 64 << 10];
        let mut written = 0;
        // One byte more than declared is enough to see a lie.
        let mut body = body.take(size.saturating_add(1));
        loop {
            let n =
                body.read(&mut buffer).map_err(|e| refused(name, format!("is damaged: {e}")))?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n]).with_context(write)?;
            written += n as u64;
        }
        if written != size {
            let relation = if written > size { "more than" } else { "only" };
            let actual = written.min(size);
            return Err(refused(name, format!("has {relation} {actual} of {size} declared bytes")));
        }
        self.files += 1;
        Ok(())
    }
}

/// The error for one entry. Its name is a stranger's text and is shown escaped.
fn refused(name: &[u8], reason: impl std::fmt::Display) -> anyhow::Error {
    let name: String = String::from_utf8_lossy(name).chars().take(200).collect();
    fault::data(format!("entry {name:?} {reason}"))
}
