//! What the whole-program tests share: running the program, tiny data sets, a server that misbehaves.
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use std::io::{Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use zip::write::{SimpleFileOptions, ZipWriter};

/// How a run of the program ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn failed(self, code: i32, needle: &str) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        assert!(self.err.contains(needle), "{needle:?} is not in {}", self.err);
        self
    }
}

/// Runs `xtask download-and-prepare` in `dir`.
pub fn xtask(dir: &Path, args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("download-and-prepare")
        .args(args)
        .current_dir(dir)
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .env_remove("ALL_PROXY")
        .env_remove("all_proxy")
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A picture of one colour.
pub fn picture(format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = image::RgbImage::from_pixel(16, 12, image::Rgb([90, 80, 70]));
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// An annotation: road everywhere, and an object of another label in a corner.
pub fn annotation(label: &str) -> Vec<u8> {
    format!(
        r#"{{"imgHeight": 12, "imgWidth": 16, "objects": [
            {{"label": "road", "polygon": [[0, 0], [16, 0], [16, 12], [0, 12]]}},
            {{"label": "{label}", "polygon": [[1, 1], [8, 1], [8, 8], [1, 8]]}}]}}"#
    )
    .into_bytes()
}

/// The files of a tiny set in the layout of the assignment: three scenes of two frames.
pub fn tiny_set(
    masks: &str,
    extension: &str,
    image_end: &str,
    mask_end: &str,
) -> Vec<(String, Vec<u8>)> {
    let format = match extension {
        "png" => image::ImageFormat::Png,
        _ => image::ImageFormat::Jpeg,
    };
    let mut files = Vec::new();
    for (scene, frame) in (0..6).map(|i| (i / 2, i)) {
        let image = format!("data/images/{scene}/{frame:06}{image_end}.{extension}");
        let mask = format!("data/{masks}/{scene}/{frame:06}{mask_end}.json");
        files.push((image, picture(format)));
        files.push((mask, annotation("car")));
    }
    files
}

pub fn zip_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which one it was, from 0.
    pub number: usize,
    pub path: String,
    pub range_from: Option<usize>,
    pub if_range: Option<String>,
}

/// What the server does with a request.
pub enum Reply {
    /// Closes the connection without a word.
    Close,
    /// Sends these bytes, head and all, and closes.
    Send(Vec<u8>),
    /// Sends the first bytes at once, then of the second one at a time, and holds the line.
    Drip(Vec<u8>, Vec<u8>),
}

/// A head and a body.
pub fn reply(status: &str, headers: &[String], body: &[u8]) -> Reply {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    for header in headers {
        bytes.extend(format!("{header}\r\n").as_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    Reply::Send(bytes)
}

/// Serves a file as a good server would, but breaks off after `cut` bytes of the body.
pub fn serve(file: &[u8], etag: &str, request: &Request, cut: usize) -> Reply {
    let valid = request.if_range.as_deref().is_none_or(|tag| tag == etag);
    let tag = format!("ETag: {etag}");
    match request.range_from.filter(|_| valid) {
        Some(from) if from >= file.len() => {
            reply("416 Range Not Satisfiable", &[tag, "Content-Length: 0".into()], b"")
        }
        Some(from) => {
            let rest = &file[from..];
            let headers = [
                tag,
                format!("Content-Length: {}", rest.len()),
                format!("Content-Range: bytes {from}-{}/{}", file.len() - 1, file.len()),
            ];
            reply("206 Partial Content", &headers, &rest[..cut.min(rest.len())])
        }
        None => {
            let headers = [tag, format!("Content-Length: {}", file.len())];
            reply("200 OK", &headers, &file[..cut.min(file.len())])
        }
    }
}

/// A server on this machine that answers a bounded number of requests.
pub struct Server {
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        const MOST: usize = 64;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().take(MOST).enumerate() {
                let Ok(mut stream) = stream else { continue };
                let Some(request) = read_request(&mut stream, number) else { continue };
                requests.lock().unwrap().push(request.clone());
                match answer(&request) {
                    Reply::Close => {}
                    Reply::Send(bytes) => drop(stream.write_all(&bytes)),
                    // On a thread of its own: others are answered meanwhile.
                    Reply::Drip(first, rest) => drop(thread::spawn(move || {
                        drip(&mut stream, &first, &rest);
                    })),
                }
            }
        });
        Self { address, seen }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// Ends when the client leaves, or after some seconds.
fn drip(stream: &mut TcpStream, first: &[u8], rest: &[u8]) {
    stream.write_all(first).ok();
    for at in 0..200 {
        if rest.get(at).is_some_and(|byte| stream.write_all(&[*byte]).is_err()) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn read_request(stream: &mut TcpStream, number: usize) -> Option<Request> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            n => head.extend(&buffer[..n]),
        }
    }
    let head = String::from_utf8(head).ok()?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let range = header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let path = head.split_whitespace().nth(1)?.to_owned();
    Some(Request { number, path, range_from: range, if_range: header("if-range") })
}
