//! Reports as pages of one file, for a desk or a phone.
//!
//! * [`page`] is the frame: it asks for nothing from anywhere and runs no script;
//! * [`section`] and [`table`] are what it is made of;
//! * [`chart`] draws lines over a run, [`heat`] a matrix;
//! * [`escape`] is for all text that comes from outside.
//!
//! Everything is added to one `String`. Colours follow the reader's choice of dark or light; what is
//! wider than a phone scrolls in a box of its own, by keyboard, too; charts have their figures in words.

#![forbid(unsafe_code)]

use std::fmt::Write;

pub mod chart;
pub mod escape;
pub mod heat;

use escape::text;

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">
<style>
";

/// The end of a [`table`].
pub const TABLE_END: &str = "</tbody></table></div>\n";

/// A page with `title`, any text; `style` is CSS beyond the common one, `body` adds what is seen.
pub fn page(title: &str, style: &str, body: impl FnOnce(&mut String)) -> String {
    let mut page = String::from(HEAD);
    page.push_str(include_str!("style.css"));
    let title = text(title);
    writeln!(page, "{style}</style>\n<title>{title}</title>\n</head>\n<body>\n<main>").ok();
    body(&mut page);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Begins a section; `title` is markup. It ends with `</section>`.
pub fn section(title: &str, page: &mut String) {
    writeln!(page, "<section><h2>{title}</h2>").ok();
}

/// As [`section`], where links to `#id` lead.
pub fn anchored(id: &str, title: &str, page: &mut String) {
    writeln!(page, "<section id=\"{id}\"><h2>{title}</h2>").ok();
}

/// Begins a table, in a box of its own to scroll in; whoever uses a keyboard can scroll it, too.
/// Columns are markup; those of numbers begin with `#`. It ends with [`TABLE_END`].
pub fn table(columns: &[&str], page: &mut String) {
    page.push_str("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>");
    for column in columns {
        let class = if column.starts_with('#') { " class=\"n\"" } else { "" };
        let column = column.trim_start_matches('#');
        write!(page, "<th scope=\"col\"{class}>{column}</th>").ok();
    }
    page.push_str("</tr></thead><tbody>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_and_asks_for_nothing() {
        let page = page("a <b>", ".x { color: red }\n", |page| {
            section("One", page);
            table(&["Name", "#Count"], page);
            page.push_str(TABLE_END);
            page.push_str("</section>\n");
        });
        assert!(page.contains("<title>a &lt;b&gt;</title>"), "{page}");
        assert!(page.contains(".x { color: red }\n</style>"), "{page}");
        assert!(page.contains("<th scope=\"col\" class=\"n\">Count</th>"), "{page}");
        for foreign in ["<script", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        for tag in ["html", "head", "body", "main", "section", "table", "thead", "tbody"] {
            let count = |needle: String| page.matches(&needle).count();
            assert_eq!(count(format!("<{tag}")), count(format!("</{tag}>")), "{tag}");
        }
    }
}
