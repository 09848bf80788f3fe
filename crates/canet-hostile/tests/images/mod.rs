//! Pictures written byte by byte, and odd forms of honest ones.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

pub(crate) const PROGRESSIVE: &[u8] = include_bytes!("progressive.jpg");
const TURNED: &[u8] = include_bytes!("turned.jpg");
const GREY: &[u8] = include_bytes!("grey.jpg");
const CMYK: &[u8] = include_bytes!("cmyk.jpg");

/// What a pixel of a PNG consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Grey = 0,
    Rgb = 2,
    Palette = 3,
    GreyAlpha = 4,
    Rgba = 6,
}

impl Kind {
    fn channels(self) -> usize {
        match self {
            Self::Grey | Self::Palette => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

pub(crate) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A PNG chunk with its checksum.
pub(crate) fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    let (length, sum) = ((data.len() as u32).to_be_bytes(), crc.sum().to_be_bytes());
    [&length, &kind, data, &sum].concat()
}

/// A PNG of these chunks behind a header that claims this.
pub(crate) fn png(width: u32, height: u32, depth: u8, kind: Kind, chunks: &[Vec<u8>]) -> Vec<u8> {
    laid_out(width, height, depth, kind, 0, chunks)
}

fn laid_out(w: u32, h: u32, depth: u8, kind: Kind, laced: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let head = [&w.to_be_bytes()[..], &h.to_be_bytes(), &[depth, kind as u8, 0, 0, laced]].concat();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunk(*b"IHDR", &head));
    if kind == Kind::Palette {
        bytes.extend(chunk(*b"PLTE", &[10, 20, 30, 40, 50, 60]));
    }
    bytes.extend(chunks.concat());
    bytes.extend(chunk(*b"IEND", b""));
    bytes
}

/// The rows of a picture whose samples are all this byte.
fn rows(width: u32, height: u32, depth: u8, kind: Kind, sample: u8) -> Vec<u8> {
    let bits = width as usize * kind.channels() * usize::from(depth);
    let mut row = vec![sample; 1 + bits.div_ceil(8)];
    row[0] = 0;
    row.repeat(height as usize)
}

/// A whole PNG of one colour, the darkest.
pub(crate) fn png_of(width: u32, height: u32, depth: u8, kind: Kind) -> Vec<u8> {
    let data = deflated(&rows(width, height, depth, kind, 0));
    png(width, height, depth, kind, &[chunk(*b"IDAT", &data)])
}

/// A whole grey PNG of one value.
pub(crate) fn grey(width: u32, height: u32, value: u8) -> Vec<u8> {
    let data = deflated(&rows(width, height, 8, Kind::Grey, value));
    png(width, height, 8, Kind::Grey, &[chunk(*b"IDAT", &data)])
}

/// A JPEG whose header claims another size.
pub(crate) fn jpeg_of_size(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let is_header = |w: &[u8]| w[0] == 0xFF && matches!(w[1], 0xC0 | 0xC2);
    let at = jpeg.windows(2).position(is_header).unwrap();
    let mut bytes = jpeg.to_vec();
    bytes[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A JPEG whose last scan is there many times.
pub(crate) fn with_scans(jpeg: &[u8], count: usize) -> Vec<u8> {
    let last = jpeg.windows(2).rposition(|w| w == [0xFF, 0xDA]).unwrap();
    let (head, scan) = jpeg[..jpeg.len() - 2].split_at(last);
    [head, &scan.repeat(count), &[0xFF, 0xD9]].concat()
}

type Odd = (&'static str, Vec<u8>, (u32, u32), [u8; 3]);

/// Forms that are unusual and no fault: the file, its size, and its first pixel as 8-bit RGB.
pub(crate) fn odd_forms(baseline: &[u8]) -> Vec<Odd> {
    let (w, h) = (67, 45);
    let street = |what, bytes: &[u8]| (what, bytes.to_vec(), (w, h), [198, 35, 16]);
    let of = |what, depth, kind, first| (what, png_of(w, h, depth, kind), (w, h), first);
    let black = [0; 3];
    let data = deflated(&rows(w, h, 8, Kind::Grey, 77));
    let pieces: Vec<_> = data.chunks(3).map(|piece| chunk(*b"IDAT", piece)).collect();
    // Adam7: seven smaller pictures, one after the other.
    let passes = [
        (0, 8, 0, 8),
        (4, 8, 0, 8),
        (0, 4, 4, 8),
        (2, 4, 0, 4),
        (0, 2, 2, 4),
        (1, 2, 0, 2),
        (0, 1, 1, 2),
    ];
    let laced: Vec<u8> = passes
        .iter()
        .flat_map(|&(x, dx, y, dy)| {
            rows((w - x as u32).div_ceil(dx), (h - y as u32).div_ceil(dy), 8, Kind::Grey, 55)
        })
        .collect();
    let laced = laid_out(w, h, 8, Kind::Grey, 1, &[chunk(*b"IDAT", &deflated(&laced))]);
    // An animation whose first picture is the still one; the second is white.
    let control = |number: u32| {
        let size = [number, w, h, 0, 0].map(u32::to_be_bytes).concat();
        chunk(*b"fcTL", &[&size[..], &[0, 1, 0, 10, 0, 0]].concat())
    };
    let second = [&2_u32.to_be_bytes()[..], &deflated(&rows(w, h, 8, Kind::Grey, 255))].concat();
    let animation = [
        chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
        control(0),
        chunk(*b"IDAT", &data),
        control(1),
        chunk(*b"fdAT", &second),
    ];
    vec![
        ("a JPEG by another name", baseline.to_vec(), (w, h), [0, 12, 55]),
        ("a JPEG with bytes behind it", [baseline, &[7; 99]].concat(), (w, h), [0, 12, 55]),
        street("a progressive JPEG", PROGRESSIVE),
        street("a JPEG that EXIF turns", TURNED),
        ("a grey JPEG", GREY.to_vec(), (w, h), [82; 3]),
        ("a CMYK JPEG", CMYK.to_vec(), (w, h), [255, 0, 0]),
        of("a PNG of 1 bit", 1, Kind::Grey, black),
        of("a grey PNG of 16 bits", 16, Kind::Grey, black),
        of("an RGB PNG of 16 bits", 16, Kind::Rgb, black),
        of("a palette PNG", 8, Kind::Palette, [10, 20, 30]),
        of("a PNG with alpha", 8, Kind::GreyAlpha, black),
        of("a transparent PNG", 8, Kind::Rgba, black),
        ("an interlaced PNG", laced, (w, h), [55; 3]),
        ("an animated PNG", png(w, h, 8, Kind::Grey, &animation), (w, h), [77; 3]),
        ("a PNG in many pieces", png(w, h, 8, Kind::Grey, &pieces), (w, h), [77; 3]),
    ]
}

/// Whole pictures among much that is no pixel.
pub(crate) fn ballast() -> Vec<(&'static str, Vec<u8>)> {
    let zeros = deflated(&vec![0; 64 << 20]);
    let data = chunk(*b"IDAT", &deflated(&rows(67, 45, 8, Kind::Grey, 3)));
    let with = |before: Vec<u8>, after: Vec<u8>| {
        png(67, 45, 8, Kind::Grey, &[before, data.clone(), after])
    };
    let lead = |kind: [u8; 4], lead: &[u8]| chunk(kind, &[lead, &zeros[..]].concat());
    let text = chunk(*b"tEXt", b"Comment\0ballast");
    vec![
        ("a packed profile", with(lead(*b"iCCP", b"p\0\0"), Vec::new())),
        ("a packed text", with(lead(*b"zTXt", b"t\0\0"), Vec::new())),
        ("a packed text behind the pixels", with(Vec::new(), lead(*b"zTXt", b"t\0\0"))),
        ("a packed international text", with(lead(*b"iTXt", b"t\0\x01\0\0\0"), Vec::new())),
        ("50,000 texts", with(text.repeat(50_000), Vec::new())),
        (
            "a text of 5 MB",
            with(chunk(*b"tEXt", &[b"t\0", &vec![b'x'; 5_000_000][..]].concat()), Vec::new()),
        ),
        ("200,000 unknown pieces", with(chunk(*b"abCd", b"").repeat(200_000), Vec::new())),
        ("an unknown piece of 20 MB", with(chunk(*b"abCd", &vec![1; 20_000_000]), Vec::new())),
    ]
}
