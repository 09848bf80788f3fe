//! `canet rasterise`: annotations in, masks out.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use canet_core::LabelMap;
use canet_data::raster::Rule;
use canet_data::raster::files::{self, Look};

use crate::exit::Failure;

const EXAMPLES: &str = "\
Examples:
  canet rasterise --labels idd-level3 frame_gtFine_polygons.json -o mask.png
  canet rasterise --labels my-map.toml --rule centre gtFine -o masks
  canet rasterise --labels idd-level3 --color gtFine -o pictures

Rules (data-spec/rasterisation.md draws them):
  pillow-6    as the official IDD tool fills, with Pillow up to 6.2
  pillow-11   as Pillow 11.3 to 13 fill
  cityscapes  along the middles of the rows, both ends included
  centre      pixels whose centres lie inside, decided exactly

A mask has one class id a pixel, 255 for void, and the class colours as palette. A folder gives a folder of
the same shape, with a .png for each .json; a broken annotation is told, the others are done, and the exit
code is 3. Existing masks are replaced; annotations never are.";

/// Draw masks from the polygons of annotation files.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// From labels to classes: the name of a built-in label map, or a .toml file
    #[arg(long, value_name = "MAP")]
    labels: String,
    /// How polygons become pixels
    #[arg(long, value_name = "RULE", default_value_t = Rule::default())]
    rule: Rule,
    /// Write the class colours in RGB, for people, in place of class ids
    #[arg(long)]
    color: bool,
    /// An annotation, or a folder of them
    #[arg(value_name = "ANNOTATION.json")]
    input: PathBuf,
    /// The mask to write, or the folder for the masks; it is made if need be
    #[arg(short, long = "output", value_name = "MASK.png")]
    output: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let labels = LabelMap::named(&args.labels, Path::new(""))?;
    let jobs = files::plan(&args.input, &args.output)?;
    let look = if args.color { Look::Colours } else { Look::Ids };
    let mut number = 0;
    let broken = files::draw_all(&jobs, &labels, args.rule, look, |job, drawn| {
        number += 1;
        let name = format!("{number}/{}", jobs.len());
        match drawn {
            Ok(drawn) => {
                let path = job.annotation.display();
                tracing::info!("{name} {path}: {} objects painted", drawn.objects);
                for finding in &drawn.findings {
                    tracing::debug!("{name} {path}: {finding}, not painted");
                }
                if !drawn.findings.is_empty() {
                    let count = drawn.findings.len();
                    tracing::info!("{name} {path}: {count} not painted; RUST_LOG=debug names them");
                }
            }
            Err(error) => tracing::error!("{name} {error}"),
        }
    })?;
    if broken > 0 {
        bail!(Failure::data(format!("{broken} of {} annotations are broken", jobs.len())));
    }
    Ok(())
}
