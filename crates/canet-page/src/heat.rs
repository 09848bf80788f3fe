//! A matrix of shares as a table whose cells are the fuller the greater they are.

use std::fmt::Write;

use crate::escape::text;

/// Adds a matrix. Row and column names are any text; `shares` has a row of values from 0 to 1 for each
/// name, with none where there is nothing to tell; `words` says a cell (row, column) in words, any text.
pub fn matrix(
    corner: &str,
    names: &[&str],
    shares: &[Vec<Option<f64>>],
    words: impl Fn(usize, usize) -> String,
    page: &mut String,
) {
    page.push_str("<div class=\"scroll\" tabindex=\"0\"><table class=\"heat\"><thead><tr>");
    write!(page, "<th scope=\"col\">{}</th>", text(corner)).ok();
    for name in names {
        write!(page, "<th scope=\"col\"><span>{}</span></th>", text(name)).ok();
    }
    page.push_str("</tr></thead><tbody>\n");
    for (row, (name, shares)) in names.iter().zip(shares).enumerate() {
        write!(page, "<tr><th scope=\"row\">{}</th>", text(name)).ok();
        for (column, share) in shares.iter().enumerate() {
            cell(*share, &words(row, column), page);
        }
        page.push_str("</tr>\n");
    }
    page.push_str(crate::TABLE_END);
}

/// In percent; what rounds to nothing stays empty.
fn cell(share: Option<f64>, words: &str, page: &mut String) {
    let words = text(words);
    let Some(share) = share.filter(|share| *share >= 0.005) else {
        write!(page, "<td title=\"{words}\"></td>").ok();
        return;
    };
    let percent = (100.0 * share).round();
    let class = if share > 0.8 { " class=\"full\"" } else { "" };
    write!(page, "<td{class} style=\"--v:{percent}%\" title=\"{words}\">{percent}</td>").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_filled_by_their_share() {
        let shares = [vec![Some(0.99), Some(0.004)], vec![None, Some(0.25)]];
        let mut page = String::new();
        matrix("truth", &["a&b", "c"], &shares, |r, c| format!("<{r},{c}>"), &mut page);
        for needle in [
            "<td class=\"full\" style=\"--v:99%\" title=\"&lt;0,0&gt;\">99</td><td title=\"&lt;0,1&gt;\"></td>",
            "<td title=\"&lt;1,0&gt;\"></td><td style=\"--v:25%\" title=\"&lt;1,1&gt;\">25</td>",
            "<th scope=\"row\">a&amp;b</th>",
        ] {
            assert!(page.contains(needle), "{needle}: {page}");
        }
    }
}
