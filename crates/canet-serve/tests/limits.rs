//! What the server does when there is too much, too slow, too late, or something breaks.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]
#![expect(clippy::float_cmp, reason = "counters are whole numbers")]

mod common;

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use canet_model::image::ImageFormat;
use canet_model::serde_json::{Value, from_slice};
use canet_serve::Settings;
use common::client::{Client, ask, request};
use common::{Gated, Running, encoded, frame, model, settings};

const SHORT: Duration = Duration::from_millis(300);

fn png() -> Vec<u8> {
    encoded(&frame(24, 16, 1), ImageFormat::Png)
}

fn code(body: &[u8]) -> String {
    from_slice::<Value>(body).unwrap()["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn heads_and_bodies_have_to_come_in_time() {
    let slow = Settings { header_timeout: SHORT, body_timeout: SHORT, ..settings() };
    let server = Running::start(slow, model());
    // Half a head, a byte at a time: the connection is closed.
    let since = Instant::now();
    let mut client = Client::connect(server.address).unwrap();
    let sent = (0..200).find(|_| {
        thread::sleep(Duration::from_millis(20));
        client.send(b"GET / HTTP/1.1\r\nX: y"[..1].as_ref()).is_err()
    });
    assert!(sent.is_some() || client.answer("GET").is_err());
    assert!(since.elapsed() >= SHORT);
    // An idle one, too.
    let mut idle = Client::connect(server.address).unwrap();
    assert_eq!(idle.ask("GET", "/healthz", &[], b"").unwrap().status, 200);
    assert_eq!(idle.answer("GET").unwrap_err().kind(), ErrorKind::UnexpectedEof);
    // A body that stops, and one that trickles.
    for trickle in [false, true] {
        let mut client = Client::connect(server.address).unwrap();
        client
            .send(b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n")
            .unwrap();
        let since = Instant::now();
        while trickle && since.elapsed() < 2 * SHORT && client.send(b"x").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
        let answer = client.answer("POST").unwrap();
        assert_eq!((answer.status, code(&answer.body).as_str()), (408, "body_timeout"));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert_eq!(server.segment("", &png()).status, 200);
}

#[test]
fn a_request_takes_no_longer_than_it_may() {
    let gate = Gated::new(false);
    let server = Running::start(Settings { timeout: SHORT, ..settings() }, gate.model());
    let since = Instant::now();
    let answer = server.segment("", &png());
    assert_eq!((answer.status, code(&answer.body).as_str()), (504, "too_slow"));
    assert!(since.elapsed() >= SHORT);
    gate.open();
    assert_eq!(server.segment("", &png()).status, 200);
}

#[test]
fn who_would_wait_too_long_is_told_at_once() {
    let gate = Gated::new(false);
    let limits = Settings { batch: 1, timeout: 3 * SHORT, ..settings() };
    let server = Running::start(limits, gate.model());
    // A frame that takes nearly all the time there is.
    let (address, png) = (server.address, png());
    let send = move || {
        let png = png.clone();
        thread::spawn(move || ask(address, "POST", "/v1/segment", &[], &png).unwrap())
    };
    let first = send();
    server.until("canet_frames_in_flight", 1.0);
    thread::sleep(2 * SHORT);
    gate.open();
    first.join().unwrap();
    gate.close();
    // Two such frames are more than fits; the first of them is not refused.
    let waiting = [send(), send()];
    server.until("canet_frames_in_flight", 2.0);
    let since = Instant::now();
    let answer = send().join().unwrap();
    assert_eq!((answer.status, code(&answer.body).as_str()), (503, "queue_full"));
    assert!(answer.header("retry-after").is_some() && since.elapsed() < 3 * SHORT);
    gate.open();
    for one in waiting {
        drop(one.join().unwrap());
    }
    assert_eq!(send().join().unwrap().status, 200);
}

#[test]
fn who_finds_no_place_is_told_to_come_again_and_the_others_are_served() {
    let gate = Gated::new(false);
    let server = Running::start(Settings { queue: 3, batch: 1, ..settings() }, gate.model());
    // Those that are worked on, and those that wait.
    let active = 1 + thread::available_parallelism().unwrap().get();
    let (address, png) = (server.address, png());
    let send = || {
        let png = png.clone();
        thread::spawn(move || ask(address, "POST", "/v1/segment?format=mask", &[], &png).unwrap())
    };
    let mut waiting: Vec<_> = (0..active).map(|_| send()).collect();
    server.until("canet_frames_in_flight", active as f64);
    waiting.extend((0..3).map(|_| send()));
    server.until("canet_queue_length", 3.0);
    let mut refused = 0;
    for _ in 0..5 {
        let answer = send().join().unwrap();
        assert_eq!((answer.status, code(&answer.body).as_str()), (503, "queue_full"));
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        refused += 1;
    }
    assert_eq!(server.get("/healthz").status, 200);
    gate.open();
    let answers: Vec<_> = waiting.into_iter().map(|waiting| waiting.join().unwrap()).collect();
    assert_eq!((answers.len(), refused), (active + 3, 5));
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(send().join().unwrap().status, 200);
}

#[test]
fn nothing_is_computed_for_a_client_that_went_away() {
    let gate = Gated::new(false);
    let server = Running::start(Settings { batch: 1, ..settings() }, gate.model());
    let send = || {
        let mut client = Client::connect(server.address).unwrap();
        client.send(&request("POST", "/v1/segment", &[], &png())).unwrap();
        client
    };
    let mut first = send();
    server.until("canet_frames_in_flight", 1.0);
    while gate.begun.load(Ordering::SeqCst) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let gone: Vec<_> = (0..4).map(|_| send()).collect();
    let active = 1 + thread::available_parallelism().unwrap().get();
    let decoded = active.min(5) as f64;
    server.until("canet_stage_seconds_count{stage=\"decode\"}", decoded);
    drop(gone);
    server.until("canet_clients_left_total", 4.0);
    gate.open();
    assert_eq!(first.answer("POST").unwrap().status, 200);
    assert_eq!(server.segment("", &png()).status, 200);
    let begun = gate.begun.load(Ordering::SeqCst);
    assert_eq!(begun, 2, "the first and the last");
    // Those that were decoded by then; the others never came so far.
    assert_eq!(server.metric("canet_frames_skipped_total"), decoded - 1.0);
}

#[test]
fn a_panic_is_one_answer_and_no_more() {
    let gate = Gated::new(true);
    let server = Running::start(settings(), gate.model());
    let narrow = encoded(&frame(1, 9, 1), ImageFormat::Png);
    let mut client = Client::connect(server.address).unwrap();
    for round in 0..20 {
        let answer = client.ask("POST", "/v1/segment", &[], &narrow).unwrap();
        assert_eq!((answer.status, code(&answer.body).as_str()), (500, "internal"), "{round}");
        assert!(!answer.text().contains("made to fail"), "what happened is for the log");
        assert_eq!(client.ask("POST", "/v1/segment", &[], &png()).unwrap().status, 200);
    }
    assert_eq!(server.metric("canet_frames_in_flight"), 0.0);
}

#[test]
fn what_was_begun_is_finished_when_the_server_stops() {
    let gate = Gated::new(false);
    let mut server = Running::start(Settings { batch: 1, ..settings() }, gate.model());
    let address = server.address;
    let accepted: Vec<_> = (0..6)
        .map(|_| thread::spawn(move || ask(address, "POST", "/v1/segment", &[], &png()).unwrap()))
        .collect();
    let active = 1 + thread::available_parallelism().unwrap().get();
    server.until("canet_frames_in_flight", active.min(6) as f64);
    server.until("canet_queue_length", 6_usize.saturating_sub(active) as f64);
    // One whose body is on its way, and an idle one.
    let mut late = Client::connect(address).unwrap();
    let body = request("POST", "/v1/segment", &[], &png());
    late.send(&body[..body.len() - 20]).unwrap();
    let mut idle = Client::connect(address).unwrap();
    idle.ask("GET", "/healthz", &[], b"").unwrap();
    server.tell();
    assert_eq!(idle.answer("GET").unwrap_err().kind(), ErrorKind::UnexpectedEof);
    late.send(&body[body.len() - 20..]).unwrap();
    let answer = late.answer("POST").unwrap();
    assert_eq!((answer.status, code(&answer.body).as_str()), (503, "shutting_down"));
    assert!(answer.header("retry-after").is_some());
    let refused = Client::connect(address).and_then(|mut new| new.ask("GET", "/", &[], b""));
    assert!(refused.is_err(), "no new connection is served");
    gate.open();
    let answers: Vec<_> = accepted.into_iter().map(|one| one.join().unwrap().status).collect();
    assert_eq!(answers, [200; 6]);
    assert!(server.ended());
}

#[test]
fn stopping_does_not_take_for_ever() {
    let gate = Gated::new(false);
    let mut server = Running::start(Settings { drain: SHORT, ..settings() }, gate.model());
    let mut client = Client::connect(server.address).unwrap();
    client.send(&request("POST", "/v1/segment", &[], &png())).unwrap();
    server.until("canet_frames_in_flight", 1.0);
    server.tell();
    assert!(server.ended());
    assert!(client.answer("POST").is_err());
    gate.open();
}

#[test]
fn connections_have_a_limit_and_come_free_again() {
    let server = Running::start(Settings { connections: 3, ..settings() }, model());
    let mut open = Vec::new();
    for count in 1..=3 {
        let mut client = Client::connect(server.address).unwrap();
        let metrics = client.ask("GET", "/metrics", &[], b"").unwrap().text();
        assert!(metrics.contains(&format!("\ncanet_connections {count}\n")), "{metrics}");
        open.push(client);
    }
    let address = server.address;
    let fourth = thread::spawn(move || ask(address, "GET", "/healthz", &[], b"").unwrap().status);
    thread::sleep(SHORT);
    assert!(!fourth.is_finished(), "it waits");
    drop(open);
    assert_eq!(fourth.join().unwrap(), 200);
}

#[test]
fn answers_have_to_be_taken_in_time() {
    let quick = Settings { timeout: Duration::from_secs(1), ..settings() };
    let server = Running::start(quick, model());
    let one = server.get("/v1/samples/0").body.len();
    // Answers that no socket's buffers hold, asked for and not read.
    let asked = request("GET", "/v1/samples/0", &[], b"");
    let mut client = Client::connect(server.address).unwrap();
    let count = (64 << 20) / one;
    client.send(&asked.repeat(count)).unwrap();
    let since = Instant::now();
    server.until("canet_connections", 2.0);
    while server.metric("canet_connections") > 1.0 {
        assert!(since.elapsed() < Duration::from_mins(1), "the connection is still open");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(since.elapsed() >= Duration::from_secs(1));
    // What was on its way is there, and then no more.
    let whole = (0..count).take_while(|_| client.answer("GET").is_ok()).count();
    assert!(whole < count, "{whole} of {count}");
    assert_eq!(server.segment("", &png()).status, 200);
}
