//! Many clients at once, and what they see.
//!
//! ```sh
//! canet serve --model M.safetensors --port 8080 &
//! cargo run -p canet-serve --example load -- 127.0.0.1:8080 FRAME.jpg --clients 64 --seconds 30 --pid $!
//! ```
//!
//! Each client sends the frame again as soon as it has its answer; one that is told to come again
//! waits as long as it is told. Times are those of answers with status 200, waiting for a place not
//! included.

#![expect(clippy::print_stdout, reason = "it is a program")]
#![expect(clippy::unwrap_used, reason = "it ends where something goes wrong")]

#[path = "../tests/common/client.rs"]
mod client;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use client::Client;

struct Args {
    address: SocketAddr,
    frame: Vec<u8>,
    clients: usize,
    seconds: u64,
    path: String,
    pid: Option<u32>,
}

impl Args {
    fn parse() -> Option<Self> {
        let mut words = std::env::args().skip(1);
        let address = words.next()?.parse().ok()?;
        let frame = std::fs::read(words.next()?).ok()?;
        let path = "/v1/segment?format=mask".to_owned();
        let mut args = Self { address, frame, clients: 64, seconds: 20, path, pid: None };
        while let Some(word) = words.next() {
            let value = words.next()?;
            match word.as_str() {
                "--clients" => args.clients = value.parse().ok()?,
                "--seconds" => args.seconds = value.parse().ok()?,
                "--path" => args.path = value,
                "--pid" => args.pid = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(args)
    }
}

/// What all clients have seen: times of good answers in milliseconds, and counts of all statuses (0
/// for a broken connection).
#[derive(Default)]
struct Seen {
    times: Vec<f64>,
    statuses: BTreeMap<u16, u64>,
}

fn main() {
    let Some(args) = Args::parse() else {
        println!(
            "usage: load ADDRESS:PORT FRAME [--clients N] [--seconds S] [--path /v1/segment?format=mask] [--pid SERVER]"
        );
        return;
    };
    let (args, seen) = (Arc::new(args), Arc::new(Mutex::new(Seen::default())));
    let before = args.pid.and_then(|pid| memory(pid, "VmRSS:"));
    let peak_before = args.pid.and_then(|pid| memory(pid, "VmHWM:"));
    let (stop, since) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let threads: Vec<_> = (0..args.clients)
        .map(|_| {
            let (args, seen, stop) = (args.clone(), seen.clone(), stop.clone());
            thread::spawn(move || visit(&args, &seen, &stop))
        })
        .collect();
    thread::sleep(Duration::from_secs(args.seconds));
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    let seconds = since.elapsed().as_secs_f64();
    let mut seen = seen.lock().unwrap();
    seen.times.sort_by(f64::total_cmp);
    let times = &seen.times;
    let at = |share: f64| {
        let place = (share * times.len() as f64).ceil() as usize;
        times.get(place.max(1) - 1).copied().unwrap_or(f64::NAN)
    };
    println!("{} clients, {seconds:.1} s, {}", args.clients, args.path);
    println!("  {:.2} frames/s", times.len() as f64 / seconds);
    let [p50, p95, p99, most] = [0.5, 0.95, 0.99, 1.0].map(at);
    println!("  p50 {p50:.0} ms, p95 {p95:.0} ms, p99 {p99:.0} ms, at most {most:.0} ms");
    println!("  answers by status: {:?}", seen.statuses);
    if let Some(pid) = args.pid {
        let mib = |value: Option<u64>| value.map_or("?".to_owned(), |kib| (kib >> 10).to_string());
        println!(
            "  server's memory: {} MiB before (peak {}), {} MiB after, peak {} MiB",
            mib(before),
            mib(peak_before),
            mib(memory(pid, "VmRSS:")),
            mib(memory(pid, "VmHWM:"))
        );
    }
}

/// One client's visits.
fn visit(args: &Args, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let connected = connection.take().map_or_else(|| Client::connect(args.address), Ok);
        let Ok(mut client) = connected else {
            *seen.lock().unwrap().statuses.entry(0).or_default() += 1;
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let since = Instant::now();
        let answer = client.ask("POST", &args.path, &[], &args.frame);
        let took = since.elapsed().as_secs_f64() * 1e3;
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        {
            let mut seen = seen.lock().unwrap();
            *seen.statuses.entry(status).or_default() += 1;
            if status == 200 {
                seen.times.push(took);
            }
        }
        let Ok(answer) = answer else { continue };
        if answer.header("connection") != Some("close") {
            connection = Some(client);
        }
        let wait = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
        let until = Instant::now() + Duration::from_secs(wait.unwrap_or(0));
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// KiB of a process, by a key of its status.
fn memory(pid: u32, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
