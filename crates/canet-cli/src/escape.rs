//! Text from outside on its way to a terminal or into a document: names in a checkpoint may be
//! anything.

use std::fmt::Write;

use canet_model::serde_json;
use serde::Serialize;

/// Of a name in a report; a checkpoint from elsewhere may have any name.
const MAX_LETTERS: usize = 80;

/// Characters that act instead of being shown: control characters, ends of lines, and those that turn
/// the direction of what follows.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn shortened(text: &str) -> (impl Iterator<Item = char>, &'static str) {
    let is_long = text.chars().nth(MAX_LETTERS).is_some();
    (text.chars().take(MAX_LETTERS), if is_long { "..." } else { "" })
}

/// As a line of a terminal shows it; what acts is shown as `\u{1b}`.
pub(crate) fn terminal(text: &str) -> String {
    let (letters, rest) = shortened(text);
    let mut line = String::new();
    for c in letters {
        if acts(c) {
            line.extend(c.escape_unicode());
        } else {
            line.push(c);
        }
    }
    line + rest
}

/// As text of a markdown document (`CommonMark` and GitHub's tables), without any markup of its own.
pub(crate) fn markdown(text: &str) -> String {
    let (letters, rest) = shortened(text);
    let mut line = String::new();
    for c in letters {
        match c {
            c if acts(c) => line.push(char::REPLACEMENT_CHARACTER),
            // `www.` alone makes a link; else these have no meaning within a line.
            '.' if line.ends_with(['w', 'W']) => line.push_str("\\."),
            '-' | ',' | '.' | '/' | ';' | '?' | '%' | '\'' | '(' | ')' | '=' => line.push(c),
            c if c.is_ascii_punctuation() => line.extend(['\\', c]),
            c => line.push(c),
        }
    }
    line + rest
}

/// As a quoted string of YAML.
pub(crate) fn yaml(text: &str) -> String {
    let (letters, rest) = shortened(text);
    let mut line = String::from('"');
    for c in letters {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            c if acts(c) => _ = write!(line, "\\u{:04x}", u32::from(c)),
            c => line.push(c),
        }
    }
    line + rest + "\""
}

/// Indented JSON that a terminal can show: what acts is written `\u009b`, which means the same.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = String::new();
    for c in serde_json::to_string_pretty(value)?.chars() {
        // Such characters stand within strings only, but for the ends of lines.
        if acts(c) && c != '\n' {
            _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[31m|<b>\u{202e}x\n# `y`\u{9b}";

    #[test]
    fn nothing_acts() {
        let written =
            [terminal(HOSTILE), markdown(HOSTILE), yaml(HOSTILE), json(&HOSTILE).unwrap()];
        for text in written {
            assert!(!text.chars().any(acts), "{text:?}");
        }
        assert_eq!(terminal("ä\u{1b}[2J"), "ä\\u{1b}[2J");
        assert_eq!(yaml("a\"\\\u{9b}"), r#""a\"\\\u009b""#);
        assert_eq!(terminal(&"é".repeat(81)), "é".repeat(80) + "...");
    }

    #[test]
    fn json_stays_what_it_was() {
        let back: String = serde_json::from_str(&json(&HOSTILE).unwrap()).unwrap();
        assert_eq!(back, HOSTILE);
        assert_eq!(json(&[1]).unwrap(), "[\n  1\n]");
    }

    #[test]
    fn markup_becomes_text() {
        for (raw, expected) in [
            ("non-drivable", "non-drivable"),
            ("a|b", "a\\|b"),
            ("<img src=x>", "\\<img src=x\\>"),
            ("[x](http://y.z) www.z", "\\[x\\](http\\://y.z) www\\.z"),
            ("a\n\n# b", "a\u{fffd}\u{fffd}\\# b"),
            ("\\|", "\\\\\\|"),
        ] {
            assert_eq!(markdown(raw), expected);
        }
    }
}
