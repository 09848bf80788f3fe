//! Which names an archive's entries may have.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Longer names are refused by some file systems, deeper ones by common sense.
const LONGEST_PART: usize = 255;
const LONGEST: usize = 1024;
const DEEPEST: usize = 32;

/// The files that are written.
const WANTED: [&str; 4] = ["jpg", "jpeg", "png", "json"];

/// Names that Windows takes for devices, whatever their ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// What to do with an entry of a harmless name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write it here, below the root.
    Wanted(PathBuf),
    /// A file of no use.
    Other,
    /// Folders are made as files need them.
    Folder,
}

/// The names of one archive so far.
#[derive(Default)]
pub(super) struct Names {
    /// By lower-case path: the path as it was written, and whether it is a file.
    seen: BTreeMap<String, (String, bool)>,
}

impl Names {
    /// Judges the next name; the reason of a refusal continues the sentence "entry x ...".
    pub(super) fn judge(&mut self, raw: &[u8]) -> Result<Verdict, String> {
        let text = String::from_utf8_lossy(raw);
        if let Some(reason) = danger(&text) {
            return Err(reason);
        }
        let parts: Vec<&str> = text.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        let Some(name) = parts.last().filter(|_| !text.ends_with('/')) else {
            return Ok(Verdict::Folder);
        };
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let wanted = ending.is_some_and(|ending| WANTED.contains(&ending.as_str()));
        // macOS puts a shadow of each file into its archives, with the same ending.
        if !wanted || name.starts_with("._") || parts[0] == "__MACOSX" {
            return Ok(Verdict::Other);
        }
        if std::str::from_utf8(raw).is_err() {
            return Err("has a name that is not UTF-8".into());
        }
        if let Some(part) = parts.iter().find(|part| part.ends_with(['.', ' '])) {
            return Err(format!("has {part:?} in its name, which some systems change"));
        }
        self.register(&parts)?;
        Ok(Verdict::Wanted(parts.iter().collect()))
    }

    /// Refuses a name that is there already, or would be on a system that ignores case.
    fn register(&mut self, parts: &[&str]) -> Result<(), String> {
        for count in 1..=parts.len() {
            let (path, file) = (parts[..count].join("/"), count == parts.len());
            let Some((known, known_file)) = self.seen.get(&path.to_lowercase()) else {
                self.seen.insert(path.to_lowercase(), (path, file));
                continue;
            };
            if *known != path {
                return Err(format!("clashes with {known:?}: they differ in case only"));
            }
            if *known_file != file {
                return Err(format!("clashes with {known:?}: one is a file, one a folder"));
            }
            if file {
                return Err("is there twice".into());
            }
        }
        Ok(())
    }
}

/// What is dangerous about a name, whatever it names.
fn danger(text: &str) -> Option<String> {
    let because = |reason: &str| Some(reason.to_owned());
    if text.is_empty() {
        return because("has no name");
    }
    if text.len() > LONGEST {
        return Some(format!("has a name of {} bytes; {LONGEST} are possible", text.len()));
    }
    if text.starts_with('/') {
        return because("has an absolute path");
    }
    if let Some(c) = text.chars().find(|c| c.is_control() || matches!(c, '\\' | ':')) {
        return Some(format!("has {c:?} in its name, which can lead elsewhere"));
    }
    let mut depth = 0;
    for part in text.split('/') {
        depth += 1;
        if part == ".." {
            return because("leads out of the archive with \"..\"");
        }
        if part.len() > LONGEST_PART {
            return Some(format!("has a part of {} bytes in its name", part.len()));
        }
        if is_device(part) {
            return Some(format!("is named after the device {part:?}"));
        }
    }
    (depth > DEEPEST).then(|| format!("is {depth} folders deep; {DEEPEST} are possible"))
}

fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end().to_ascii_lowercase();
    let port = |kind: &str| {
        let digit = stem.strip_prefix(kind).and_then(|rest| rest.parse::<u8>().ok());
        digit.is_some_and(|n| (1..=9).contains(&n))
    };
    DEVICES.contains(&stem.as_str()) || port("com") || port("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_wanted_skipped_or_folders() {
        let mut names = Names::default();
        for (name, expected) in [
            ("a/b/c.jpg", Verdict::Wanted("a/b/c.jpg".into())),
            ("./a/b/./d.PNG", Verdict::Wanted("a/b/d.PNG".into())),
            ("a/b/.hidden.json", Verdict::Wanted("a/b/.hidden.json".into())),
            ("a/..b/c..jpeg", Verdict::Wanted("a/..b/c..jpeg".into())),
            ("a/b/", Verdict::Folder),
            ("./", Verdict::Folder),
            ("readme.txt", Verdict::Other),
            ("jpg", Verdict::Other),
            ("__MACOSX/a/b/c.jpg", Verdict::Other),
            ("a/b/._c.jpg", Verdict::Other),
            ("a/b/community.png", Verdict::Wanted("a/b/community.png".into())),
            ("a/com12.png", Verdict::Wanted("a/com12.png".into())),
        ] {
            assert_eq!(names.judge(name.as_bytes()), Ok(expected), "{name}");
        }
    }

    #[test]
    fn dangerous_names_are_refused() {
        let long = format!("{}.png", "x".repeat(300));
        let longer = format!("{}.png", "x/".repeat(600));
        let deep = format!("{}a.png", "x/".repeat(40));
        for (name, reason) in [
            (&b"../x.png"[..], "leads out"),
            (b"a/../../x.png", "leads out"),
            (b"a/../x.png", "leads out"),
            (b"..", "leads out"),
            (b"../notes.txt", "leads out"),
            (b"/etc/x.png", "absolute"),
            (b"//host/x.png", "absolute"),
            (b"C:x.png", "':'"),
            (b"C:\\x.png", "lead elsewhere"),
            (b"a\\..\\x.png", "lead elsewhere"),
            (b"a/x.png:stream", "':'"),
            (b"a\0.png", "lead elsewhere"),
            (b"a\n.png", "lead elsewhere"),
            (b"", "no name"),
            (b"a/con.png", "device"),
            (b"a/NUL", "device"),
            (b"Aux .json", "device"),
            (b"lpt1/x.png", "device"),
            (b"a /x.png", "some systems change"),
            (b"a./x.png", "some systems change"),
            (b"a/\xff.png", "not UTF-8"),
            (long.as_bytes(), "a part of 304 bytes"),
            (longer.as_bytes(), "1204 bytes"),
            (deep.as_bytes(), "41 folders deep"),
        ] {
            let error = Names::default().judge(name).unwrap_err();
            assert!(error.contains(reason), "{}: {error}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn names_that_meet_on_disk_are_refused() {
        for (first, second, reason) in [
            ("a/x.png", "a/x.png", "twice"),
            ("a/x.png", "./a//x.png", "twice"),
            ("a/x.png", "a/X.png", "case only"),
            ("a/x.png", "A/y.png", "case only"),
            ("ä/x.png", "Ä/x.png", "case only"),
            ("a.png", "a.png/b.png", "one is a file"),
            ("a.png/b.png", "a.png", "one is a file"),
        ] {
            let mut names = Names::default();
            names.judge(first.as_bytes()).unwrap();
            let error = names.judge(second.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{first} {second}: {error}");
        }
    }
}
