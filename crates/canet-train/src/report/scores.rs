//! The scores of the last epoch: class by class, what is taken for what, and the worst frames.

use std::fmt::Write;

use canet_core::{ClassId, ClassSet};
use canet_page::escape::text;
use canet_page::{TABLE_END, anchored, heat, table};

use crate::metrics::Scores;

/// The table of classes.
pub(super) fn classes(scores: &Scores, classes: &ClassSet, page: &mut String) {
    anchored("classes", "Classes", page);
    page.push_str("<p>In per cent; a dash where the class is not there to be scored.</p>\n");
    let columns = ["Class", "#IoU", "#Boundary IoU", "#Dice", "#Recall", "#Precision", "#Pixels"];
    table(&columns, page);
    let total: u64 = scores.classes.iter().map(|line| line.pixels).sum();
    for (id, line) in scores.classes.iter().enumerate() {
        let color = String::from(classes.color(ClassId(id as u8)));
        let key = format!("<i class=\"key\" style=\"background:{color}\"></i>");
        write!(page, "<tr><th scope=\"row\" class=\"name\">{key}{}</th>", text(&line.class)).ok();
        let pixels = (line.pixels > 0).then(|| line.pixels as f64 / total as f64);
        for value in [line.iou, line.boundary_iou, line.dice, line.recall, line.precision, pixels] {
            write!(page, "<td class=\"n\">{}</td>", percent(value)).ok();
        }
        page.push_str("</tr>\n");
    }
    page.push_str("<tr><th scope=\"row\">Mean</th>");
    for value in [Some(scores.miou), scores.mean_boundary_iou, Some(scores.mean_dice)] {
        write!(page, "<td class=\"n\">{}</td>", percent(value)).ok();
    }
    writeln!(page, "<td></td><td></td><td></td></tr>\n{TABLE_END}</section>").ok();
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}", 100.0 * share))
}

/// The confusion matrix, each row in shares of its class's pixels.
pub(super) fn confusion(scores: &Scores, page: &mut String) {
    if scores.confusion.is_empty() {
        return;
    }
    anchored("confusion", "Confusion", page);
    page.push_str(
        "<p>How many per cent of a class's pixels (row) are taken for which class (column).</p>\n",
    );
    let names: Vec<&str> = scores.classes.iter().map(|line| line.class.as_str()).collect();
    let share = |row: &Vec<u64>| -> Vec<Option<f64>> {
        let total: u64 = row.iter().sum();
        row.iter().map(|&n| (total > 0).then(|| n as f64 / total as f64)).collect()
    };
    let shares: Vec<_> = scores.confusion.iter().map(share).collect();
    let words = |row: usize, column: usize| {
        let share = percent(shares[row][column]);
        let pixels = scores.confusion[row][column];
        format!("{} taken for {}: {share} %, {pixels} pixels", names[row], names[column])
    };
    heat::matrix("truth / prediction", &names, &shares, words, page);
    page.push_str("</section>\n");
}

/// The worst frames by name.
pub(super) fn worst(scores: &Scores, page: &mut String) {
    if scores.worst.is_empty() {
        return;
    }
    anchored("worst", "Worst frames", page);
    table(&["Frame", "Drive", "#mIoU, %"], page);
    for frame in &scores.worst {
        let (name, drive, miou) = (text(&frame.frame), text(&frame.drive), 100.0 * frame.miou);
        writeln!(
            page,
            "<tr><th scope=\"row\"><code>{name}</code></th><td><code>{drive}</code></td>\
             <td class=\"n\">{miou:.1}</td></tr>"
        )
        .ok();
    }
    writeln!(page, "{TABLE_END}</section>").ok();
}
