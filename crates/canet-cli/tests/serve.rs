//! `canet serve` as a whole program: it tells its address, serves, and ends well.
#![cfg(feature = "serve")]
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use canet_model::{Mask, Options, Segmenter};
use common::World;
use image::RgbImage;

/// `canet serve` in the folder, to be run.
fn command(world: &World, arguments: &[&str]) -> Command {
    let common = ["serve", "--model", "small.safetensors", "--device", "cpu"];
    let mut command = world.command(&[&common[..], arguments].concat());
    command.env_remove("CANET_TOKEN");
    command
}

/// Starts a server; returns it with its address.
fn serve(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("http://").and_then(|url| url.strip_suffix('/'));
    (child, url.unwrap_or_else(|| panic!("no address: {line:?}")).to_owned())
}

/// Asks once; returns the status and the body.
fn ask(address: &str, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let rest = format!("Host: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), b"\r\n", rest.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
    (status, answer.split_off(end + 4))
}

/// Tells a server to stop; returns its exit code and what it has said.
#[cfg(unix)]
fn stop(child: Child, signal: &str) -> (Option<i32>, String) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(unix)]
#[test]
fn it_serves_until_a_signal_ends_it_well() {
    let world = World::new("whole");
    let frame = RgbImage::from_fn(31, 22, |x, y| image::Rgb([8 * x as u8, 9 * y as u8, 77]));
    frame.save(world.file("a.png")).unwrap();
    let png = fs::read(world.file("a.png")).unwrap();
    let segmenter = Segmenter::load(world.file("small.safetensors"), Options::cpu()).unwrap();
    let expected = segmenter.segment(&frame).unwrap().mask;
    for signal in ["-TERM", "-INT"] {
        let (child, address) = serve(&mut command(&world, &["--port", "0"]));
        let (status, body) = ask(&address, "POST /v1/segment?format=mask HTTP/1.1", &png);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        assert_eq!(Mask::from_png(&body, Path::new("m.png")).unwrap(), expected);
        assert_eq!(ask(&address, "GET / HTTP/1.1", b"").0, 200);
        let (code, said) = stop(child, signal);
        assert_eq!(code, Some(0), "{signal}: {said}");
        for line in ["requests take at most", "POST /v1/segment 200 ", "GET / 200 ", "stopping"] {
            assert!(said.contains(line), "{line}: {said}");
        }
        assert!(!said.contains("everybody"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn the_token_comes_from_its_places_and_is_never_told() {
    const SECRET: &str = "a-secret-of-the-test";
    let world = World::new("token");
    fs::write(world.file("token.txt"), format!("{SECRET}\n")).unwrap();
    let all = ["--port", "0", "--host", "0.0.0.0"];
    let with = |more: &[&str]| command(&world, &[&all, more].concat());
    let mut by_variable = with(&[]);
    by_variable.env("CANET_TOKEN", SECRET);
    let mut file_wins = with(&["--token-file", "token.txt"]);
    file_wins.env("CANET_TOKEN", "another-secret");
    for mut command in [with(&["--token", SECRET]), by_variable, file_wins] {
        let (child, address) = serve(&mut command);
        let address = address.replace("0.0.0.0", "127.0.0.1");
        assert_eq!(ask(&address, "GET /healthz HTTP/1.1", b"").0, 200);
        assert_eq!(ask(&address, "GET /v1/model HTTP/1.1", b"").0, 401);
        let head = format!("GET /v1/model HTTP/1.1\r\nAuthorization: Bearer {SECRET}");
        assert_eq!(ask(&address, &head, b"").0, 200);
        let (code, said) = stop(child, "-TERM");
        assert_eq!(code, Some(0));
        assert!(!said.contains(SECRET) && !said.contains("everybody"), "{said}");
    }
    let (child, _) = serve(&mut with(&[]));
    let (_, said) = stop(child, "-TERM");
    assert!(said.contains("everybody") && said.contains("set a token"), "{said}");
}

#[test]
fn what_cannot_be_is_refused_with_advice() {
    let world = World::new("refused");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fs::write(world.file("long.txt"), "x".repeat(100_000)).unwrap();
    for (arguments, code, needle) in [
        (&["--port", &port][..], 5, "choose another --port, or 0"),
        (&["--port", "99999"], 2, "65535"),
        (&["--host", "example.org"], 2, "it must be an IP address"),
        (&["--host", "192.0.2.1", "--port", "0"], 2, "an address of this machine"),
        (&["--max-body", "0"], 2, "1..=1024"),
        (&["--max-pixels", "3"], 2, "1024..=268435456"),
        (&["--queue", "0"], 2, "1..=4096"),
        (&["--batch", "65"], 2, "1..=64"),
        (&["--timeout", "0"], 2, "1..=3600"),
        (&["--timeout", "x"], 2, "invalid value"),
        (&["--token", "short"], 2, "8 to 512"),
        (&["--token", ""], 2, "8 to 512"),
        (&["--token", "long-enough", "--token-file", "f"], 2, "cannot be used with"),
        (&["--token-file", "none.txt"], 2, "none.txt"),
        (&["--token-file", "."], 2, "cannot read ."),
        (&["--token-file", "long.txt"], 2, "8 to 512"),
        (&["--device", "gpu"], 2, "use auto"),
        (&["frame.png"], 2, "unexpected argument"),
    ] {
        let output = if arguments[0] == "--device" {
            let model = ["serve", "--model", "small.safetensors"];
            world.canet(&[&model[..], arguments].concat())
        } else {
            command(&world, arguments).output().unwrap()
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(needle), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
    fs::write(world.file("small.safetensors"), "text").unwrap();
    let output = command(&world, &["--port", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}
