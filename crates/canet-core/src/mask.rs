//! Masks: one class id a pixel. Floats never enter here.

use std::path::Path;

use crate::{ClassId, ClassSet, Error, MAX_PNG_GROWTH, MAX_SIDE};

/// A label mask, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    height: u32,
    ids: Vec<u8>,
}

impl Mask {
    /// A mask filled with one class.
    pub fn filled(width: u32, height: u32, id: ClassId) -> Self {
        Self { width, height, ids: vec![id.0; width as usize * height as usize] }
    }

    /// A mask over existing ids.
    ///
    /// # Panics
    /// If `ids.len()` is not `width * height`.
    pub fn from_ids(width: u32, height: u32, ids: Vec<u8>) -> Self {
        assert_eq!(ids.len(), width as usize * height as usize, "ids must fill the mask");
        Self { width, height, ids }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All ids, row by row.
    pub fn ids(&self) -> &[u8] {
        &self.ids
    }

    /// All ids, row by row, to paint on.
    pub fn ids_mut(&mut self) -> &mut [u8] {
        &mut self.ids
    }

    /// The ids without the mask.
    pub fn into_ids(self) -> Vec<u8> {
        self.ids
    }

    /// The class at column `x` of row `y`.
    pub fn at(&self, x: u32, y: u32) -> ClassId {
        ClassId(self.ids[y as usize * self.width as usize + x as usize])
    }

    /// How many pixels have each id.
    pub fn histogram(&self) -> [u64; 256] {
        let mut counts = [0; 256];
        for &id in &self.ids {
            counts[usize::from(id)] += 1;
        }
        counts
    }

    /// The first pixel whose id is neither a class of the set nor void: `(x, y, id)`.
    pub fn first_foreign(&self, classes: &ClassSet) -> Option<(u32, u32, u8)> {
        let at = self.ids.iter().position(|&id| !classes.allows(ClassId(id)))?;
        let (x, y) = (at % self.width as usize, at / self.width as usize);
        Some((x as u32, y as u32, self.ids[at]))
    }

    /// The mask as an 8-bit PNG whose palette holds the colours of the classes.
    ///
    /// # Panics
    /// If the mask has no pixels: PNG has no form for that.
    pub fn to_png(&self, classes: &ClassSet) -> Vec<u8> {
        let palette: Vec<u8> = (0..=u8::MAX).flat_map(|id| classes.color(ClassId(id)).0).collect();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(palette);
        // Rows of a mask are nearly those above them. So one filter serves all rows, and the fastest
        // compression: against the usual choice a mask of 1920x1080 is written and read some ten times
        // faster, and the file has twice its 15 kB, beside a frame of several hundred.
        encoder.set_deflate_compression(png::DeflateCompression::FdeflateUltraFast);
        encoder.set_filter(png::Filter::Up);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&self.ids))
            .expect("writing a PNG of a checked size into memory cannot fail");
        bytes
    }

    /// Reads a mask of up to 8 bits: indices of a palette PNG, or values of a grey one as they stand
    /// in the file, not spread over 0 to 255. `path` names it in errors.
    pub fn from_png(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        Self::from_png_of_size(bytes, path, None)
    }

    /// As [`Mask::from_png`], for a mask whose `size` (width and height) is known: one of another
    /// size is refused by its header, before there is memory for its pixels.
    pub fn from_png_of_size(
        bytes: &[u8],
        path: &Path,
        size: Option<(u32, u32)>,
    ) -> Result<Self, Error> {
        let fail = |reason: String| Error::Mask { path: path.to_owned(), reason };
        let unreadable = |e: png::DecodingError| fail(format!("is not a readable PNG: {e}"));
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        // Texts and profiles change no id, and may be packed bombs.
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let mut reader = decoder.read_info().map_err(unreadable)?;
        let (width, height) = (reader.info().width, reader.info().height);
        let (kind, depth) = reader.output_color_type();
        if let Some(reason) = unfit(kind, depth) {
            return Err(fail(reason));
        }
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(fail(format!("is {width}x{height}; sides up to {MAX_SIDE} are read")));
        }
        if let Some((w, h)) = size.filter(|&size| size != (width, height)) {
            return Err(fail(format!("is for {width}x{height} pixels, but its frame has {w}x{h}")));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels * depth as u64 / 8 / MAX_PNG_GROWTH > bytes.len() as u64 {
            return Err(fail(format!(
                "claims {width}x{height} pixels in {} bytes, which no PNG can hold",
                bytes.len()
            )));
        }
        // No larger than the mask itself: rows of 1, 2 and 4 bits are packed.
        let mut ids = vec![0; pixels as usize];
        let frame = reader.next_frame(&mut ids).map_err(unreadable)?;
        if (frame.width, frame.height) != (width, height) {
            return Err(fail("is an animation; a mask is one picture".into()));
        }
        if depth != png::BitDepth::Eight {
            ids = unpack(&ids[..frame.buffer_size()], width as usize, depth as usize);
        }
        Ok(Self { width, height, ids })
    }

    /// Reads an 8-bit mask from a PNG file and refuses ids outside `classes`, naming the pixel.
    pub fn read(path: &Path, classes: &ClassSet) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::from_png_of(&bytes, path, classes, None)
    }

    /// As [`Mask::read`], from the file's bytes, with a size as in [`Mask::from_png_of_size`].
    pub fn from_png_of(
        bytes: &[u8],
        path: &Path,
        classes: &ClassSet,
        size: Option<(u32, u32)>,
    ) -> Result<Self, Error> {
        let mask = Self::from_png_of_size(bytes, path, size)?;
        if let Some((x, y, id)) = mask.first_foreign(classes) {
            return Err(Error::Mask {
                path: path.to_owned(),
                reason: format!(
                    "pixel ({x}, {y}) has value {id}, but {} has classes 0 to {} and 255 for void",
                    classes.name,
                    classes.len() - 1
                ),
            });
        }
        Ok(mask)
    }
}

