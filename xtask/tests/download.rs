//! Downloads from servers that misbehave: the result is the right file, or an error.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};
use support::{Ran, Reply, Request, Server, reply, serve, tiny_set, xtask, zip_of};

const WHOLE: usize = usize::MAX;

/// An archive of some 40 kB, so that pieces of it are pieces.
fn archive() -> Vec<u8> {
    let mut files = tiny_set("masks", "jpg", "", "");
    let mut draws = canet_data::draw::Draws::new(3, 0, 0, "noise");
    files.push(("data/notes.bin".into(), (0..40_000).map(|_| draws.bits() as u8).collect()));
    zip_of(&files)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"))
}

fn download(dir: &Path, server: &Server, path: &str, more: &[&str]) -> Ran {
    let url = format!("{}{path}", server.address);
    let mut args = vec!["--url", &url, "--out", "out", "--cache", "cache"];
    args.extend(more);
    xtask(dir, &args)
}

/// What lies in the cache, by ending.
fn cached(dir: &Path, ending: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(dir.join("cache")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.is_file() && path.to_str().unwrap().ends_with(ending));
    paths.map(|path| std::fs::read(path).unwrap()).collect()
}

/// The download ends well in one run, with exactly this file.
#[track_caller]
fn assert_right(answer: impl Fn(&Request) -> Reply + Send + 'static, expected: &[u8]) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(answer);
    let ran = download(dir.path(), &server, "/set.zip", &["--sha256", &sha256(expected)]).ok();
    assert!(ran.out.contains("6 frames"), "{}", ran.out);
    assert_eq!(cached(dir.path(), ".archive"), [expected.to_vec()]);
    assert!(cached(dir.path(), ".part").is_empty() && cached(dir.path(), ".from").is_empty());
    server
}

/// The download is refused, and nothing is taken for a data set.
#[track_caller]
fn assert_refused(
    needle: &str,
    more: &[&str],
    answer: impl Fn(&Request) -> Reply + Send + 'static,
) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(answer);
    let ran = download(dir.path(), &server, "/set.zip", more).failed(3, needle);
    assert!(ran.err.contains("--archive") || ran.err.contains("unpacked"), "{}", ran.err);
    assert!(!dir.path().join("out").exists());
    dir
}

#[test]
fn a_connection_that_drops_at_each_tenth_is_taken_up() {
    let file = archive();
    let tenth = file.len() / 10 + 1;
    let expected = file.clone();
    let server = assert_right(move |request| serve(&file, "\"v1\"", request, tenth), &expected);
    let starts: Vec<usize> = server.requests().iter().map(|r| r.range_from.unwrap_or(0)).collect();
    let steps: Vec<usize> = (0..10).map(|i| i * tenth).collect();
    assert_eq!(starts, steps, "no byte is sent twice");
}

#[test]
fn a_later_run_goes_on_where_one_gave_up() {
    let file = archive();
    let (dir, half) = (tempfile::tempdir().unwrap(), file.len() / 2);
    let up = Arc::new(AtomicBool::new(false));
    let (served, is_up) = (file.clone(), Arc::clone(&up));
    let server = Server::start(move |request| match request.number {
        0 => serve(&served, "\"v1\"", request, half),
        _ if is_up.load(Ordering::SeqCst) => serve(&served, "\"v1\"", request, WHOLE),
        _ => Reply::Close,
    });
    download(dir.path(), &server, "/set.zip", &[]).failed(3, "--archive");
    assert_eq!(cached(dir.path(), ".part")[0].len(), half);
    up.store(true, Ordering::SeqCst);
    download(dir.path(), &server, "/set.zip", &[]).ok();
    let last = server.requests().pop().unwrap();
    assert_eq!((last.range_from, last.if_range.as_deref()), (Some(half), Some("\"v1\"")));
    assert_eq!(cached(dir.path(), ".archive"), [file]);

    // And a third has nothing to fetch and nothing to do.
    let asked = server.requests().len();
    let ran = download(dir.path(), &server, "/set.zip", &[]).ok();
    assert!(ran.out.contains("nothing to do"), "{}", ran.out);
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let file = archive();
    let expected = file.clone();
    assert_right(
        move |request| {
            let whole = Request { range_from: None, ..request.clone() };
            serve(&file, "\"v1\"", &whole, if request.number < 2 { 7000 } else { WHOLE })
        },
        &expected,
    );
}

#[test]
fn a_file_that_changes_midway_is_fetched_anew() {
    let (old, new) = (zip_of(&tiny_set("masks", "png", "", "")), archive());
    let expected = new.clone();
    assert_right(
        move |request| match request.number {
            0 => serve(&old, "\"v1\"", request, 1000),
            _ => serve(&new, "\"v2\"", request, WHOLE),
        },
        &expected,
    );
}

#[test]
fn pieces_of_two_files_are_not_put_together() {
    let (old, new) = (zip_of(&tiny_set("masks", "png", "", "")), archive());
    let expected = new.clone();
    // This server ignores If-Range and sends a piece of the new file.
    let server = assert_right(
        move |request| match request.number {
            0 => serve(&old, "\"v1\"", request, 1000),
            _ => serve(&new, "\"v2\"", &Request { if_range: None, ..request.clone() }, WHOLE),
        },
        &expected,
    );
    assert_eq!(server.requests().last().unwrap().range_from, None);
}

