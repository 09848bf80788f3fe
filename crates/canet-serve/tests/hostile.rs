//! Hostile clients: whatever they send, every answer is a proper one, nothing panics, memory stays
//! what it was, and honest clients are served.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]
#![expect(clippy::float_cmp, reason = "counters are whole numbers")]

mod common;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use canet_data::draw::Draws;
use canet_hostile::Mutator;
use canet_model::image::ImageFormat;
use canet_serve::Settings;
use common::client::{Client, request};
use common::{FORM, Running, encoded, form, frame, model, resident, settings};

const CONNECTIONS: u64 = 5;
const EACH: u64 = 240;
/// What the process may keep: arenas, sessions of the network for some sizes, samples.
const GROWTH: u64 = 64 << 20;

/// What HTTP and forms are made of.
const WORDS: [&[u8]; 12] = [
    b"\r\n",
    b"\r\n\r\n",
    b"--xYz",
    b"--",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"name=\"image\"",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"\0",
    b"HTTP/1.1",
    b"\xff\xd8\xff\xda",
];

/// Request `number`, which may be anything.
fn hostile(number: u64) -> Vec<u8> {
    let mut draws = Draws::new(11, 0, number, "hostile request");
    let mutator = Mutator { seed: 3, words: &WORDS };
    let png = encoded(&frame(33, 21, number as u32), ImageFormat::Png);
    let jpeg = encoded(&frame(33, 21, number as u32), ImageFormat::Jpeg);
    let picture = if draws.chance(0.5) { &png } else { &jpeg };
    let paths = ["/v1/segment", "/v1/segment?include=rle,polygons", "/v1/segment?format=overlay"];
    let path = paths[draws.below(paths.len())];
    let whole = request("POST", path, &[], picture);
    match draws.below(12) {
        // A broken picture in a good request.
        0..=2 => request("POST", path, &[], &mutator.mutant(picture, number)),
        3 => request("POST", path, &[], &picture[..draws.below(picture.len())]),
        // A broken form.
        4 | 5 => {
            request("POST", path, &[FORM], &mutator.mutant(&form(&[("image", picture)]), number))
        }
        // A broken request.
        6 => mutator.mutant(&whole, number),
        7 => chunked(path, picture, &mut draws),
        8 => {
            // A length that is none, or another's.
            let lengths =
                ["-1", "0x10", "99999999999999999999", "1, 2", "", "1e3", "18446744073709551615"];
            let length = lengths[draws.below(lengths.len())];
            let head =
                format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            [head.as_bytes(), picture].concat()
        }
        9 => odd_head(&mut draws, picture),
        10 => whole[..draws.below(whole.len())].to_vec(),
        _ => (0..draws.below(3000)).map(|_| draws.bits() as u8).collect(),
    }
}

/// Chunks whose sizes may be wrong.
fn chunked(path: &str, picture: &[u8], draws: &mut Draws) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut bytes = head.into_bytes();
    for piece in picture.chunks(1 + draws.below(picture.len())) {
        let size = match draws.below(8) {
            0 => "ffffffffffffffffff".to_owned(),
            1 => "xyz".to_owned(),
            2 => format!("{:x}", piece.len() + 1),
            3 => format!("{:x};ext=\"{}\"", piece.len(), "e".repeat(draws.below(20_000))),
            _ => format!("{:x}", piece.len()),
        };
        bytes.extend_from_slice(size.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Heads that are too long, too many, or smuggle.
fn odd_head(draws: &mut Draws, picture: &[u8]) -> Vec<u8> {
    let length = picture.len();
    let head = match draws.below(7) {
        0 => format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(draws.below(100_000))),
        1 => format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(draws.below(3000))),
        2 => {
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(draws.below(100_000)))
        }
        3 => format!(
            "POST /v1/segment HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        4 => format!("POST /v1/segment HTTP/9.9\r\nContent-Length: {length}\r\n\r\n"),
        5 => "GET / HTTP/1.1\r\nHost: a\r\nX\u{1}: \u{7f}\r\n\r\n".to_owned(),
        _ => format!(
            "POST /v1/segment HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: {length}\r\n\r\n"
        ),
    };
    [head.as_bytes(), picture].concat()
}

