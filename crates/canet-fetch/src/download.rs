//! Downloads that end with the right file or an error, and go on where they stopped.
//!
//! The bytes go to `<name>.part`; beside it `<name>.part.from` notes the address, the server's
//! validator and the whole length. When a connection drops, the rest is asked for with `Range` and
//! `If-Range`: a server whose file has changed since, or that knows no ranges, sends the whole and the
//! download begins anew. Only a file of the full length, and of the right SHA-256 if that is known,
//! is renamed to its name.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use ureq::ResponseExt;
use ureq::http::{Response, StatusCode, header};

use crate::ask::{agent, unreachable};
use crate::origin::{Origin, content_range, text, validator};
use crate::page::{is_page, read_page, title};
use crate::sha256::check;
use crate::{Error, Page, Patience, Result, Watcher};

/// Attempts in a row that may come no further than any before, until the download is given up.
const FRUITLESS_ATTEMPTS: u32 = 4;
/// Connections in all; a server that drops more often has something else in mind.
const MOST_ATTEMPTS: u32 = 200;

/// Downloads `url` to `target`. What stands at `target` is taken for complete: it got there whole.
pub fn fetch(
    url: &str,
    target: &Path,
    sha256: Option<&str>,
    patience: Patience,
    watcher: &mut dyn Watcher,
) -> Result<()> {
    if !target.exists() {
        let folder = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(canet_core::Error::io("create folder", folder))?;
        let mut download = Download::new(url, target, sha256.is_some(), patience, watcher);
        download.run()?;
        download.finish(sha256)
    } else if let Some(expected) = sha256 {
        let advice = "it was downloaded before: remove it to download it again";
        check(target, expected, advice)
    } else {
        Ok(())
    }
}

/// How one connection ended.
enum End {
    Complete,
    /// With the part grown to this many bytes, and why.
    Dropped(u64, Error),
}

struct Download<'a> {
    agent: ureq::Agent,
    patience: Patience,
    url: &'a str,
    target: &'a Path,
    part: PathBuf,
    note: PathBuf,
    /// Whether a checksum will catch bytes of two files in one.
    checked: bool,
    watcher: &'a mut dyn Watcher,
}

