//! Masks: one class id a pixel. Floats never enter here.

use std::path::Path;

use crate::{ClassId, ClassSet, Error, MAX_SIDE};

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

    /// Reads an 8-bit mask: indices of a palette PNG, or values of a grey one. `path` names it in errors.
    pub fn from_png(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Mask { path: path.to_owned(), reason };
        let unreadable = |e: png::DecodingError| fail(format!("is not a readable PNG: {e}"));
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(bytes)).read_info().map_err(unreadable)?;
        let (width, height) = (reader.info().width, reader.info().height);
        let (kind, depth) = reader.output_color_type();
        if !matches!(kind, png::ColorType::Indexed | png::ColorType::Grayscale)
            || depth != png::BitDepth::Eight
        {
            return Err(fail(format!(
                "a mask is an 8-bit grey or palette PNG with one class id a pixel, this is {kind:?} at {depth:?} bits"
            )));
        }
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(fail(format!("is {width}x{height}; sides up to {MAX_SIDE} are read")));
        }
        let mut ids = vec![0; width as usize * height as usize];
        reader.next_frame(&mut ids).map_err(unreadable)?;
        Ok(Self { width, height, ids })
    }

    /// Reads an 8-bit mask from a PNG file and refuses ids outside `classes`, naming the pixel.
    pub fn read(path: &Path, classes: &ClassSet) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::from_png_of(&bytes, path, classes)
    }

    /// As [`Mask::read`], from the file's bytes; `path` names it in errors.
    pub fn from_png_of(bytes: &[u8], path: &Path, classes: &ClassSet) -> Result<Self, Error> {
        let mask = Self::from_png(bytes, path)?;
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