/// Sends a request, says that there is no more, and reads what comes: a status, or none if the
/// connection was closed.
fn outcome(address: SocketAddr, bytes: &[u8]) -> Option<u16> {
    let mut client = Client::connect(address).unwrap();
    // The server may have closed before all was sent.
    client.send(bytes).ok();
    match client.answer("POST") {
        Ok(answer) => {
            assert!(answer.status != 500, "{}", answer.text());
            Some(answer.status)
        }
        Err(error) => {
            let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
            assert!(kinds.contains(&error.kind()), "{error}");
            None
        }
    }
}

#[test]
fn hostile_requests_are_answered_and_leave_nothing() {
    let short = Duration::from_millis(500);
    let server = Running::start(
        Settings { header_timeout: short, body_timeout: short, max_body: 1 << 20, ..settings() },
        model(),
    );
    let good = encoded(&frame(33, 21, 0), ImageFormat::Png);
    let address = server.address;
    let all = |from: u64| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|thread| {
                thread::spawn(move || {
                    let numbers = (0..EACH).map(move |n| from + thread * EACH + n);
                    numbers.map(|n| outcome(address, &hostile(n))).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    };
    let expected = server.segment("?format=mask", &good);
    assert_eq!(expected.status, 200);
    // Once, so that what the process keeps for good is there; then measured.
    all(1 << 32);
    let before = resident();
    let outcomes = all(0);
    let after = resident();
    let mut counts = BTreeMap::new();
    for outcome in &outcomes {
        *counts.entry(*outcome).or_insert(0) += 1;
    }
    println!("{} hostile requests: {counts:?}; resident {before:?} -> {after:?}", outcomes.len());
    assert_eq!(outcomes.len() as u64, CONNECTIONS * EACH);
    let proper = [200, 400, 404, 405, 408, 413, 414, 415, 417, 422, 431, 501, 505];
    for (status, count) in &counts {
        assert!(status.is_none_or(|status| proper.contains(&status)), "{count} of {status:?}");
    }
    // The cases reach what they are made for.
    for (status, least) in [(200, 50), (400, 50), (408, 10), (415, 1), (422, 50), (431, 10)] {
        assert!(counts.get(&Some(status)).is_some_and(|count| *count >= least), "{status}");
    }
    if let (Some(before), Some(after)) = (before, after) {
        assert!(after < before + GROWTH, "{before} -> {after}");
    }
    for _ in 0..3 {
        assert_eq!(server.segment("?format=mask", &good).body, expected.body);
    }
    for nothing in ["canet_queue_length", "canet_frames_in_flight"] {
        assert_eq!(server.metric(nothing), 0.0, "{nothing}");
    }
    assert_eq!(server.metric("canet_refusals_total{reason=\"internal\"}"), 0.0);
}

#[test]
fn clients_side_by_side_get_what_one_gets_alone() {
    const CLIENTS: u32 = 64;
    let server = Running::start(Settings { queue: 16, ..settings() }, model());
    let address = server.address;
    let picture =
        |client: u32| encoded(&frame(40 + client % 7, 30 + client % 5, client), ImageFormat::Png);
    let path = "/v1/segment?format=mask";
    let alone: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let answer = common::client::ask(address, "POST", path, &[], &picture(client)).unwrap();
            assert_eq!(answer.status, 200);
            answer.body
        })
        .collect();
    let threads: Vec<_> = (0..CLIENTS)
        .map(|client| {
            thread::spawn(move || {
                let body = picture(client);
                let mut connection = Client::connect(address).unwrap();
                let ask = |_| connection.ask("POST", path, &[], &body).unwrap();
                (0..6).map(ask).collect::<Vec<_>>()
            })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for (thread, alone) in threads.into_iter().zip(&alone) {
        for answer in thread.join().unwrap() {
            match answer.status {
                200 => {
                    assert_eq!(&answer.body, alone);
                    served += 1;
                }
                503 => {
                    assert!(answer.header("retry-after").is_some());
                    refused += 1;
                }
                other => panic!("{other}: {}", answer.text()),
            }
        }
    }
    println!("{CLIENTS} clients: {served} served, {refused} told to come again");
    assert_eq!(served + refused, 6 * CLIENTS);
    assert!(served >= CLIENTS);
}
