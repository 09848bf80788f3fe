//! Text from outside on its way into a page: names of labels, files, drives and runs may be anything.

use std::fmt;

/// Text that displays as harmless characters, in content and in quoted attributes.
pub fn text(text: &str) -> Text<'_> {
    Text(text)
}

/// What [`text()`] gives.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Control characters, and those that turn the direction of what follows.
                c if c.is_control() || ('\u{202A}'..='\u{202E}').contains(&c) => {
                    f.write_char(char::REPLACEMENT_CHARACTER)?;
                }
                '\u{2066}'..='\u{2069}' => f.write_char(char::REPLACEMENT_CHARACTER)?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Bytes in base64 (RFC 4648), for `data:` addresses.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= group.len() { DIGITS[index as usize] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        for (raw, expected) in [
            ("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
            ("\" onload=\"a & b", "&quot; onload=&quot;a &amp; b"),
            ("सड़क, Straße", "सड़क, Straße"),
            ("a\0b\u{1b}[2J\u{202e}c", "a\u{fffd}b\u{fffd}[2J\u{fffd}c"),
        ] {
            assert_eq!(text(raw).to_string(), expected);
        }
    }

    /// The examples of RFC 4648.
    #[test]
    fn base64_is_as_in_the_rfc() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xFE]), "+//+");
    }
}
