//! Where frames come from: files, or video on standard input.

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use canet_data::frame_file;
use image::RgbImage;

use super::jobs::Job;
use crate::{frame, y4m};

/// A frame that is not yet decoded.
pub(super) enum Item {
    /// A picture's file.
    File(Job),
    /// A frame of a video.
    Planes(Job, y4m::Planes),
    /// What cannot be read, and why.
    Broken(Job, String),
}

/// A frame and where it comes from.
pub(super) struct Frame {
    pub(super) job: Job,
    pub(super) picture: RgbImage,
    /// Reading and decoding a file, or converting a video's colours.
    pub(super) took: Duration,
}

impl Item {
    /// What people call it.
    pub(super) fn name(&self) -> String {
        let (Self::File(job) | Self::Planes(job, _) | Self::Broken(job, _)) = self;
        job.frame.display().to_string()
    }

    /// The frame, or what is wrong with it.
    pub(super) fn decode(self) -> Result<Frame, String> {
        let start = Instant::now();
        let (job, picture) = match self {
            Self::File(job) => {
                let picture = decode(&job.frame)?;
                (job, picture)
            }
            Self::Planes(job, planes) => (job, planes.to_rgb()),
            Self::Broken(_, reason) => return Err(reason),
        };
        Ok(Frame { job, picture, took: start.elapsed() })
    }
}

fn decode(path: &Path) -> Result<RgbImage, String> {
    let bytes = frame::bytes(path).map_err(|error| format!("cannot be read: {error}"))?;
    frame_file::decode(&bytes, path).map_err(|error| error.reason())
}

/// Each `every`-th frame of a video. A broken one is the last: nobody knows where the next begins.
pub(super) struct Video<R> {
    reader: y4m::Reader<R>,
    every: u64,
    next: u64,
    ended: bool,
}

impl<R> Video<R> {
    pub(super) fn new(reader: y4m::Reader<R>, every: u64) -> Self {
        Self { reader, every, next: 0, ended: false }
    }
}

impl<R: BufRead> Iterator for Video<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        while !self.ended {
            let number = self.next;
            self.next += 1;
            let taken = number.is_multiple_of(self.every);
            let job = Job::of_stream(number);
            let read = if taken {
                self.reader.frame()
            } else {
                self.reader.skip().map(|more| {
                    self.ended = !more;
                    None
                })
            };
            match read {
                Ok(Some(planes)) => return Some(Item::Planes(job, planes)),
                Ok(None) => self.ended |= taken,
                Err(reason) => {
                    self.ended = true;
                    return Some(Item::Broken(job, reason));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nth_frame_of_a_video_is_taken() {
        let frame = b"FRAME\nx";
        let whole = [&b"YUV4MPEG2 W1 H1 Cmono\n"[..], &frame.repeat(7)].concat();
        let cut = &whole[..whole.len() - 1];
        let last = "frame 6 is cut short: 0 of 1 bytes";
        for (bytes, every, expected) in [
            (&whole[..], 1, &["0", "1", "2", "3", "4", "5", "6"][..]),
            (&whole[..], 3, &["0", "3", "6"]),
            (&whole[..], 4, &["0", "4"]),
            (&whole[..], 9, &["0"]),
            (cut, 2, &["0", "2", "4", last]),
            (cut, 4, &["0", "4", last]),
        ] {
            let video = Video::new(y4m::Reader::new(bytes).unwrap(), every);
            let found: Vec<_> = video
                .map(|item| match item {
                    Item::Broken(job, reason) => format!("{} {reason}", job.frame.display()),
                    item => item.name().replace("frame ", ""),
                })
                .collect();
            assert_eq!(found, expected, "every {every}");
        }
    }
}