impl<'a> Download<'a> {
    fn new(
        url: &'a str,
        target: &'a Path,
        checked: bool,
        patience: Patience,
        watcher: &'a mut dyn Watcher,
    ) -> Self {
        let beside = |suffix: &str| {
            let mut name = target.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let agent = agent(url, 10, patience);
        let (part, note) = (beside(".part"), beside(".part.from"));
        Self { agent, patience, url, target, part, note, checked, watcher }
    }

    fn run(&mut self) -> Result<()> {
        let (mut fruitless, mut furthest) = (0, 0);
        for _ in 0..MOST_ATTEMPTS {
            let (reached, error) = match self.attempt()? {
                End::Complete => return Ok(()),
                End::Dropped(reached, error) => (reached, error),
            };
            // Bytes that had been there before are nothing gained: some servers always begin anew.
            fruitless = if reached > furthest { 0 } else { fruitless + 1 };
            furthest = furthest.max(reached);
            if fruitless >= FRUITLESS_ATTEMPTS {
                return Err(error);
            }
            let at = size(reached);
            self.watcher.note(&format!("the download stopped at {at}; trying again: {error}"));
            std::thread::sleep(self.patience.pause * fruitless);
        }
        Err(self.content(format!("dropped {MOST_ATTEMPTS} connections")))
    }

    /// How much of the part can be built on, and what it came from.
    fn resumable(&self) -> (u64, Origin) {
        let fresh = || (0, Origin { url: self.url.to_owned(), ..Origin::default() });
        let Some(origin) = Origin::read(&self.note) else { return fresh() };
        let have = fs::metadata(&self.part).map_or(0, |m| m.len());
        let provable = origin.validator.is_some() || self.checked;
        let sound = origin.length.is_none_or(|length| have <= length);
        if origin.url == self.url && provable && sound { (have, origin) } else { fresh() }
    }

    fn attempt(&mut self) -> Result<End> {
        let (have, origin) = self.resumable();
        if have > 0 && origin.length == Some(have) {
            return Ok(End::Complete);
        }
        let response = match self.open(have, &origin)? {
            Ok(response) => response,
            Err(error) => return Ok(End::Dropped(0, error)),
        };
        match self.place(&response, have, origin) {
            Ok((start, origin)) => self.receive(response, start, &origin),
            Err(error) => {
                // The pieces do not belong together: there is no use in either.
                self.discard();
                Ok(End::Dropped(0, error))
            }
        }
    }

    /// Asks for the file from byte `have` on, through a confirm page if there is one. The inner
    /// error is one that another attempt may not meet.
    fn open(&self, have: u64, origin: &Origin) -> Result<Result<Response<ureq::Body>>> {
        self.open_at(self.url, true, have, origin)
    }

    /// As [`Self::open`]; `confirm` says whether a confirm page may still come in between. What the
    /// status says goes before what the body is: a server out of order sends pages, too.
    fn open_at(
        &self,
        url: &str,
        confirm: bool,
        have: u64,
        origin: &Origin,
    ) -> Result<Result<Response<ureq::Body>>> {
        let mut response = match self.get(url, have, origin) {
            Ok(response) => response,
            Err(error) => return Ok(Err(error)),
        };
        let status = response.status();
        let told = || Error::Status { url: self.url.to_owned(), status };
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Ok(Err(told()));
        }
        if is_page(&response) {
            let base = response.get_uri().to_string();
            let page = read_page(&mut response, self.patience.stretch);
            return match self.watcher.page(&page, &base) {
                Page::Link(link) if confirm => self.open_at(&link, false, have, origin),
                Page::Refusal(_) if !status.is_success() => Err(told()),
                Page::Link(_) => Err(self.page(&page, status, "it leads to a second one".into())),
                Page::Refusal(reason) => Err(self.page(&page, status, reason)),
            };
        }
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(Ok(response)),
            _ => Err(told()),
        }
    }

    fn get(&self, url: &str, have: u64, origin: &Origin) -> Result<Response<ureq::Body>> {
        let ask = |have: u64| {
            let mut request = self.agent.get(url).header(header::ACCEPT_ENCODING, "identity");
            if have > 0 {
                request = request.header(header::RANGE, format!("bytes={have}-"));
                if let Some(validator) = &origin.validator {
                    request = request.header(header::IF_RANGE, validator);
                }
            }
            request.call().map_err(|e| unreachable(url, &e))
        };
        let response = ask(have)?;
        // The file has become shorter than what we have, or a page is: the whole tells.
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE { ask(0) } else { Ok(response) }
    }

    /// Where the body belongs in the part, and what the part then comes from.
    fn place(
        &self,
        response: &Response<ureq::Body>,
        have: u64,
        old: Origin,
    ) -> Result<(u64, Origin)> {
        let origin =
            |length| Origin { url: self.url.to_owned(), validator: validator(response), length };
        if text(response, header::CONTENT_ENCODING).is_some_and(|e| e != "identity") {
            return Err(self.content("sends its file encoded, unasked"));
        }
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Ok((0, origin(response.body().content_length())));
        }
        let (start, length) = text(response, header::CONTENT_RANGE)
            .and_then(content_range)
            .ok_or_else(|| self.content("answers without a valid content-range"))?;
        let new = origin(length.or(old.length));
        let same = (new.validator.is_none() || new.validator == old.validator)
            && (old.length.is_none() || new.length == old.length);
        if start == have && same {
            return Ok((have, Origin { validator: new.validator.or(old.validator), ..new }));
        }
        Err(self.content("changed while it was downloaded"))
    }

    fn receive(
        &mut self,
        response: Response<ureq::Body>,
        start: u64,
        origin: &Origin,
    ) -> Result<End> {
        let length = origin.length;
        self.refuse_beyond(length.unwrap_or(0))?;
        let part = self.part.clone();
        let failed = || canet_core::Error::io("write", &part);
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&self.part)
            .and_then(|file| file.set_len(start).map(|()| file))
            .map_err(failed())?;
        // Only now: the note must never speak of bytes that came from elsewhere.
        origin.write(&self.note)?;
        file.seek(SeekFrom::Start(start)).map_err(failed())?;
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 128 << 10];
        let mut at = start;
        let mut stretch = (Instant::now(), at);
        let dropped = loop {
            match body.read(&mut buffer) {
                Ok(0) => break None,
                Ok(n) => {
                    file.write_all(&buffer[..n]).map_err(failed())?;
                    at += n as u64;
                    self.refuse_beyond(at)?;
                    if length.is_some_and(|length| at > length) {
                        break Some("it sends more".to_owned());
                    }
                    self.watcher.at(at, length.unwrap_or(0));
                }
                Err(error) => break Some(error.to_string()),
            }
            if stretch.0.elapsed() > self.patience.stretch {
                if at - stretch.1 < self.patience.least {
                    let (came, time) = (size(at - stretch.1), stretch.0.elapsed());
                    break Some(format!("only {came} came in {time:.0?}"));
                }
                stretch = (Instant::now(), at);
            }
        };
        file.sync_all().map_err(failed())?;
        let complete = dropped.is_none() && length.is_none_or(|length| length == at);
        if complete {
            return Ok(End::Complete);
        }
        let reason = dropped.unwrap_or_else(|| "it ended early".to_owned());
        let of = length.map(|n| format!(" of {n}")).unwrap_or_default();
        let error = self.content(format!("gave {at}{of} bytes: {reason}"));
        Ok(End::Dropped(at.min(length.unwrap_or(at)), error))
    }

    /// Refuses a file of so many bytes, or more, if that is too many.
    fn refuse_beyond(&self, length: u64) -> Result<()> {
        let most = self.patience.most;
        if length <= most {
            return Ok(());
        }
        self.discard();
        Err(self.content(format!("sends over {}, the limit", size(most))))
    }

    /// Gives a complete part its name, if it is what it should be.
    fn finish(&self, sha256: Option<&str>) -> Result<()> {
        if let Some(expected) = sha256 {
            let advice = "the download is not the expected file, and was removed";
            check(&self.part, expected, advice).inspect_err(|_| self.discard())?;
        }
        fs::rename(&self.part, self.target)
            .map_err(canet_core::Error::io("rename into place", self.target))?;
        fs::remove_file(&self.note).ok();
        Ok(())
    }

    fn content(&self, reason: impl Into<String>) -> Error {
        Error::content(self.url, reason)
    }

    fn page(&self, page: &str, status: StatusCode, reason: String) -> Error {
        let title = title(page).map(|title| format!(", titled {title:?}")).unwrap_or_default();
        Error::Page { url: self.url.to_owned(), status, title, reason }
    }

    fn discard(&self) {
        fs::remove_file(&self.part).ok();
        fs::remove_file(&self.note).ok();
    }
}

/// A size for people, such as `1.5 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10).min(UNITS.len() as u32);
    format!("{:.1} {}", bytes as f64 / 1024_f64.powi(power as i32), UNITS[power as usize - 1])
}

#[cfg(test)]
mod tests;
