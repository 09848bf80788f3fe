//! Tars that mean harm, plain and gzipped, and tars that do not.

use crate::craft::{gz, header, member, noise, pax, tar};
use crate::{Case, Expected, accepted, refused};

const FILE: u8 = b'0';
const LONG_NAME: u8 = b'L';
const PAX: u8 = b'x';
const PAX_GLOBAL: u8 = b'g';

/// Each as it is and gzipped: what is wrong is the same.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for Case { what, bytes, expected } in names().into_iter().chain(kinds()).chain(good()) {
        let packed = Case { what: format!("{what}, gzipped"), bytes: gz(&bytes), expected };
        cases.extend([Case { what, bytes, expected }, packed]);
    }
    cases.extend(lies());
    cases.extend(bombs());
    cases
}

fn entries(what: &str, members: &[Vec<u8>], reason: &'static str) -> Case {
    let good = member(FILE, b"ok/good.png", b"good");
    refused(format!("tar: {what}"), tar(&[&[good], members].concat()), reason)
}

fn names() -> Vec<Case> {
    let one = |name: &[u8], reason: &'static str| {
        let what = format!("the name {}", String::from_utf8_lossy(name).escape_debug());
        entries(&what, &[member(FILE, name, b"bad")], reason)
    };
    let two = |first: &[u8], second: &[u8], reason: &'static str| {
        entries(
            &format!("{} twice", String::from_utf8_lossy(first)),
            &[first, second].map(|n| member(FILE, n, b"x")),
            reason,
        )
    };
    // A long name stands in an entry of its own, before the one it names.
    let long =
        |name: &[u8]| [member(LONG_NAME, b"././@LongLink", name), member(FILE, b"a.png", b"x")];
    let posix = |key: &str, value: &str| {
        [member(PAX, b"pax", &pax(key, value)), member(FILE, b"a.png", b"x")]
    };
    vec![
        one(b"../evil.png", "leads out"),
        one(b"../../outside.txt", "leads out"),
        one(b"a/../../evil.png", "leads out"),
        one(b"/tmp/canet-hostile-evil.png", "absolute"),
        one(b"c:evil.png", "':'"),
        one(b"..\\evil.png", "lead elsewhere"),
        one(b"com1.json", "device"),
        one(b"a/NUL", "device"),
        one(b"\xff.png", "not UTF-8"),
        two(b"a.png", b"./a.png", "twice"),
        two(b"a.png", b"A.png", "case only"),
        two(b"a.png", b"a.png/b.png", "one is a file"),
        entries("a folder above", &[member(b'5', b"../up/", b"")], "leads out"),
        entries("a long name above", &long(b"../../evil.png\0"), "leads out"),
        entries("two long names", &[&long(b"b.png\0")[..1], &long(b"c.png\0")].concat(), "damaged"),
        entries("a pax name above", &posix("path", "../../evil.png"), "leads out"),
        entries("an absolute pax name", &posix("path", "/tmp/canet-hostile-evil.png"), "absolute"),
        entries("a pax size", &posix("size", "99999999999"), ""),
    ]
}

fn kinds() -> Vec<Case> {
    let kind = |what: &str, kind: u8, reason: &'static str| {
        entries(what, &[member(kind, b"a.png", b"")], reason)
    };
    let through = |kind: u8| [member(kind, b"a", b""), member(FILE, b"a/x.png", b"through")];
    vec![
        kind("a symbolic link", b'2', "is a link"),
        kind("a hard link", b'1', "is a link"),
        entries("a link, then a file through it", &through(b'2'), "is a link"),
        entries("a hard link, then a file over it", &through(b'1'), "is a link"),
        kind("a fifo", b'6', "special"),
        kind("a character device", b'3', "special"),
        kind("a block device", b'4', "special"),
        kind("a sparse file", b'S', ""),
        kind("an unknown kind", b'Z', "special"),
    ]
}

