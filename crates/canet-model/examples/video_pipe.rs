//! A video, frame by frame, from stdin to stdout as raw RGB. With W and H of the video:
//!
//! ```sh
//! ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | cargo run --example video_pipe -- MODEL W H |
//!     ffmpeg -f rawvideo -pix_fmt rgb24 -s WxH -r 25 -i - out.mp4
//! ```

use std::io::{Read, Write};

use canet_model::{Options, Segmenter, image::RgbImage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, width, height] = &words[..] else { return Err("MODEL WIDTH HEIGHT".into()) };
    let segmenter = Segmenter::load(model, Options::default())?;
    let mut frame = RgbImage::new(width.parse()?, height.parse()?);
    let (mut stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    // A frame that is cut short is the end, too.
    while stdin.read_exact(&mut frame).is_ok() {
        stdout.write_all(&segmenter.segment(&frame)?.overlay(&frame, 0.5)?)?;
    }
    Ok(())
}
