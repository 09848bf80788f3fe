use std::net::TcpListener;
use std::time::Duration;

use super::*;
use crate::origin::content_range;

#[test]
fn content_ranges_are_read_strictly() {
    for (value, expected) in [
        ("bytes 5-99/100", Some((5, Some(100)))),
        ("bytes 0-0/*", Some((0, None))),
        ("bytes 5-100/100", None),
        ("bytes 9-5/100", None),
        ("bytes */100", None),
        ("items 0-1/2", None),
        ("bytes -5-9/100", None),
        ("bytes 0-99999999999999999999/*", None),
        ("", None),
    ] {
        assert_eq!(content_range(value), expected, "{value}");
    }
}

#[test]
fn the_note_beside_a_part_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.part.from");
    for (validator, length) in [(Some("\"a\""), Some(7)), (None, Some(7)), (Some("b"), None)] {
        let url = "https://host.test/x".to_owned();
        let origin = Origin { url, validator: validator.map(str::to_owned), length };
        origin.write(&path).unwrap();
        assert_eq!(Origin::read(&path), Some(origin));
    }
}

/// A server that sends a byte now and then would hold a download for ever.
#[test]
fn dripping_and_silent_servers_are_left() {
    for drip in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x.zip", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            for _ in 0..FRUITLESS_ATTEMPTS {
                let (mut stream, _) = listener.accept().unwrap();
                std::io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n").ok();
                // Ends when the client leaves, or soon after.
                for _ in 0..40 {
                    std::thread::sleep(Duration::from_millis(20));
                    if drip && stream.write_all(b"x").is_err() {
                        break;
                    }
                }
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let patience = Patience {
            silence: Duration::from_millis(200),
            stretch: Duration::from_millis(150),
            least: 1 << 20,
            pause: Duration::ZERO,
            most: 1 << 30,
        };
        // A validator is missing, so no attempt can build on another, but each has new bytes.
        let target = dir.path().join("x.zip");
        let mut nobody = ();
        let mut download = Download::new(&url, &target, false, patience, &mut nobody);
        let end = download.attempt().unwrap();
        let End::Dropped(_, error) = end else { panic!("it cannot be complete") };
        let text = error.to_string();
        assert!(text.contains(if drip { "came in" } else { "timeout" }), "{text}");
        assert!(!target.exists());
        drop(download);
        drop(server);
    }
}

#[test]
fn sizes_are_for_people() {
    for (bytes, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3 << 19, "1.5 MiB"),
        (200 << 30, "200.0 GiB"),
    ] {
        assert_eq!(size(bytes), text);
    }
}
