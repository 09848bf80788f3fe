//! `canet inspect`: a model card.

mod card;
mod cost;
mod markdown;
mod terminal;
mod training;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Result;

use crate::size::Size;
use crate::{escape, model};
use card::Card;

const MORE: &str = "\
Examples:
  canet inspect                                     the built-in model
  canet inspect model.safetensors --size 720,1280   what a frame of this size costs
  canet inspect model.safetensors --json            all of it, for programs
  canet inspect model.safetensors --markdown > README.md
                                                    a card as model hubs show it

Multiply-adds are those of direct convolution; memory is what a prediction works in, beside the
weights. NO_COLOR turns the colours off.";

/// Show what a model is: its network, classes, cost, training and scores.
#[derive(clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    /// The checkpoint, a .safetensors file [default: the small model that is built in]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// The size of picture whose cost is told [default: the model's own input, else 512,512]
    #[arg(long, value_name = "H,W")]
    size: Option<Size>,
    /// Write JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Write a model card in markdown, with the front matter that model hubs read
    #[arg(long)]
    markdown: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let card = Card::new(model::read(args.model.as_deref())?, args.size)?;
    let text = if args.json {
        escape::json(&card)? + "\n"
    } else if args.markdown {
        markdown::card(&card)
    } else {
        terminal::card(&card, has_colours())
    };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// Whether stdout shows colours, and may: see <https://no-color.org>.
fn has_colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !unwanted && !dumb
}