/// Why a PNG of this form cannot be a mask, and what to do.
fn unfit(kind: png::ColorType, depth: png::BitDepth) -> Option<String> {
    use png::ColorType::{Grayscale, Indexed};
    match (kind, depth) {
        (Indexed | Grayscale, png::BitDepth::Sixteen) => Some(
            "is a 16-bit PNG, as instance ids are; a mask is an 8-bit grey or palette PNG with one class id a pixel"
                .into(),
        ),
        (Indexed | Grayscale, _) => None,
        _ => Some(format!(
            "a mask is an 8-bit grey or palette PNG with one class id a pixel, this is {kind:?} at {} bits; if its colours stand for classes, the layout's kind is \"color-images\"",
            depth as u8
        )),
    }
}

/// One byte a pixel from rows in which several pixels share a byte, the leftmost in its high bits.
fn unpack(packed: &[u8], width: usize, bits: usize) -> Vec<u8> {
    let per_byte = 8 / bits;
    let pixel = |row: &[u8], x: usize| {
        let shift = 8 - bits * (x % per_byte + 1);
        (row[x / per_byte] >> shift) & ((1 << bits) - 1)
    };
    let rows = packed.chunks_exact(width.div_ceil(per_byte));
    rows.flat_map(|row| (0..width).map(move |x| pixel(row, x))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LabelMap;

    #[test]
    fn png_round_trip_keeps_every_id() {
        let classes = LabelMap::builtin("idd-level3").unwrap().classes().clone();
        let ids: Vec<u8> = (0..35).map(|i| if i % 9 == 8 { 255 } else { i % 26 }).collect();
        let mask = Mask::from_ids(7, 5, ids);
        let back = Mask::from_png(&mask.to_png(&classes), Path::new("m.png")).unwrap();
        assert_eq!(back, mask);
        assert_eq!(mask.histogram()[255], 3);
    }

    fn png_of(kind: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 3, 2);
        encoder.set_color(kind);
        encoder.set_depth(depth);
        encoder.set_palette(vec![0; 12]);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }

    #[test]
    fn few_bits_a_pixel_are_unpacked_and_many_are_refused() {
        use png::{BitDepth, ColorType};
        for (kind, depth, data, expected) in [
            (
                ColorType::Indexed,
                BitDepth::One,
                &[0b1010_0000, 0b0110_0000][..],
                [1, 0, 1, 0, 1, 1],
            ),
            (ColorType::Indexed, BitDepth::Two, &[0b0001_1000, 0b1100_0100], [0, 1, 2, 3, 0, 1]),
            (ColorType::Grayscale, BitDepth::Two, &[0b0001_1000, 0b1100_0100], [0, 1, 2, 3, 0, 1]),
            (ColorType::Grayscale, BitDepth::Four, &[0x5f, 0x10, 0x23, 0x40], [5, 15, 1, 2, 3, 4]),
        ] {
            let mask = Mask::from_png(&png_of(kind, depth, data), Path::new("m.png")).unwrap();
            assert_eq!(mask, Mask::from_ids(3, 2, expected.to_vec()), "{kind:?} {depth:?}");
        }
        for (kind, depth, bytes, needle) in [
            (ColorType::Grayscale, BitDepth::Sixteen, 12, "is a 16-bit PNG, as instance ids are"),
            (
                ColorType::Rgb,
                BitDepth::Eight,
                18,
                "Rgb at 8 bits; if its colours stand for classes",
            ),
        ] {
            let png = png_of(kind, depth, &vec![0; bytes]);
            let error = Mask::from_png(&png, Path::new("m.png")).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }

    #[test]
    fn broken_and_foreign_masks_are_refused() {
        let classes = LabelMap::builtin("idd-lite-7").unwrap().classes().clone();
        let good = Mask::filled(4, 4, ClassId(6)).to_png(&classes);
        for cut in [0, 8, 20, good.len() - 30] {
            assert!(Mask::from_png(&good[..cut], Path::new("cut.png")).is_err(), "{cut}");
        }
        let mut mask = Mask::filled(4, 4, ClassId(6));
        mask.ids_mut()[6] = 7;
        assert_eq!(mask.first_foreign(&classes), Some((2, 1, 7)));
        let dir = std::env::temp_dir().join(format!("canet-core-mask-{}", std::process::id()));
        let path = dir.join("foreign.png");
        crate::atomic::write(&path, &mask.to_png(&classes)).unwrap();
        let error = Mask::read(&path, &classes).unwrap_err().to_string();
        assert!(error.contains("pixel (2, 1) has value 7"), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
