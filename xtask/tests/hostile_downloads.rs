//! Servers that mean harm, or are out of order: the result is the right file or an error, and once the
//! server is well again, the next run ends with the right file.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod support;

use std::fmt::Write;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use support::{Reply, Request, Server, reply, serve};
use xtask::fetch::{Patience, fetch};

const WHOLE: usize = usize::MAX;
const LENGTH: usize = 40_000;
const TAG: &str = "\"v1\"";

/// Not long, or the test would be; the slow servers here are slower.
const PATIENCE: Patience = Patience {
    silence: Duration::from_millis(400),
    stretch: Duration::from_millis(400),
    least: 1000,
    pause: Duration::ZERO,
    most: 1 << 20,
};

/// What must become of a download.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Right,
    /// An error that says this.
    Refused(&'static str),
}
use Expected::{Refused, Right};

type Answer = Box<dyn Fn(&[u8], &Request) -> Reply + Send>;
type Case = (String, Expected, Answer);

fn case(
    what: &str,
    expected: Expected,
    answer: impl Fn(&[u8], &Request) -> Reply + Send + 'static,
) -> Case {
    (what.to_owned(), expected, Box::new(answer))
}

fn file() -> Vec<u8> {
    let mut draws = canet_data::draw::Draws::new(5, 0, 0, "file");
    (0..LENGTH).map(|_| draws.bits() as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// The request as a server sees it that knows no ranges.
fn whole(request: &Request) -> Request {
    Request { range_from: None, ..request.clone() }
}

fn told(status: &str, headers: &[&str], body: &[u8]) -> Reply {
    let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
    reply(status, &headers, body)
}

fn page(status: &str, body: &str) -> Reply {
    told(status, &["Content-Type: text/html"], body.as_bytes())
}

/// Connections that break, and bodies of another length than was said.
fn broken() -> Vec<Case> {
    let mut cases: Vec<Case> = (1..10)
        .map(|tenth| {
            let cut = LENGTH * tenth / 10;
            let what = format!("drops at {tenth}0 % each time");
            case(&what, Right, move |file, request| serve(file, TAG, request, cut))
        })
        .collect();
    cases.extend([
        case("closes without a word", Refused("cannot be reached"), |_, _| Reply::Close),
        case("closes within the head", Refused("cannot be reached"), |_, _| {
            Reply::Send(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())
        }),
        case("knows no ranges, drops twice", Right, |file, request| {
            serve(file, TAG, &whole(request), if request.number < 2 { 9000 } else { WHOLE })
        }),
        case("knows no ranges, drops always", Refused("of 40000 bytes"), |file, request| {
            serve(file, TAG, &whole(request), 9000)
        }),
        case("promises more than there is", Refused("of 50000 bytes"), |file, _| {
            told("200 OK", &["Content-Length: 50000"], file)
        }),
        case("promises less than there is", Refused("sha-256"), |file, _| {
            told("200 OK", &["Content-Length: 30000"], file)
        }),
        case("says no length", Right, |file, _| told("200 OK", &[], file)),
        case("says no length, cut", Refused("sha-256"), |file, _| told("200 OK", &[], &file[..9])),
        case("in chunks", Right, |file, _| chunked(file, true)),
        case("in chunks, cut once", Right, |file, request| chunked(file, request.number > 0)),
        case("in chunks, cut always", Refused("bytes: "), |file, _| chunked(file, false)),
        case("in chunks, without an end", Refused("the limit"), |file, _| {
            chunked(&file.repeat(30), false)
        }),
        case("2^62 bytes", Refused("the limit"), |file, _| {
            told("200 OK", &["Content-Length: 4611686018427387904"], file)
        }),
        case("nothing", Refused("sha-256"), |_, _| told("200 OK", &["Content-Length: 0"], b"")),
        case("another file", Refused("sha-256"), |file, _| told("200 OK", &[], &file[1..])),
    ]);
    cases
}

fn chunked(file: &[u8], to_the_end: bool) -> Reply {
    let mut body = Vec::new();
    for piece in file.chunks(7000) {
        body.extend(format!("{:x}\r\n", piece.len()).as_bytes());
        body.extend([piece, b"\r\n"].concat());
    }
    body.extend(if to_the_end { &b"0\r\n\r\n"[..] } else { b"fff\r\nand then" });
    told("200 OK", &["Transfer-Encoding: chunked"], &body)
}

fn piece(file: &[u8], from: usize, range: &str) -> Reply {
    let length = format!("Content-Length: {}", file.len() - from);
    let range = format!("Content-Range: {range}");
    told("206 Partial Content", &[&format!("ETag: {TAG}"), &range, &length], &file[from..])
}

/// Pieces that do not belong together.
fn pieces() -> Vec<Case> {
    // The first answer breaks off halfway; this follows whenever the rest is asked for. The pieces are
    // thrown away then, so that the last error is again that of half a file.
    let then = |what: &str, expected, rest: fn(&[u8], usize) -> Reply| {
        case(what, expected, move |file, request| match request.range_from {
            Some(from) => rest(file, from),
            None => serve(file, TAG, request, LENGTH / 2),
        })
    };
    vec![
        case("changes midway", Right, |file, request| match request.number {
            0 => serve(&file[7..], "\"v0\"", request, 9000),
            _ => serve(file, TAG, request, WHOLE),
        }),
        case("changes midway, sends a piece", Right, |file, request| match request.number {
            0 => serve(&file[7..], "\"v0\"", request, 9000),
            _ => serve(file, TAG, &Request { if_range: None, ..request.clone() }, WHOLE),
        }),
        case("changes each time", Refused("of 40000 bytes"), |file, request| {
            serve(file, &format!("\"v{}\"", request.number), request, 9000)
        }),
        then("another place than asked for", Refused("of 40000 bytes"), |file, from| {
            piece(file, from + 9, &format!("bytes {}-39999/40000", from + 9))
        }),
        then("another length than before", Refused("of 40000 bytes"), |file, from| {
            piece(file, from, &format!("bytes {from}-39999/50000"))
        }),
        then("a range of no sense", Refused("of 40000 bytes"), |file, from| {
            piece(file, from, "bytes 9-5/4")
        }),
        then("a piece without a range", Refused("of 40000 bytes"), |file, from| {
            told("206 Partial Content", &[], &file[from..])
        }),
        then("more than the piece", Refused("it sends more"), |file, from| {
            let range = format!("Content-Range: bytes {from}-39999/40000");
            told("206 Partial Content", &[&format!("ETag: {TAG}"), &range], &file.repeat(2)[from..])
        }),
        then("several pieces in one", Refused("of 40000 bytes"), |_, _| {
            let kind = "Content-Type: multipart/byteranges; boundary=x";
            told("206 Partial Content", &[kind], b"--x\r\n\r\n--x--")
        }),
        then("no such range, then the whole", Refused("of 40000 bytes"), |_, _| {
            told("416 Range Not Satisfiable", &["Content-Length: 0"], b"")
        }),
        case("a piece, unasked, of all", Refused("changed"), |file, _| {
            piece(file, 0, "bytes 0-39999/40000")
        }),
        case("no such range, always", Refused("416"), |_, _| {
            told("416 Range Not Satisfiable", &["Content-Length: 0"], b"")
        }),
    ]
}

/// Answers that are no file.
fn answers() -> Vec<Case> {
    let passing = |status: &'static str| {
        case(&format!("{status}, twice"), Right, move |file, request| match request.number {
            0 | 1 => told(status, &["Content-Length: 0"], b""),
            _ => serve(file, TAG, request, WHOLE),
        })
    };
    let lasting = |status: &'static str| {
        case(status, Refused("answered with status"), move |_, _| {
            told(status, &["Content-Length: 0"], b"")
        })
    };
    let packed = |kind: &'static str| {
        case(&format!("packed with {kind}"), Refused("encoded, unasked"), move |file, _| {
            told("200 OK", &[&format!("Content-Encoding: {kind}")], file)
        })
    };
    vec![
        passing("500 Internal Server Error"),
        passing("503 Service Unavailable"),
        passing("429 Too Many Requests"),
        lasting("502 Bad Gateway"),
        lasting("404 Not Found"),
        lasting("403 Forbidden"),
        lasting("204 No Content"),
        packed("gzip"),
        packed("br"),
        case("a quota page", Refused("\"Quota exceeded\""), |_, _| {
            page("200 OK", "<html><title>Quota exceeded</title></html>")
        }),
        case("a page that says it is a file", Refused("sha-256"), |_, _| {
            told("200 OK", &["Content-Type: application/zip"], b"<html>quota exceeded</html>")
        }),
        case("a page of 8 MB", Refused("web page"), |_, _| {
            page("200 OK", &"<form><input".repeat(700_000))
        }),
        case("a form behind a form", Refused("web page"), |_, _| {
            let form =
                "<form id=download-form action=/x><input type=hidden name=id value=1></form>";
            page("200 OK", form)
        }),
        case("a form to a file of this machine", Refused(""), |_, _| {
            let input = "<input type=hidden name=id value=1></form>";
            page("200 OK", &format!("<form id=download-form action=file:///etc/passwd>{input}"))
        }),
        case("no HTTP", Refused("cannot be reached"), |_, _| {
            Reply::Send(b"SSH-2.0-x\r\n".to_vec())
        }),
        case("a head of 4 MB", Refused("cannot be reached"), |_, _| {
            Reply::Send([b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 4 << 20]].concat())
        }),
    ]
}

