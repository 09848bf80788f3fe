//! Where the raw tree comes from: a folder, archives, a download, or this program's own drawing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use canet_core::Fault;
use canet_data::dataset_spec::{DatasetSpec, Download};
use canet_data::hash::hex;
use canet_data::sample::{SampleOptions, write_tree};
use sha2::{Digest, Sha256};

use crate::progress::say;
use crate::unpack::{Limits, Unpacked, fingerprint, unpack};
use crate::{drive, fault, fetch};

/// Where the raw data comes from.
#[derive(clap::Args)]
pub(crate) struct SourceArgs {
    /// An archive fetched by hand (zip, tar, tar.gz); give it again for each of several
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dir", "url"])]
    pub(crate) archive: Vec<PathBuf>,
    /// A folder unpacked by hand
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub(crate) dir: Option<PathBuf>,
    /// Where to download the archive from
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// What the downloaded archive must hash to, in hex
    #[arg(long, value_name = "HEX", conflicts_with_all = ["archive", "dir"])]
    pub(crate) sha256: Option<String>,
    /// Keeps downloads and unpacked archives
    #[arg(long, value_name = "DIR", default_value = "data/.download")]
    pub(crate) cache: PathBuf,
}

/// A raw tree.
pub(crate) struct Raw {
    /// Its folder.
    pub root: PathBuf,
    /// What to tell of copies that were kept, if any were made.
    pub kept: Option<String>,
}

/// Finds or makes the raw tree of a data set.
pub(crate) fn locate(spec: &DatasetSpec, args: &SourceArgs) -> Result<Raw> {
    if args.sha256.as_ref().is_some_and(|h| h.len() != 64 || hex_digits(h) != 64) {
        return Err(fault::usage("--sha256 takes 64 hex digits"));
    }
    if let Some(dir) = &args.dir {
        if !dir.is_dir() {
            return Err(fault::usage(format!("--dir {} is not a folder", dir.display())));
        }
        return Ok(Raw { root: dir.clone(), kept: None });
    }
    if !args.archive.is_empty() {
        return unpacked(spec, args, &args.archive);
    }
    let url = match (&args.url, &spec.download) {
        (Some(url), _) => drive::from_page_url(url).unwrap_or_else(|| url.clone()),
        (None, Download::GoogleDrive { id, .. }) => {
            drive::check_id(id)?;
            drive::download_url(id)
        }
        (None, Download::Generated) => return drawn(spec, args),
        (None, Download::Manual { how }) => {
            return Err(fault::usage(format!(
                "{} cannot be downloaded by a program. {how}",
                spec.title
            )));
        }
    };
    let archive = download(spec, args, &url)?;
    unpacked(spec, args, std::slice::from_ref(&archive)).map_err(|error| disown(&archive, error))
}

/// Removes a downloaded archive that turned out to be none: kept, it would be believed for ever.
fn disown(archive: &Path, error: anyhow::Error) -> anyhow::Error {
    if fault::of(&error) == Fault::Data && std::fs::remove_file(archive).is_ok() {
        let name = archive.display();
        error.context(format!("removed {name}; the next run downloads it anew"))
    } else {
        error.context(format!("to download it again, remove {}", archive.display()))
    }
}

fn hex_digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_hexdigit).count()
}

fn download(spec: &DatasetSpec, args: &SourceArgs, url: &str) -> Result<PathBuf> {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(fault::usage(format!("--url {url:?} does not start with https:// or http://")));
    }
    let name = format!("{}-{}.archive", spec.name, short_hash(&[url]));
    let archive = args.cache.join(name);
    say(format!("downloading {url}"));
    fetch::fetch(url, &archive, args.sha256.as_deref(), fetch::Patience::default())
        .with_context(|| advice(spec, args))?;
    Ok(archive)
}

/// What to do when a download fails.
fn advice(spec: &DatasetSpec, args: &SourceArgs) -> String {
    let by_hand = match &spec.download {
        Download::GoogleDrive { how, .. } if args.url.is_none() => how,
        _ => "Or fetch the archive by hand and pass it with --archive.",
    };
    format!("{} could not be downloaded; try again later. {by_hand}", spec.title)
}

/// Unpacks archives into the cache. Several go side by side, each into its own folder.
fn unpacked(spec: &DatasetSpec, args: &SourceArgs, archives: &[PathBuf]) -> Result<Raw> {
    let prints = archives.iter().map(|archive| fingerprint(archive)).collect::<Result<Vec<_>>>()?;
    let parts: Vec<&str> = prints.iter().map(String::as_str).collect();
    let root = args.cache.join(match parts[..] {
        [one] => format!("{}-{one}", spec.name),
        _ => format!("{}-{}", spec.name, short_hash(&parts)),
    });
    for (archive, print) in archives.iter().zip(&prints) {
        let into = if archives.len() == 1 { root.clone() } else { root.join(print) };
        match unpack(archive, &into, Limits::default())? {
            Unpacked::Before => say(format!("{} was unpacked before", archive.display())),
            Unpacked::Now { files, others } => say(format!(
                "unpacked {files} files from {}; {others} others were left",
                archive.display()
            )),
        }
    }
    Ok(kept(root))
}

/// Draws the sample, whole or not at all.
fn drawn(spec: &DatasetSpec, args: &SourceArgs) -> Result<Raw> {
    let options = SampleOptions::default();
    let version = short_hash(&[&format!("{options:?}"), env!("CARGO_PKG_VERSION")]);
    let root = args.cache.join(format!("{}-{version}", spec.name));
    if root.is_dir() {
        say("the frames were drawn before");
        return Ok(kept(root));
    }
    let drawing = args.cache.join(format!("{}-{version}.drawing", spec.name));
    if drawing.exists() {
        std::fs::remove_dir_all(&drawing)
            .with_context(|| format!("cannot remove what is left in {}", drawing.display()))?;
    }
    let frames = write_tree(&options, &drawing)?;
    std::fs::rename(&drawing, &root)
        .with_context(|| format!("cannot rename to {}", root.display()))?;
    say(format!("drew {frames} frames"));
    Ok(kept(root))
}

fn kept(root: PathBuf) -> Raw {
    let kept =
        format!("the raw files stay in {} for the next run; they may be removed", root.display());
    Raw { root, kept: Some(kept) }
}

/// A short name for some text.
fn short_hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..8])
}
