//! Zips that mean harm, and zips that do not.

use crate::craft::{Entry, end, end64, extra, noise, packed, pieces, stored, zip};
use crate::{Case, accepted, refused};

/// One good file before the bad one: it must not be left behind.
fn with_good(bad: Entry) -> Vec<u8> {
    zip(&[stored("ok/good.png", b"good"), bad])
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = names();
    cases.extend(kinds());
    cases.extend(sizes());
    cases.extend(directories());
    cases.extend(good());
    cases
}

/// Names that lead elsewhere, or meet another file.
fn names() -> Vec<Case> {
    let long = format!("{}.png", "x".repeat(300));
    let deep = format!("{}a.png", "x/".repeat(40));
    let one = |name: &[u8], reason: &'static str| {
        let what = format!("zip: the name {:.30}", String::from_utf8_lossy(name).escape_debug());
        refused(what, with_good(stored(name, b"bad")), reason)
    };
    let two = |first: &str, second: &str, reason: &'static str| {
        let pair = [stored(first, b"1"), stored(second, b"2")];
        refused(format!("zip: {first} and {second}"), zip(&pair), reason)
    };
    vec![
        one(b"../evil.png", "leads out"),
        one(b"../../outside.txt", "leads out"),
        one(b"a/../../evil.png", "leads out"),
        one(b"a/../evil.png", "leads out"),
        one(b"/tmp/canet-hostile-evil.png", "absolute"),
        one(b"//host/share/evil.png", "absolute"),
        one(b"C:/evil.png", "':'"),
        one(b"C:evil.png", "':'"),
        one(b"..\\evil.png", "lead elsewhere"),
        one(b"a/x.png:stream.png", "':'"),
        one(b"a/nul/evil.png", "device"),
        one(b"CON.png", "device"),
        one(b"a/Com1.json", "device"),
        one(b"evil.png\0.txt", "lead elsewhere"),
        one(b"evil\n.png", "lead elsewhere"),
        one(b"a./evil.png", "some systems change"),
        one(b"a /evil.png", "some systems change"),
        one(b"\xff.png", "not UTF-8"),
        one(b"", "no name"),
        one(long.as_bytes(), "a part of 304 bytes"),
        one(deep.as_bytes(), "folders deep"),
        two("a/x.png", "a/x.png", "same name"),
        two("a/x.png", "a/./x.png", "twice"),
        two("a/x.png", "a/X.png", "case only"),
        two("ä/x.png", "Ä/y.png", "case only"),
        two("a.png", "a.png/b.png", "one is a file"),
        two("a.png/b.png", "a.png", "one is a file"),
    ]
}

/// Entries that are no plain files.
fn kinds() -> Vec<Case> {
    let moded = |what: &str, mode: u32, reason: &'static str| {
        let entry = Entry { mode, ..stored("a.png", b"../../outside.txt") };
        refused(format!("zip: {what}"), with_good(entry), reason)
    };
    let link = Entry { mode: 0o120_777, ..stored("a", b"../..") };
    let through = zip(&[link, stored("a/outside.txt", b"through"), stored("a/x.png", b"through")]);
    let locked = Entry { flags: 1, ..stored("a.png", b"x") };
    vec![
        moded("a link", 0o120_777, "is a link"),
        moded("a fifo", 0o010_644, "is a special file"),
        moded("a character device", 0o020_644, "is a special file"),
        moded("a block device", 0o060_644, "is a special file"),
        moded("a socket", 0o140_644, "is a special file"),
        refused("zip: a link, then files through it", through, "is a link"),
        refused("zip: encrypted", with_good(locked), "encrypted"),
    ]
}