fn redirects() -> Vec<Case> {
    let to = |what: &str, place: fn(&Request) -> String| {
        case(what, Refused("cannot be reached"), move |_, request| {
            let place = format!("Location: {}", place(request));
            told("302 Found", &[&place, "Content-Length: 0"], b"")
        })
    };
    vec![
        to("leads to itself", |_| "/set.zip".into()),
        to("leads to and fro", |r| if r.path == "/a" { "/b" } else { "/a" }.into()),
        to("leads on and on", |r| format!("/{}", r.number)),
        to("leads to a file of this machine", |_| "file:///etc/passwd".into()),
        to("leads to another protocol", |_| "ftp://127.0.0.1/set.zip".into()),
        to("leads to no server", |_| "http://127.0.0.1:1/set.zip".into()),
        case("leads nowhere", Refused(""), |_, _| told("302 Found", &["Content-Length: 0"], b"")),
        case("leads to the file", Right, |file, request| match request.path.as_str() {
            "/set.zip" => told("307 Temporary Redirect", &["Location: /moved.zip"], b""),
            _ => serve(file, TAG, request, WHOLE),
        }),
    ]
}

/// Servers that take their time.
fn slow() -> Vec<Case> {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n";
    let drip = |what: &str, needle, first: String, rest: &str| {
        let (first, rest) = (first.into_bytes(), rest.repeat(100).into_bytes());
        case(what, Refused(needle), move |_, _| Reply::Drip(first.clone(), rest.clone()))
    };
    vec![
        drip("says nothing", "timeout", String::new(), ""),
        drip("drips its head", "timeout", head.to_owned(), "X: y\r\n"),
        drip("says nothing after its head", "timeout", format!("{head}\r\n"), ""),
        drip("drips its body", "came in", format!("{head}\r\n"), "x"),
        drip("drips a page", "web page", format!("{head}Content-Type: text/html\r\n\r\n"), "<p>"),
    ]
}

