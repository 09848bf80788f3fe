//! A size on the command line.

use std::str::FromStr;

use canet_core::MAX_SIDE;

/// Height and width of a picture, written `H,W`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) [usize; 2]);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("write height and width as H,W, such as 512,512; each is 1 to {MAX_SIDE}");
        let (height, width) = text.split_once(',').ok_or_else(wrong)?;
        let side = |text: &str| {
            let side = text.trim().parse::<u32>().ok();
            side.filter(|side| (1..=MAX_SIDE).contains(side)).map(|side| side as usize)
        };
        Ok(Self([side(height).ok_or_else(wrong)?, side(width).ok_or_else(wrong)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_sides_within_the_limits() {
        assert_eq!("720,1280".parse(), Ok(Size([720, 1280])));
        for text in ["", "720", "720x1280", "0,5", "5,16385", "1,2,3", "-1,5"] {
            text.parse::<Size>().unwrap_err();
        }
    }
}