/// Entries whose sizes are too much, or lies.
fn sizes() -> Vec<Case> {
    let body = noise(1000);
    let zeros = vec![0; 4 << 20];
    let half = noise(2 << 20);
    let one = |what: &str, entry: Entry, reason: &'static str| {
        refused(format!("zip: {what}"), with_good(entry), reason)
    };
    // The sizes of more than 32 bits stand in a field of their own.
    let huge = |size: u64| {
        let field = extra(1, &[size.to_le_bytes(), 1000_u64.to_le_bytes()].concat());
        Entry { size: u32::MAX, packed: u32::MAX, extra: field, ..stored("a.png", &body) }
    };
    let nested = zip(&[packed("bomb.zip", &zip(&[packed("a.png", &zeros)]))]);
    vec![
        one("a bomb that says so", packed("a.png", &zeros), "claims to grow"),
        one("a bomb of no use", packed("a.txt", &zeros), "claims to grow"),
        one("a bomb that says 10", Entry { size: 10, ..packed("a.png", &zeros) }, "larger than"),
        one("the total", Entry { size: 5 << 20, ..stored("a.png", &half) }, "the limit"),
        refused("zip: the sum", zip(&["a.png", "b.png"].map(|n| stored(n, &half))), "the limit"),
        refused("zip: a bomb in a zip", nested, "no jpg, png or json"),
        one("one byte less", Entry { size: 999, ..stored("a.png", &body) }, "a.png"),
        one("one byte more", Entry { size: 1001, ..stored("a.png", &body) }, "a.png"),
        one("packed beyond the end", Entry { packed: 9999, ..stored("a.png", &body) }, ""),
        one("a wrong checksum", Entry { crc: 7, ..stored("a.png", &body) }, "damaged"),
        one("a broken stream", Entry { body: noise(80), ..packed("a.png", &body) }, ""),
        one("an unknown method", Entry { method: 99, ..stored("a.png", &body) }, ""),
        one("zip64 without its field", Entry { size: u32::MAX, ..stored("a.png", &body) }, ""),
        one("zip64 of 2^62 bytes", huge(1 << 62), "claims to grow"),
        one("zip64 of 2^64 - 1 bytes", huge(u64::MAX), "claims to grow"),
    ]
}

/// Directories that lie.
fn directories() -> Vec<Case> {
    let entries = [stored("a.png", &noise(1000)), stored("b.png", &noise(900))];
    let whole = zip(&entries);
    let (bodies, directory) = pieces(&entries);
    let (at, length) = (bodies.len(), directory.len());
    let claims = |count: u64, length: u64, start: u64| {
        let ends = end64(count, length, start, (at + directory.len()) as u64);
        [&bodies[..], &directory, &ends].concat()
    };
    let counted = |count: u16| [&bodies[..], &directory, &end(count, length, at, b"")].concat();
    let many: Vec<_> = (0..101).map(|i| stored(format!("{i}.png"), b"")).collect();
    let overlap = [entries[0].clone(), Entry { offset: Some(0), ..stored("b.png", &noise(1000)) }];
    let beyond = [Entry { offset: Some(1 << 30), ..entries[0].clone() }];
    let mut cases = vec![
        refused("zip: over the entries", zip(&many), "over 100 entries"),
        refused("zip: claims 65535 entries", counted(65535), "over 100 entries"),
        refused("zip: claims 3 entries", counted(3), "damaged"),
        refused("zip64: claims 2^40", claims(1 << 40, 1 << 46, at as u64), "over 100 entries"),
        refused("zip64: claims 2^64 - 1", claims(u64::MAX, 0, 0), "over 100 entries"),
        refused("zip64: begins at 2^62", claims(2, length as u64, 1 << 62), "damaged"),
        refused(
            "zip64: its end at 2^63",
            [&bodies[..], &directory, &end64(2, length as u64, at as u64, 1 << 63)].concat(),
            "over 100 entries",
        ),
        refused("zip: entries that share bytes", zip(&overlap), ""),
        refused("zip: an entry beyond the end", zip(&beyond), ""),
    ];
    let many_ends = [&bodies[..], &directory, &b"PK\x05\x06".repeat(16_000)].concat();
    cases.push(refused("zip: 16,000 ends", many_ends, "over 100 entries"));
    for cut in [5, 30, 500, whole.len() - 60, whole.len() - 22, whole.len() - 1] {
        let what = format!("zip: cut to {cut} of {}", whole.len());
        cases.push(refused(what, whole[..cut].to_vec(), "damaged"));
    }
    cases
}

/// Odd zips that do no harm: unpacked, under the names of the directory.
fn good() -> Vec<Case> {
    let other = Entry { local_name: Some(b"../evil.png".to_vec()), ..stored("a.png", b"x") };
    let (bodies, directory) = pieces(&[stored("a.png", b"x")]);
    // An end within the comment of the true one, whose directory is a stranger's.
    let inner = end(1, directory.len(), bodies.len(), b"");
    let commented =
        end(1, directory.len(), bodies.len(), &[b"so ", &inner[..], b" it ends"].concat());
    let commented = [&bodies[..], &directory, &commented].concat();
    let shadow = [stored("__MACOSX/._a.png", b"s"), stored("a.png", b"x"), stored("dir/", b"")];
    vec![
        accepted(
            "zip: a good one",
            zip(&[packed("a/b.png", &noise(9)), stored("c.json", b"{}")]),
            2,
        ),
        accepted("zip: no modes", zip(&[Entry { mode: 0, ..stored("a.png", b"x") }]), 1),
        accepted("zip: shadows and folders", zip(&shadow), 1),
        accepted("zip: an escape in front of a body", zip(&[other]), 1),
        accepted("zip: an end in a comment", commented, 1),
    ]
}
