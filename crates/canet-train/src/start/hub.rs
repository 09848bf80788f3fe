//! Models of a hub: fetched once, checked, and kept.
//!
//! The file is `<hub>/<owner>/<name>/resolve/<revision>/model.safetensors`. Its SHA-256 is asked for
//! first: it stands in the answer's `X-Linked-Etag`, or in the Git LFS pointer at `raw` in the place of
//! `resolve`. Kept is `<cache>/hub/<owner>/<name>/<revision>/model.safetensors`, with the SHA-256 in a
//! file beside it, by which it is checked before each use.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use canet_core::{Error as FileError, atomic};
use canet_fetch::{Answer, Error as FetchError, Patience, StatusCode, Watcher, fetch, sha256_of};

use crate::config::HubModel;
use crate::{Error, Result};

/// The hub that everybody means, and the variable by which its tools are pointed at another.
const HUB: (&str, &str) = ("https://huggingface.co", "HF_ENDPOINT");
const FILE: &str = "model.safetensors";
/// Redirects of a repository that was renamed.
const MOST_MOVES: usize = 5;
/// An LFS pointer is far shorter.
const MOST_POINTER: u64 = 1024;
/// The largest file: that of a ResNet-101 has 0.2 GB.
const MOST_BYTES: u64 = 8 << 30;

/// A hub, and where its files are kept.
pub(super) struct Hub {
    address: String,
    cache: PathBuf,
    patience: Patience,
}

impl Hub {
    /// The hub and the folder that the environment names, or the usual ones.
    pub(super) fn of_environment() -> Result<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let address = set(HUB.1).unwrap_or_else(|| HUB.0.to_owned());
        if !address.starts_with("https://") && !address.starts_with("http://") {
            let reason = format!("{address:?} does not start with https:// or http://");
            return Err(Error::config(HUB.1, reason));
        }
        let cache = match (set("XDG_CACHE_HOME").map(PathBuf::from), set("HOME")) {
            (Some(cache), _) if cache.is_absolute() => cache,
            (_, Some(home)) => Path::new(&home).join(".cache"),
            (_, None) => {
                let reason = "names no folder for downloads; set it, or XDG_CACHE_HOME";
                return Err(Error::config("HOME", reason));
            }
        };
        let address = address.trim_end_matches('/').to_owned();
        let patience = Patience { most: MOST_BYTES, ..Patience::default() };
        Ok(Self { address, cache: cache.join("canet/hub"), patience })
    }

    /// The file of a model, which is fetched if it is not there yet.
    pub(super) fn locate(&self, model: &HubModel) -> Result<PathBuf> {
        let path = self.cache.join(model.repo()).join(model.revision()).join(FILE);
        let url = format!("{}/{}/resolve/{}/{FILE}", self.address, model.repo(), model.revision());
        let told = |source| Error::Hub {
            model: model.to_string(),
            url: url.clone(),
            place: path.clone(),
            source: Box::new(source),
        };
        let note = path.with_extension("safetensors.sha256");
        if path.exists() {
            self.check(&path, &note).map_err(told)?;
            return Ok(path);
        }
        let sha256 = self.sha256(model, &url).map_err(told)?;
        tracing::info!("fetching {url}");
        fetch(&url, &path, Some(&sha256), self.patience, &mut Told::new()).map_err(told)?;
        atomic::write(&note, format!("{sha256}\n").as_bytes())?;
        Ok(path)
    }

    /// Checks what is kept; a file that was put there by hand is taken at its word, this once.
    fn check(&self, path: &Path, note: &Path) -> Result<(), FetchError> {
        if note.exists() {
            let text = std::fs::read_to_string(note).map_err(FileError::io("read", note))?;
            // It is there, so nothing is fetched: it is only compared.
            return fetch("", path, Some(text.trim()), self.patience, &mut ());
        }
        let sha256 = sha256_of(path)?;
        tracing::warn!(
            "{} was not fetched by this program; its sha-256 is {sha256}",
            path.display()
        );
        Ok(atomic::write(note, format!("{sha256}\n").as_bytes())?)
    }

    /// What the hub says that the file's SHA-256 is.
    fn sha256(&self, model: &HubModel, url: &str) -> Result<String, FetchError> {
        if let Some(sha256) = self.linked_etag(url)? {
            return Ok(sha256);
        }
        let (repo, revision) = (model.repo(), model.revision());
        let pointer = format!("{}/{repo}/raw/{revision}/{FILE}", self.address);
        let text = canet_fetch::text(&pointer, MOST_POINTER, self.patience)?;
        text.lines()
            .find_map(|line| line.strip_prefix("oid sha256:").and_then(sha256_in))
            .ok_or_else(|| FetchError::Content {
                url: pointer,
                reason: "names no sha-256: the file cannot be checked".into(),
            })
    }

    /// The SHA-256 in the answer's headers, if it is there.
    fn linked_etag(&self, url: &str) -> Result<Option<String>, FetchError> {
        let mut at = url.to_owned();
        for _ in 0..MOST_MOVES {
            let answer = canet_fetch::head(&at, self.patience)?;
            let etag = answer.header("x-linked-etag").and_then(sha256_in);
            if etag.is_some() {
                return Ok(etag);
            }
            match self.moved(&answer) {
                Some(new) => at = new,
                None if answer.status.is_success() || answer.status.is_redirection() => {
                    return Ok(None);
                }
                None => return Err(FetchError::Status { url: at, status: answer.status }),
            }
        }
        Err(FetchError::Content { url: at, reason: "is moved on and on".into() })
    }

    /// Where else on this hub the file is.
    fn moved(&self, answer: &Answer) -> Option<String> {
        let to = answer.header("location").filter(|_| answer.status.is_redirection())?;
        if to.starts_with(&format!("{}/", self.address)) {
            return Some(to.to_owned());
        }
        let host = self.address.find("://")? + 3;
        let end = self.address[host..].find('/').map_or(self.address.len(), |at| host + at);
        (to.starts_with('/') && !to.starts_with("//"))
            .then(|| format!("{}{to}", &self.address[..end]))
    }
}

