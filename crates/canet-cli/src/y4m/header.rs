//! The first line of a stream.

use canet_core::MAX_SIDE;

/// How long a line may be; those of ffmpeg have some 100 bytes.
pub(super) const MAX_LINE: usize = 1024;

/// How many colour samples there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    /// A sample for two by two pixels.
    Quarter,
    /// For two pixels of a row.
    Half,
    /// For each pixel.
    Full,
    /// None at all.
    None,
}

impl Chroma {
    /// Of a word such as `420jpeg`. The three kinds of 4:2:0 differ in where the samples lie, by
    /// half a pixel; see `color`.
    fn parse(word: &str) -> Result<Self, String> {
        match word {
            "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(Self::Quarter),
            "422" => Ok(Self::Half),
            "444" => Ok(Self::Full),
            "mono" => Ok(Self::None),
            _ => Err(format!(
                "has the pixel format C{word}; 8-bit C420, C422, C444 and Cmono are possible: \
                 give ffmpeg -pix_fmt yuv420p"
            )),
        }
    }

    /// By what width and height are divided.
    pub(super) fn divisors(self) -> [usize; 2] {
        match self {
            Self::Quarter => [2, 2],
            Self::Half => [2, 1],
            Self::Full | Self::None => [1, 1],
        }
    }
}

/// What a stream's frames are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    width: u32,
    height: u32,
    /// Frames in so many seconds.
    rate: [u64; 2],
    /// Width and height of a pixel.
    aspect: [u64; 2],
    pub(super) chroma: Chroma,
    /// Whether black and white are 0 and 255, not 16 and 235.
    pub(super) full_range: bool,
}

impl Header {
    /// Parses the line, without its end.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let line = str::from_utf8(line).ok().and_then(|line| line.strip_prefix("YUV4MPEG2"));
        let Some(line) = line.filter(|line| line.is_empty() || line.starts_with(' ')) else {
            return Err("is no YUV4MPEG2 video; give ffmpeg -f yuv4mpegpipe".into());
        };
        let mut header = Self {
            width: 0,
            height: 0,
            rate: [25, 1],
            aspect: [1, 1],
            chroma: Chroma::Quarter,
            full_range: false,
        };
        for word in line.split_ascii_whitespace() {
            let (key, value) = word.split_at_checked(1).unwrap_or((word, ""));
            match key {
                "W" => header.width = side(word, value)?,
                "H" => header.height = side(word, value)?,
                // 0:0 is written for what is not known.
                "F" => header.rate = ratio(word, value)?.unwrap_or(header.rate),
                "A" => header.aspect = ratio(word, value)?.unwrap_or(header.aspect),
                "C" => header.chroma = Chroma::parse(value)?,
                _ if word == "XCOLORRANGE=FULL" => header.full_range = true,
                // Interlacing, comments, and what else there may come to be.
                _ => {}
            }
        }
        if header.width == 0 || header.height == 0 {
            return Err("has no width or no height in its header".into());
        }
        Ok(header)
    }

    /// The header of a stream of `C420jpeg` made from each `every`-th frame, with pictures of another
    /// size.
    pub(crate) fn remade(&self, [width, height]: [u32; 2], every: u64) -> Self {
        let [frames, seconds] = self.rate;
        let rate = [frames, seconds.saturating_mul(every)];
        Self { width, height, rate, chroma: Chroma::Quarter, ..*self }
    }

    /// Width and height.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Whether colours are of BT.709, as high-definition video has them, or else of BT.601. The
    /// stream does not tell, so the height must.
    pub(super) fn is_709(&self) -> bool {
        self.height >= 720
    }

    /// Width and height of the planes of colour.
    pub(super) fn chroma_size(&self) -> [usize; 2] {
        let [x, y] = self.chroma.divisors();
        [(self.width as usize).div_ceil(x), (self.height as usize).div_ceil(y)]
    }

    /// Bytes of a frame.
    pub(super) fn frame_bytes(&self) -> usize {
        let luma = self.width as usize * self.height as usize;
        let [width, height] = self.chroma_size();
        if self.chroma == Chroma::None { luma } else { luma + 2 * width * height }
    }

    /// The line, for frames of `C420jpeg`.
    pub(super) fn line(&self) -> String {
        let Self { width, height, rate: [frames, seconds], aspect: [x, y], .. } = self;
        let range = if self.full_range { "FULL" } else { "LIMITED" };
        format!(
            "YUV4MPEG2 W{width} H{height} F{frames}:{seconds} Ip A{x}:{y} C420jpeg \
             XYSCSS=420JPEG XCOLORRANGE={range}\n"
        )
    }
}

fn side(word: &str, value: &str) -> Result<u32, String> {
    let side = value.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
    side.ok_or_else(|| format!("has {word:?} in its header; sides of 1 to {MAX_SIDE} are possible"))
}

/// `None` for an unknown one.
fn ratio(word: &str, value: &str) -> Result<Option<[u64; 2]>, String> {
    let parse = |text: &str| text.parse::<u32>().ok().map(u64::from);
    let parts = value.split_once(':').and_then(|(a, b)| Some([parse(a)?, parse(b)?]));
    let parts = parts.ok_or_else(|| format!("has {word:?} in its header, which is no ratio"))?;
    Ok((!parts.contains(&0)).then_some(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_written() {
        let line =
            b"YUV4MPEG2 W641 H361 F30000:1001 Ip A0:0 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=FULL";
        let header = Header::parse(line).unwrap();
        assert_eq!(
            (header.size(), header.rate, header.aspect),
            ((641, 361), [30000, 1001], [1, 1])
        );
        assert_eq!((header.full_range, header.frame_bytes()), (true, 641 * 361 + 2 * 321 * 181));
        let remade = header.remade([1280, 720], 5);
        assert!(remade.is_709() && !header.is_709());
        assert_eq!(
            remade.line(),
            "YUV4MPEG2 W1280 H720 F30000:5005 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL\n"
        );
        assert_eq!(Header::parse(remade.line().trim_end().as_bytes()), Ok(remade));
    }

    #[test]
    fn faults_are_named() {
        for (line, needle) in [
            ("YUV4MPEG W2 H2", "no YUV4MPEG2 video"),
            ("YUV4MPEG2W2 H2", "no YUV4MPEG2 video"),
            ("YUV4MPEG2 W2", "no height"),
            ("YUV4MPEG2 W0 H2", "\"W0\""),
            ("YUV4MPEG2 W2 H16385", "1 to 16384"),
            ("YUV4MPEG2 W-2 H2", "\"W-2\""),
            ("YUV4MPEG2 W2 H2 F", "\"F\" in its header, which is no ratio"),
            ("YUV4MPEG2 W2 H2 F99999999999:1", "no ratio"),
            ("YUV4MPEG2 W2 H2 C420p10", "C420p10; 8-bit C420"),
            ("YUV4MPEG2 W2 H2 C411", "-pix_fmt yuv420p"),
            ("YUV4MPEG2 W2 H2 C444alpha", "-pix_fmt yuv420p"),
            ("YUV4MPEG2 W2 H2 \u{e9}", ""),
        ] {
            match Header::parse(line.as_bytes()) {
                Err(error) => assert!(error.contains(needle), "{line}: {error}"),
                Ok(_) => assert!(needle.is_empty(), "{line}"),
            }
        }
        assert!(Header::parse(b"YUV4MPEG2 W2 H2 \xff").is_err());
    }
}
