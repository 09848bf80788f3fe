//! `canet check --init`: drafts the data set file and the label map of a tree.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use canet_data::draft::{DraftOptions, Drafted, draft};

/// What belongs to `--init`. It is no group of its own: clap would name it as that of `canet check`.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Draft a data set file and a label map from what lies in DIR, instead of checking it
    #[arg(long, conflicts_with_all = ["dataset", "labels", "json", "html", "strict"])]
    init: bool,
    /// With --init: the folder for my-data.toml and my-labels.toml
    #[arg(long, value_name = "DIR", default_value = ".", requires = "init")]
    out: PathBuf,
    /// With --init: replace files that are there
    #[arg(long, requires = "init")]
    force: bool,
}

impl Args {
    /// Whether a draft is asked for.
    pub(crate) fn asked(&self) -> bool {
        self.init
    }
}

/// Drafts both files and says what they find.
pub(crate) fn run(dir: &Path, args: &Args) -> Result<()> {
    let options = DraftOptions { out: args.out.clone(), force: args.force };
    let drafted = draft(dir, &options)?;
    std::io::stdout().lock().write_all(summary(&drafted).as_bytes())?;
    Ok(())
}

fn summary(drafted: &Drafted) -> String {
    let mut lines = vec![
        format!("wrote {} and {}", drafted.dataset.display(), drafted.label_map.display()),
        format!("annotations: {}", drafted.kind),
    ];
    for (split, frames) in &drafted.frames {
        let split = split.map_or("no official split", |split| split.as_str());
        lines.push(format!("frames: {frames} ({split})"));
    }
    lines.push(format!("frames with an annotation: {}", drafted.labelled));
    for (folder, frames) in &drafted.left_out {
        lines.push(format!("frames left out: {frames} ({folder})"));
    }
    let nearest = drafted.nearest.map_or_else(
        || "no known label map is near".to_owned(),
        |map| format!("the nearest known label map is {map}"),
    );
    lines.push(format!(
        "classes: {} ({nearest}): {}",
        drafted.classes.len(),
        drafted.classes.join(", ")
    ));
    lines.extend(drafted.notes.iter().cloned());
    lines.push("look both files over; every guess stands in them as a comment".to_owned());
    lines.join("\n") + "\n"
}