/// The exit code that a failed fetch asks for: a hub that knows no such file was asked for the wrong
/// one.
pub(crate) fn exit_code(error: &FetchError) -> u8 {
    match error {
        FetchError::Status { status, .. } if refuses(*status) => {
            canet_core::Fault::Usage.exit_code()
        }
        error => error.fault().exit_code(),
    }
}

fn refuses(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
}

/// 64 hex digits, in quotes or not.
fn sha256_in(text: &str) -> Option<String> {
    let digits = text.trim().trim_matches('"');
    let valid = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    valid.then(|| digits.to_ascii_lowercase())
}

/// Tells of a download in the log, now and then.
struct Told(Instant);

impl Told {
    const EVERY: Duration = Duration::from_secs(5);

    fn new() -> Self {
        Self(Instant::now())
    }
}

impl Watcher for Told {
    fn at(&mut self, done: u64, total: u64) {
        if self.0.elapsed() >= Self::EVERY {
            self.0 = Instant::now();
            let percent = (done * 100).checked_div(total).map_or("?".into(), |n| n.to_string());
            tracing::info!("fetched {} MiB, {percent} %", done >> 20);
        }
    }

    fn note(&mut self, line: &str) {
        tracing::warn!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_strictly() {
        let digits = "0aF".repeat(22)[..64].to_owned();
        for text in [digits.clone(), format!("\"{digits}\""), format!(" {digits}\n")] {
            assert_eq!(sha256_in(&text), Some(digits.to_lowercase()), "{text}");
        }
        // A Git hash, as files without LFS have; too long; not hex; weak.
        let weak = format!("W/\"{digits}\"");
        for text in ["", &digits[..40], &format!("{digits}0"), &digits.replace('0', "g"), &weak] {
            assert_eq!(sha256_in(text), None, "{text}");
        }
    }

    #[test]
    fn refusals_are_the_callers_and_silence_is_not() {
        let url = || "https://hub.test/x".to_owned();
        let status = |status| FetchError::Status { url: url(), status };
        for (error, code) in [
            (status(StatusCode::NOT_FOUND), 2),
            (status(StatusCode::UNAUTHORIZED), 2),
            (status(StatusCode::TOO_MANY_REQUESTS), 3),
            (status(StatusCode::BAD_GATEWAY), 3),
            (FetchError::Unreachable { url: url(), reason: "no route".into() }, 3),
            (FileError::io("write", "x")(std::io::ErrorKind::StorageFull.into()).into(), 5),
        ] {
            assert_eq!(exit_code(&error), code, "{error}");
        }
    }
}
