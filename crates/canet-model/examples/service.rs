//! The least service: `curl --data-binary @frame.jpg localhost:8000 > mask.png`. It shows that nothing
//! but the standard library is needed; `canet serve` is the real one, with limits, queue and page.
use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{TcpListener, TcpStream};

use canet_model::{Options, Segmenter, image};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let model = std::env::args().nth(1).ok_or("MODEL")?;
    let segmenter = Segmenter::load(model, Options::default())?;
    let listener = TcpListener::bind("127.0.0.1:8000")?;
    // Who sends no picture gets nothing.
    listener.incoming().for_each(|client| drop(client.and_then(|to| answer(to, &segmenter))));
    Ok(())
}

fn answer(mut to: TcpStream, segmenter: &Segmenter) -> Result<()> {
    let mut from = BufReader::new((&to).take(32 << 20));
    let mut n = 0;
    for line in from.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let line = line.to_lowercase();
        n = line.strip_prefix("content-length:").map_or(n, |n| n.trim().parse().unwrap_or(0));
    }
    let body = from.take(n).bytes().collect::<Result<Vec<u8>>>()?;
    let frame = image::load_from_memory(&body).map_err(Error::other)?.into_rgb8();
    let segmentation = segmenter.segment(&frame).map_err(Error::other)?;
    to.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n")?;
    to.write_all(&segmentation.mask.to_png(&segmentation.classes))
}