#[test]
fn redirects_are_followed_to_an_end() {
    let file = archive();
    let expected = file.clone();
    assert_right(
        move |request| match request.path.as_str() {
            "/set.zip" => reply("302 Found", &["Location: /moved.zip".into()], b""),
            _ => serve(&file, "\"v1\"", request, WHOLE),
        },
        &expected,
    );
    let again = |_: &Request| {
        reply("302 Found", &["Location: /set.zip".into(), "Content-Length: 0".into()], b"")
    };
    assert_refused("redirect", &[], again);
}

#[test]
fn passing_faults_are_waited_out_and_lasting_ones_told() {
    let file = archive();
    let expected = file.clone();
    assert_right(
        move |request| match request.number {
            0 => reply("503 Service Unavailable", &["Content-Length: 0".into()], b""),
            _ => serve(&file, "\"v1\"", request, WHOLE),
        },
        &expected,
    );
    assert_refused("404", &[], |_| reply("404 Not Found", &["Content-Length: 0".into()], b""));
}

/// Servers tell of their faults in pages; what the status says goes before that.
#[test]
fn pages_with_a_status_are_what_the_status_says() {
    let page = |status: &str, body: &str| {
        reply(status, &["Content-Type: text/html; charset=utf-8".to_owned()], body.as_bytes())
    };
    let file = archive();
    let expected = file.clone();
    let server = assert_right(
        move |request| match request.number {
            0 => page("503 Service Unavailable", "<html><title>Sorry</title></html>"),
            1 => page("429 Too Many Requests", "<html><title>Slower</title></html>"),
            _ => serve(&file, "\"v1\"", request, WHOLE),
        },
        &expected,
    );
    assert_eq!(server.requests().len(), 3);
    let not_found = move |_: &Request| page("404 Not Found", "<html><title>Gone</title></html>");
    assert_refused("answered with status 404 Not Found", &[], not_found);
    assert_refused("status 403 Forbidden and a web page", &[], move |_| {
        let form = "<form id=download-form action=/x><input type=hidden name=id value=1></form>";
        page("403 Forbidden", form)
    });
}

#[test]
fn wrong_lengths_and_wrong_files_are_refused() {
    // Promises more than there is, each time.
    let more = |_: &Request| {
        let headers = ["ETag: \"v1\"".to_owned(), "Content-Length: 5000".to_owned()];
        reply("200 OK", &headers, b"")
    };
    assert_refused("of 5000 bytes", &[], more);
    // Promises less: what arrives is cut, and an archive that is cut is no archive.
    let less = |_: &Request| {
        let file = archive();
        reply("200 OK", &["Content-Length: 20000".to_owned()], &file)
    };
    let dir = assert_refused("the next run downloads it anew", &[], less);
    assert!(cached(dir.path(), ".archive").is_empty(), "a broken archive is not kept");
    let hash = sha256(&archive());
    let dir = assert_refused("sha-256", &["--sha256", &hash], less);
    assert!(cached(dir.path(), "").is_empty(), "the wrong file is removed");
    // Packs what should come as it is.
    let packed = |_: &Request| {
        let headers = ["Content-Encoding: gzip".to_owned(), "Content-Length: 4".to_owned()];
        reply("200 OK", &headers, b"\x1f\x8b\x08\x00")
    };
    assert_refused("encoded", &[], packed);
}

#[test]
fn a_quota_page_is_never_a_data_set() {
    let dir = assert_refused("titled \"Google Drive - Quota exceeded\"", &[], |_| {
        let page = "<html><head><title>Google Drive - Quota exceeded</title></head></html>";
        let headers = ["Content-Type: text/html; charset=utf-8".to_owned()];
        reply("200 OK", &headers, page.as_bytes())
    });
    assert!(cached(dir.path(), "").is_empty(), "the page is not kept");
}

#[test]
fn a_confirm_page_leads_to_the_file() {
    let file = archive();
    let expected = file.clone();
    let third = file.len() / 3 + 1;
    let server = assert_right(
        move |request| {
            if request.path == "/confirmed?id=abc&export=download&confirm=t&uuid=1-2" {
                return serve(&file, "\"v1\"", request, third);
            }
            let page = r#"<html><title>Google Drive - Virus scan warning</title>
                <form id="download-form" action="/confirmed" method="get">
                <input type="hidden" name="id" value="abc"><input type="hidden" name="export" value="download">
                <input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="1-2">
                </form></html>"#;
            reply("200 OK", &["Content-Type: text/html".to_owned()], page.as_bytes())
        },
        &expected,
    );
    assert_eq!(server.requests().len(), 6, "three pieces, each behind the page");
}

#[test]
fn a_confirm_page_behind_a_confirm_page_is_refused() {
    assert_refused("web page", &[], |_| {
        let page =
            "<form id=download-form action=/set.zip><input type=hidden name=id value=1></form>";
        reply("200 OK", &["Content-Type: text/html".to_owned()], page.as_bytes())
    });
}