fn good() -> Vec<Case> {
    let long = format!("{}/a.png", "folder/".repeat(20));
    let posix = [member(PAX, b"pax", &pax("path", &long)), member(FILE, b"short", b"x")];
    let name = [long.as_bytes(), b"\0"].concat();
    let gnu = [member(LONG_NAME, b"././@LongLink", &name), member(FILE, b"short", b"x")];
    let odd = [member(PAX, b"pax", &pax("size", "-1")), member(FILE, b"a.png", b"x")];
    let global =
        [member(PAX_GLOBAL, b"pax", &pax("comment", "a commit")), member(FILE, b"a.png", b"x")];
    let mixed = [
        member(b'5', b"a/", b""),
        member(FILE, b"a/b.png", b"x"),
        member(FILE, b"a/c.txt", &noise(3000)),
        member(FILE, b"d.json", b"{}"),
    ];
    vec![
        accepted("tar: a good one", tar(&mixed), 2),
        accepted("tar: a long pax name", tar(&posix), 1),
        accepted("tar: a long name", tar(&gnu), 1),
        accepted("tar: a pax size of no sense, which is not believed", tar(&odd), 1),
        accepted("tar: a global header", tar(&global), 1),
    ]
}

/// Headers and ends that lie.
fn lies() -> Vec<Case> {
    let body = noise(2000);
    let whole = tar(&[member(FILE, b"a.png", &body), member(FILE, b"b.png", &body)]);
    let claims = |size: u64| [&header(FILE, b"a.png", size)[..], &[0; 1024]].concat();
    let mut sum = whole.clone();
    sum[150] ^= 1;
    let mut crc = gz(&whole);
    let end = crc.len() - 8;
    crc[end] ^= 1;
    let twice = [gz(&whole[..2560]), gz(&whole[2560..])].concat();
    let mut cases = vec![
        refused("tar: a size of 2^60", claims(1 << 60), "the limit"),
        refused("tar: a size of 2^63", claims(1 << 63), "the limit"),
        refused("tar: a size of 2^64 - 1", claims(u64::MAX), "size overflow"),
        refused("tar: more than there is", claims(1 << 20), ""),
        refused("tar: a wrong checksum", sum, "damaged"),
        refused("tar.gz: a wrong checksum", crc, "damaged"),
        accepted("tar.gz: in two pieces", twice, 2),
    ];
    for cut in [300, 1000, 512 + 2048, 512 + 2048 + 100, whole.len() - 1000] {
        let (plain, packed) = (whole[..cut].to_vec(), gz(&whole));
        cases.push(refused(format!("tar: cut to {cut}"), plain, ""));
        let cut = cut * packed.len() / whole.len();
        cases.push(refused(format!("tar.gz: cut to {cut}"), packed[..cut].to_vec(), "damaged"));
    }
    cases
}

/// What grows, or wants to be held in memory.
fn bombs() -> Vec<Case> {
    let zeros = vec![0; 2 << 20];
    let names = vec![b'a'; 2 << 20];
    let posix = pax("path", &"a".repeat(2 << 20));
    let named =
        |kind: u8, name: &[u8]| tar(&[member(kind, b"long", name), member(FILE, b"a.png", b"x")]);
    let many: Vec<_> = (0..101).map(|i| member(FILE, format!("{i}.png").as_bytes(), b"")).collect();
    let globals: Vec<_> = (0..101).map(|_| member(PAX_GLOBAL, b"pax", b"")).collect();
    let large = [member(FILE, b"a.png", &noise(2 << 20)), member(FILE, b"b.png", &noise(2 << 20))];
    let case = |what: &str, bytes: Vec<u8>, expected: &'static str| Case {
        what: what.to_owned(),
        bytes,
        expected: Expected::Refused(expected),
    };
    vec![
        case("tar: over the entries", tar(&many), "over 100 entries"),
        case("tar: over the global headers", tar(&globals), "over 100 entries"),
        case("tar: the sum", tar(&large), "the limit"),
        case("tar.gz: a bomb", gz(&tar(&[member(FILE, b"a.png", &zeros)])), "grows from"),
        case("tar.gz: a bomb of no use", gz(&tar(&[member(FILE, b"a", &zeros)])), "grows from"),
        case("tar.gz: a name that is a bomb", gz(&named(LONG_NAME, &names)), ""),
        case("tar: a name of 2 MiB", named(LONG_NAME, &names), "names and attributes"),
        case("tar: a pax name of 2 MiB", named(PAX, &posix), "names and attributes"),
        case("tar: a link name of 2 MiB", named(b'K', &names), "names and attributes"),
    ]
}
