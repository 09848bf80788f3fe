//! Sheets: rows of pictures with titles and notes.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::{BACKGROUND, INK, viridis};
use crate::text;

/// Between the panels of a sheet, and around them.
const GAP: u32 = 16;
/// Of a line of text, at scale 1.
const LINE: u32 = 12;
/// Titles are twice the size of notes.
const TITLE: u32 = 2;
const QUIET: Rgb<u8> = Rgb([170, 170, 170]);

/// A picture on a sheet.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// The picture, as it will be on the sheet.
    pub picture: RgbImage,
    /// Lines below it; what does not fit the picture's width goes to the next line.
    pub notes: Vec<String>,
}

impl Panel {
    fn height(&self) -> u32 {
        let lines = self.lines().len() as u32;
        title_height() + self.picture.height() + LINE / 2 + lines * LINE
    }

    fn lines(&self) -> Vec<String> {
        let letters = (self.picture.width() / text::width("m", 1)).max(1) as usize;
        self.notes.iter().flat_map(|note| wrap(note, letters)).collect()
    }

    fn draw(&self, sheet: &mut RgbImage, x: u32, y: u32) {
        let room = (self.picture.width() / text::width("m", TITLE)).max(1) as usize;
        let title: String = self.title.chars().take(room).collect();
        text::draw(sheet, &title, x, y, TITLE, INK);
        let mut y = y + title_height();
        imageops::replace(sheet, &self.picture, i64::from(x), i64::from(y));
        y += self.picture.height() + LINE / 2;
        for line in self.lines() {
            text::draw(sheet, &line, x, y, 1, QUIET);
            y += LINE;
        }
    }
}

fn title_height() -> u32 {
    LINE * TITLE
}

/// A sheet of rows. Its width is that of the widest row, its height that of the rows' highest panels,
/// with gaps around each.
pub fn sheet(rows: &[Vec<Panel>]) -> RgbImage {
    let width = |row: &Vec<Panel>| row.iter().map(|panel| panel.picture.width() + GAP).sum::<u32>();
    let height = |row: &Vec<Panel>| row.iter().map(Panel::height).max().unwrap_or(0) + GAP;
    let whole = (
        GAP + rows.iter().map(width).max().unwrap_or(0),
        GAP + rows.iter().map(height).sum::<u32>(),
    );
    let mut sheet = RgbImage::from_pixel(whole.0, whole.1, BACKGROUND);
    let mut y = GAP;
    for row in rows {
        let mut x = GAP;
        for panel in row {
            panel.draw(&mut sheet, x, y);
            x += panel.picture.width() + GAP;
        }
        y += height(row);
    }
    sheet
}

/// The width of a sheet whose widest row has so many panels of a width.
pub fn sheet_width(panels: u32, width: u32) -> u32 {
    GAP + panels * (width + GAP)
}

/// The picture scaled to fit into a square of `side`, at least one pixel wide and high.
pub fn fit(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = fitted(picture.dimensions(), side);
    imageops::resize(picture, width, height, FilterType::Triangle)
}

/// The size that [`fit`] gives a picture of `width` and `height`.
pub fn fitted((width, height): (u32, u32), side: u32) -> (u32, u32) {
    let longest = u64::from(width.max(height).max(1));
    let scaled = |length: u32| {
        let rounded = (u64::from(length) * u64::from(side) + longest / 2) / longest;
        (rounded as u32).max(1)
    };
    (scaled(width), scaled(height))
}

/// Values from 0 to 1 as bars side by side, coloured by their height, with a line at one half.
pub fn bars(values: &[f32], width: u32, height: u32) -> RgbImage {
    let mut picture = RgbImage::from_pixel(width, height, Rgb([40; 3]));
    for x in 0..width {
        let at = (u64::from(x) * values.len() as u64 / u64::from(width)) as usize;
        let value = values.get(at).map_or(0.0, |v| v.clamp(0.0, 1.0));
        let bar = (value * height as f32).round() as u32;
        for y in height - bar..height {
            picture.put_pixel(x, y, viridis(value));
        }
        if let Some(pixel) = picture.get_pixel_mut_checked(x, height / 2) {
            *pixel = INK;
        }
    }
    picture
}

/// Cuts at spaces into lines of at most `letters`; a longer word is cut within.
fn wrap(note: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in note.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().expect("there is a first line");
            let used = line.chars().count();
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= letters {
                line.extend(std::iter::repeat_n(' ', gap).chain(word));
                break;
            }
            if used == 0 {
                line.extend(word.drain(..letters));
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_cut_at_spaces() {
        for (note, expected) in [
            ("", vec![""]),
            ("one two", vec!["one", "two"]),
            ("a bc d", vec!["a bc", "d"]),
            ("abcdefghi j", vec!["abcde", "fghi", "j"]),
            ("Straße x", vec!["Straß", "e x"]),
        ] {
            assert_eq!(wrap(note, 5), expected, "{note}");
        }
    }

    #[test]
    fn sheets_hold_their_panels() {
        let panel = |w, h, notes: &[&str]| Panel {
            title: "a long title".into(),
            picture: RgbImage::from_pixel(w, h, Rgb([9, 8, 7])),
            notes: notes.iter().map(|&note| note.into()).collect(),
        };
        let rows = [
            vec![panel(100, 50, &["0.1 to 2"]), panel(100, 20, &[])],
            vec![panel(3, 4, &["wraps at each letter"])],
        ];
        let sheet = sheet(&rows);
        let second = 2 * LINE + 4 + LINE / 2 + 17 * LINE;
        assert_eq!(sheet.width(), sheet_width(2, 100));
        assert_eq!(sheet.height(), GAP + (2 * LINE + 50 + LINE / 2 + LINE + GAP) + second + GAP);
        let count = sheet.pixels().filter(|pixel| pixel.0 == [9, 8, 7]).count();
        assert_eq!(count, 100 * 50 + 100 * 20 + 12);
        assert_eq!(super::sheet(&[]).dimensions(), (GAP, GAP));
    }

    #[test]
    fn pictures_keep_their_shape_as_far_as_pixels_allow() {
        for (size, expected) in [
            ((1920, 1080), (480, 270)),
            ((10, 20), (240, 480)),
            ((1, 16384), (1, 480)),
            ((3, 3), (480, 480)),
        ] {
            assert_eq!(fitted(size, 480), expected);
        }
        assert_eq!(fit(&RgbImage::new(8, 4), 6).dimensions(), (6, 3));
    }

    #[test]
    fn bars_are_as_high_as_their_values() {
        let picture = bars(&[0.0, 1.0, 0.25], 6, 8);
        let lit = |x| (0..8).filter(|&y| picture.get_pixel(x, y).0 != [40; 3]).count();
        // The line at one half is one pixel more where no bar reaches it.
        assert_eq!([0, 2, 3, 4].map(lit), [1, 8, 8, 3]);
        assert_eq!(bars(&[], 3, 2).dimensions(), (3, 2));
    }
}
