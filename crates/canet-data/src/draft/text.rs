//! The drafted files as text, with comments that say what was guessed.

use std::fmt::Write;
use std::path::Path;

use super::classes::Sorted;
use super::guess::Guess;
use super::tally::{Count, Mark, Tally};

/// Text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

/// The data set file.
pub(super) fn dataset(root: &Path, guess: &Guess, label_file: &str) -> String {
    let folder = root.file_name().map_or_else(|| "data".into(), |name| name.to_string_lossy());
    let quote_all = |patterns: &[String]| list(patterns.iter().map(|p| quoted(p)));
    let mut text = String::from(
        "# Drafted from the files themselves; look it over. data-spec/README.md explains each line.\n#\n",
    );
    for note in &guess.notes {
        // A file's name may hold anything, a comment no line break.
        let _ = writeln!(text, "# {}", note.replace(char::is_control, "?"));
    }
    let _ = write!(
        text,
        "name = \"my-data\"\ntitle = {}\nabout = {}\nterms = \"Not stated.\"\nlabel_map = {}\n\n[download]\nkind = \"manual\"\nhow = {}\n\n[layout]\nkind = {}\nimages = {}\nannotations = {}\n",
        quoted(&folder),
        quoted(&format!("{} annotated frames.", guess.files.len())),
        quoted(label_file),
        quoted("Pass the folder or archive with --archive."),
        quoted(guess.kind.name()),
        quote_all(&guess.images),
        quote_all(&guess.annotations),
    );
    if !guess.ignore.is_empty() {
        let _ = writeln!(text, "ignore = {}", quote_all(&guess.ignore));
    }
    if !guess.unlabelled.is_empty() {
        let _ = writeln!(text, "unlabelled = {}", quote_all(&guess.unlabelled));
    }
    if guess.independent {
        text.push_str("independent_frames = true\n");
    }
    if !guess.splits.is_empty() {
        text.push_str("\n[layout.splits]\n");
        for (folder, split) in &guess.splits {
            let _ = writeln!(text, "{} = \"{split}\"", quoted(folder));
        }
    }
    if !guess.split_lists.is_empty() {
        text.push_str("\n[layout.split_lists]\n");
        for (split, path) in &guess.split_lists {
            let _ = writeln!(text, "{split} = {}", quoted(path));
        }
    }
    text
}

/// The label map.
pub(super) fn label_map(classes: &Sorted, tally: &Tally) -> String {
    let mut text = String::from(
        "# Drafted from the annotations themselves; look it over, join classes that are one, and name what has no name.\n",
    );
    if let Some((map, known)) = classes.nearest {
        let all = tally.marks.len();
        let _ = writeln!(
            text,
            "# The nearest known map is {map}: it knows {known} of the {all} that were found."
        );
        if known == all {
            let _ = writeln!(
                text,
                "# Ids count from 0 over the classes found; for the ids of {map} itself write label_map = \"{map}\" in the data set file."
            );
        }
    }
    text.push_str("name = \"my-labels\"\n");
    for (mark, count) in &classes.void {
        let _ = writeln!(text, "# void: {}", told(mark, *count));
    }
    text.push_str(&marks(&classes.void, ["void", "void_values", "void_colors"]));
    for (class, id) in classes.classes.iter().zip(0..) {
        let _ = writeln!(
            text,
            "\n[[class]] # {id}{}",
            if class.known { "" } else { ", NOT KNOWN: a class of its own" }
        );
        for (mark, count) in &class.marks {
            let _ = writeln!(text, "# {}", told(mark, *count));
        }
        let _ = writeln!(text, "name = {}\ncolor = \"{}\"", quoted(&class.name), class.color);
        text.push_str(&marks(&class.marks, ["labels", "values", "colors"]));
    }
    text
}

/// The lines that name what stands for a class, by the keys of labels, values and colours.
fn marks(marks: &[(Mark, Count)], [labels, values, colors]: [&str; 3]) -> String {
    let (mut names, mut numbers, mut hues) = (Vec::new(), Vec::new(), Vec::new());
    for (mark, _) in marks {
        match mark {
            Mark::Label(label) => names.push(quoted(label)),
            Mark::Value(value) => numbers.push(value.to_string()),
            Mark::Color(color) => hues.push(quoted(&color.to_string())),
        }
    }
    let mut text = String::new();
    for (key, items) in [(labels, names), (values, numbers), (colors, hues)] {
        if !items.is_empty() {
            let _ = writeln!(text, "{key} = {}", list(items));
        }
    }
    text
}

fn told(mark: &Mark, count: Count) -> String {
    let Count { times, frames } = count;
    match mark {
        Mark::Label(label) => format!("{label:?}: {times} objects in {frames} frames"),
        Mark::Value(value) => format!("value {value}: {times} pixels in {frames} frames"),
        Mark::Color(color) => format!("{color}: {times} pixels in {frames} frames"),
    }
}
