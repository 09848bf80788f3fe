//! `canet vectorise`: masks in, polygons for annotation tools out.

use std::path::PathBuf;

use anyhow::{Result, bail};
use canet_core::LabelMap;
use canet_data::format::Format;
use canet_data::raster::Rule;
use canet_data::vector::Options;
use canet_data::vector::export::{Export, FrameReport, Skipped, export, usual_rule};

use crate::exit::Failure;

const FILES: &str = "\
Examples:
  canet vectorise masks --labels idd-level3 --format labelme -o polygons
  canet vectorise masks --labels my-map.toml --format coco --simplify 1 --min-area 20 -o polygons

For each frame, or for all (cvat, coco):
  idd, cityscapes  NAME_gtFine_polygons.json
  labelme          NAME.json
  cvat             annotations.xml
  coco             instances.json
and vectorise.json, which tells how exactly the polygons give each mask back.
A frame's name is that of its mask without _mask, _label and _gtFine_label...; sub-folders are kept
below DIR. Pictures that `canet segment` writes beside its masks are passed over.

Polygons are painted one over the other, in the order of the file. Filled by the rule, they give the
mask back pixel by pixel, which is checked for each frame. With --simplify or --min-area they do so
nearly, and how nearly is measured: the share of changed pixels, and the largest distance of a changed
pixel to the nearest one that has its new class in the mask, as a king walks on a chessboard.";

/// Turn masks into polygons that give them back exactly.
#[derive(clap::Args)]
#[command(after_help = FILES)]
pub(crate) struct Args {
    /// A mask, or a folder of masks: grey or palette PNGs with one class id a pixel
    #[arg(value_name = "MASK.png|DIR")]
    masks: PathBuf,
    /// The label map of the masks: a built-in name, or a .toml file
    #[arg(long, value_name = "MAP")]
    labels: String,
    /// The form of the files: idd, cityscapes, labelme, cvat or coco
    #[arg(long)]
    format: Format,
    /// The folder for the files; it is made if need be
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// The rule that the polygons will be filled by [default: pillow-6 for idd and cityscapes, else
    /// centre]
    #[arg(long)]
    rule: Option<Rule>,
    /// How far borders may move to save points, in pixels; 0 keeps every pixel
    #[arg(long, value_name = "PIXELS", default_value_t = 0.0)]
    simplify: f64,
    /// Let neighbours absorb regions of fewer pixels
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_area: u64,
    /// What the file names of the frames' images add to the frames' names
    #[arg(long, value_name = "SUFFIX", default_value = ".jpg")]
    image_suffix: String,
}

/// Runs the command. A broken mask is reported and the rest goes on.
pub(crate) fn run(args: &Args) -> Result<()> {
    let labels = LabelMap::named(&args.labels, "".as_ref())?;
    let rule = args.rule.unwrap_or(usual_rule(args.format));
    let (simplify, min_area) = (args.simplify, args.min_area);
    let what = Export {
        labels: &labels,
        format: args.format,
        options: Options { simplify, min_area, ..Options::exact(rule, labels.background()) },
        image_suffix: args.image_suffix.clone(),
    };
    let report = export(&args.masks, &args.out, &what, &mut |frame| match frame {
        Ok(frame) => tracing::info!("{}", line(frame)),
        Err(Skipped { mask, reason }) => tracing::error!("{mask}: {reason}"),
    })?;
    let (done, broken) = (report.frames.len(), report.skipped.len());
    tracing::info!(
        "{done} frames for the rule {rule}, {:.4} % of the pixels changed; see {}",
        100.0 * report.deviation.share(),
        args.out.join(canet_data::vector::export::REPORT_FILE).display(),
    );
    if broken > 0 {
        bail!(Failure::data(format!("{broken} of {} masks could not be used", done + broken)));
    }
    Ok(())
}

fn line(frame: &FrameReport) -> String {
    let FrameReport { mask, shapes, points, absorbed, deviation, .. } = frame;
    let made = format!("{mask}: {shapes} polygons, {points} points");
    if deviation.is_none() {
        return format!("{made}, exact");
    }
    let share = 100.0 * deviation.share();
    let shift = deviation.shift;
    let absorbed = if *absorbed > 0 { format!(", {absorbed} absorbed") } else { String::new() };
    format!("{made}{absorbed}; {share:.3} % of the pixels changed, by up to {shift} px")
}