/// What became of a case: as expected or not, and whether the next run got the right file.
fn play((what, expected, answer): Case) -> Result<Expected, String> {
    let file = file();
    let (served, well) = (file.clone(), Arc::new(AtomicBool::new(false)));
    let is_well = Arc::clone(&well);
    let server = Server::start(move |request| {
        if is_well.load(Ordering::SeqCst) {
            serve(&served, TAG, request, WHOLE)
        } else {
            answer(&served, request)
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let (target, url) = (dir.path().join("set.zip"), format!("{}/set.zip", server.address));
    let hash = sha256(&file);
    let get = || fetch(&url, &target, Some(&hash), PATIENCE);
    let first = catch_unwind(get).map_err(|_| format!("{what}: panicked"))?;
    let found = match first {
        Ok(()) if std::fs::read(&target).unwrap() == file => Right,
        Ok(()) => return Err(format!("{what}: the wrong file was taken for the right one")),
        Err(error) => {
            let (text, code) = (format!("{error:#}"), xtask::fault::of(&error).exit_code());
            let Refused(needle) = expected else { return Err(format!("{what}: {text}")) };
            if target.exists() || code != 3 || !text.contains(needle) || text.len() > 1000 {
                return Err(format!("{what}: exit code {code}, {text}"));
            }
            expected
        }
    };
    if found != expected {
        return Err(format!("{what}: it was not refused"));
    }
    well.store(true, Ordering::SeqCst);
    get().map_err(|error| format!("{what}: not taken up again: {error:#}"))?;
    if std::fs::read(&target).unwrap() != file || dir.path().read_dir().unwrap().count() != 1 {
        return Err(format!("{what}: something else is left"));
    }
    Ok(found)
}

#[test]
fn the_right_file_or_an_error_and_then_the_right_file() {
    let groups = [broken(), pieces(), answers(), redirects(), slow()];
    let begin = Instant::now();
    let running: Vec<_> =
        groups.into_iter().flatten().map(|case| thread::spawn(|| play(case))).collect();
    let tried = running.len();
    let ended: Vec<_> = running.into_iter().map(|one| one.join().unwrap()).collect();
    let wrong: Vec<_> = ended.iter().filter_map(|end| end.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let right = ended.iter().filter(|end| **end == Ok(Right)).count();
    println!(
        "downloads: tried {tried}, right {right}, refused {}, then right {tried}, wrong files 0, \
         crashed 0, in {:.1?}",
        tried - right,
        begin.elapsed()
    );
    assert!(tried >= 60 && right >= 18 && tried - right >= 38, "{tried} {right}");
}
