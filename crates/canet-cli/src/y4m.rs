//! YUV4MPEG2, the plain form in which programs such as ffmpeg pass video through a pipe.
//!
//! ```text
//! YUV4MPEG2 W640 H360 F30:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n
//! FRAME\n  Y, then Cb, then Cr, a byte a sample, row by row
//! FRAME\n  ...
//! ```
//!
//! Read are 8 bits a sample with chroma at full (`C444`), half the width (`C422`) or half of both
//! (`C420...`), and `Cmono`; interlaced frames are taken as they are. Written is `C420jpeg`.

mod color;
mod header;

use std::io::{self, BufRead, Read, Write};

use image::RgbImage;

pub(crate) use self::header::Header;
use self::header::MAX_LINE;

/// What is allocated before the bytes of a frame are there: a header may claim any size.
const FIRST_ROOM: usize = 1 << 20;

/// A stream that is being read. Errors are what is wrong with it, in words.
pub(crate) struct Reader<R> {
    from: R,
    header: Header,
    /// What the next frame will take, once one was seen whole.
    room: usize,
}

/// A frame as it stands in the stream.
pub(crate) struct Planes {
    header: Header,
    bytes: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub(crate) fn new(mut from: R) -> Result<Self, String> {
        let line = read_line(&mut from)?.ok_or("is empty")?;
        let header = Header::parse(&line)?;
        Ok(Self { from, header, room: FIRST_ROOM })
    }

    /// What the header says.
    pub(crate) fn header(&self) -> Header {
        self.header
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) fn frame(&mut self) -> Result<Option<Planes>, String> {
        if !self.begins()? {
            return Ok(None);
        }
        let length = self.header.frame_bytes();
        let mut bytes = Vec::with_capacity(length.min(self.room));
        let read = (&mut self.from).take(length as u64).read_to_end(&mut bytes);
        whole(read.map(|read| read as u64), length)?;
        self.room = length;
        Ok(Some(Planes { header: self.header, bytes }))
    }

    /// Passes over a frame; `false` at the end of the stream.
    pub(crate) fn skip(&mut self) -> Result<bool, String> {
        if !self.begins()? {
            return Ok(false);
        }
        let length = self.header.frame_bytes();
        let read = io::copy(&mut (&mut self.from).take(length as u64), &mut io::sink());
        whole(read, length).map(|()| true)
    }

    /// Reads the line before a frame.
    fn begins(&mut self) -> Result<bool, String> {
        match read_line(&mut self.from)? {
            None => Ok(false),
            Some(line) if line == b"FRAME" || line.starts_with(b"FRAME ") => Ok(true),
            Some(_) => Err("does not begin with FRAME; the stream is damaged".into()),
        }
    }
}

impl Planes {
    /// The frame in RGB.
    pub(crate) fn to_rgb(&self) -> RgbImage {
        color::to_rgb(&self.header, &self.bytes)
    }
}

/// Begins a stream of frames.
pub(crate) fn write_header(to: &mut dyn Write, header: &Header) -> io::Result<()> {
    to.write_all(header.line().as_bytes())
}

/// A frame as [`Header::line`] announces it; it has the header's size.
pub(crate) fn encoded(header: &Header, picture: &RgbImage) -> Vec<u8> {
    let mut bytes = b"FRAME\n".to_vec();
    color::from_rgb(header, picture, &mut bytes);
    bytes
}

/// A line without its end, or `None` where there is nothing more.
fn read_line(from: &mut impl BufRead) -> Result<Option<Vec<u8>>, String> {
    let mut line = Vec::new();
    let mut limited = from.take(MAX_LINE as u64 + 1);
    limited.read_until(b'\n', &mut line).map_err(|error| format!("cannot be read: {error}"))?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() >= MAX_LINE => {
            Err(format!("has a line of more than {MAX_LINE} bytes; is it YUV4MPEG2 video?"))
        }
        Some(_) => Err("is cut short".into()),
    }
}

fn whole(read: io::Result<u64>, length: usize) -> Result<(), String> {
    match read {
        Ok(read) if read == length as u64 => Ok(()),
        Ok(read) => Err(format!("is cut short: {read} of {length} bytes")),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(stream: &[u8]) -> Result<usize, String> {
        let mut reader = Reader::new(stream)?;
        let mut count = 0;
        while let Some(planes) = reader.frame()? {
            assert_eq!(planes.to_rgb().dimensions(), reader.header().size());
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn frames_of_every_form_are_read_to_the_end() {
        for (form, bytes) in [("", 15 + 12), ("C422", 15 + 18), ("C444", 15 + 30), ("Cmono", 15)] {
            let head = format!("YUV4MPEG2 W5 H3 F25:1 {form}\n");
            let frame = [b"FRAME Ip\n".to_vec(), vec![99; bytes]].concat();
            let stream = [head.into_bytes(), frame.clone(), frame].concat();
            assert_eq!(frames(&stream), Ok(2), "{form}");
            let mut reader = Reader::new(&stream[..]).unwrap();
            assert_eq!([(); 3].map(|()| reader.skip()), [Ok(true), Ok(true), Ok(false)], "{form}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let frame = [b"FRAME\n".to_vec(), vec![7; 6]].concat();
        let head = b"YUV4MPEG2 W2 H2\n".to_vec();
        let stream = [head.clone(), frame.clone(), frame.clone()].concat();
        for length in 0..stream.len() {
            let at_end = length == head.len() || length == head.len() + frame.len();
            assert_eq!(frames(&stream[..length]).is_ok(), at_end, "{length}");
        }
        assert_eq!(frames(&stream), Ok(2));
    }

    #[test]
    fn what_is_no_stream_is_refused_before_there_is_room_for_it() {
        for (stream, needle) in [
            (b"".to_vec(), "is empty"),
            (b"RIFF....AVI ".to_vec(), "is cut short"),
            (vec![b'x'; 5000], "more than 1024 bytes"),
            (b"YUV4MPEG2 W2 H2\nFRAMES\n123456".to_vec(), "does not begin with FRAME"),
            (b"YUV4MPEG2 W16384 H16384\nFRAME\n12".to_vec(), "2 of 402653184 bytes"),
        ] {
            let error = frames(&stream).unwrap_err();
            assert!(error.contains(needle), "{error}");
        }
    }

    #[test]
    fn what_is_written_reads_back_nearly_the_same() {
        for (line, height) in [("F30:1", 8), ("F30000:1001 XCOLORRANGE=FULL", 721)] {
            let line = format!("YUV4MPEG2 W9 H{height} {line}");
            let header = Header::parse(line.as_bytes()).unwrap();
            // Blocks of 2x2 have one colour, so that nothing is lost between them.
            let picture = RgbImage::from_fn(9, height, |x, y| {
                image::Rgb([(x / 2 * 50) as u8, (y / 2 * 31) as u8, ((x / 2) * (y / 2) * 7) as u8])
            });
            let mut stream = Vec::new();
            write_header(&mut stream, &header).unwrap();
            stream.extend(encoded(&header, &picture));
            let mut reader = Reader::new(&stream[..]).unwrap();
            assert_eq!(reader.header(), header);
            let again = reader.frame().unwrap().unwrap().to_rgb();
            let pairs = picture.as_raw().iter().zip(again.as_raw());
            let largest = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(largest <= 3, "{line}: {largest}");
        }
    }
}
