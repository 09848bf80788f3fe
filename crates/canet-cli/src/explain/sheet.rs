//! The sheet of an explanation.

use anyhow::Result;
use canet_core::{ClassId, ClassSet, Mask};
use canet_model::picture::{self, HeatMap, Panel};
use canet_model::{Explanation, Ranking, Tensor};
use image::{Rgb, RgbImage};

use super::numbers::{Change, Numbers, OneFlow, Response, SURE};

/// The longer side of each picture on a sheet.
const SIDE: u32 = 480;
/// Panels of a row, at least.
const COLUMNS: u32 = 4;
/// Of the strip of gates.
const GATES_HEIGHT: u32 = 96;
/// How many changes a note names.
const NAMED: usize = 3;

/// Draws the picture `seen` and all that is said of it.
pub(crate) fn draw(
    seen: &RgbImage,
    explanation: &Explanation,
    ranking: &Ranking,
    numbers: &Numbers,
    classes: &ClassSet,
) -> Result<RgbImage> {
    let flows = explanation.flows.iter().zip(&numbers.flows);
    let (small, grey) = (picture::fit(seen, SIDE), dimmed(seen));
    let size = small.dimensions();
    let heat = |features: &Tensor| -> Result<RgbImage> {
        let map = HeatMap::of_features(features)?;
        Ok(map.to_image(size.0, size.1, map.most()))
    };
    let changed = |mask: &Mask| {
        let (now, before) = (mask.ids(), ranking.best.ids());
        let picture = painted(&grey, mask, classes, |pixel| now[pixel] != before[pixel]);
        picture::fit(&picture, SIDE)
    };
    let mut responses = Vec::new();
    let mut without = Vec::new();
    for (flow, numbers) in flows {
        responses.push(response(numbers, heat(&flow.response)?));
        let title = format!("Without {}", numbers.name);
        let picture = changed(&flow.without);
        without.push(left_out(title, picture, numbers.changed, &numbers.changes));
    }
    let width = (responses.len() as u32).max(COLUMNS) * (size.0 + 16) - 16;
    let mut rows = vec![
        first_row(small, seen, &grey, ranking, numbers, classes)?,
        vec![legend(explanation, ranking, classes, width)],
        responses,
        without,
        vec![
            panel("Sum of the flows", heat(&explanation.sum)?, &numbers.sum, "before selection"),
            panel("Context", heat(&explanation.context)?, &numbers.context, "after selection"),
            left_out(
                "Without any context".into(),
                changed(&explanation.without_context),
                numbers.changed_without_context,
                &numbers.changes_without_context,
            ),
            panel(
                detail_title(numbers),
                heat(&explanation.detail)?,
                &numbers.detail,
                "joined with it",
            ),
        ],
    ];
    if let Some(gates) = &numbers.gates {
        let mut sorted = gates.values.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let notes = format!(
            "{} gates, one a channel, sorted: {:.3} to {:.3}, mean {:.3}; {} above 0.75 (open), {} below \
             0.25 (shut). The line is at 0.5.",
            sorted.len(),
            gates.min,
            gates.max,
            gates.mean,
            percent(gates.open),
            percent(gates.shut),
        );
        let picture = picture::bars(&sorted, width, GATES_HEIGHT);
        rows.push(vec![Panel { title: "Feature selection".into(), picture, notes: vec![notes] }]);
    }
    Ok(picture::sheet(&rows))
}

fn first_row(
    small: RgbImage,
    seen: &RgbImage,
    grey: &RgbImage,
    ranking: &Ranking,
    numbers: &Numbers,
    classes: &ClassSet,
) -> Result<Vec<Panel>> {
    let (width, height) = small.dimensions();
    let overlay = picture::overlay(seen, &ranking.best, classes, 0.6)?;
    let most = numbers.classes.iter().take(4);
    let most = most.map(|class| format!("{} {}", class.class, percent(class.share)));
    let sure = ranking.confidence.values();
    let (w, h) = seen.dimensions();
    let confidence = HeatMap::new(w, h, sure.to_vec())?.to_image(width, height, [0.0, 1.0]);
    let second = painted(grey, &ranking.second, classes, |pixel| sure[pixel] < SURE);
    let of = &numbers.confidence;
    Ok(vec![
        Panel {
            title: "Frame".into(),
            picture: small,
            notes: vec![format!("{w}x{h} as the network ({}) sees it", numbers.network)],
        },
        Panel {
            title: "Prediction".into(),
            picture: picture::fit(&overlay, SIDE),
            notes: vec![most.collect::<Vec<_>>().join(", ")],
        },
        Panel {
            title: "Confidence".into(),
            picture: confidence,
            notes: vec![format!(
                "probability of the class: violet 0, yellow 1; mean {:.3}, below {SURE} at {}",
                of.mean,
                percent(of.unsure)
            )],
        },
        Panel {
            title: "Second choice".into(),
            picture: picture::fit(&second, SIDE),
            notes: vec![format!("where the first is below {SURE}"), named(&of.doubts, "or")],
        },
    ])
}

/// All classes that any picture of the sheet shows.
fn legend(explanation: &Explanation, ranking: &Ranking, classes: &ClassSet, width: u32) -> Panel {
    let masks = explanation.flows.iter().map(|flow| &flow.without);
    let others = [&explanation.without_context, &ranking.best, &ranking.second];
    let mut there = [false; 256];
    for mask in masks.chain(others) {
        for (there, count) in there.iter_mut().zip(mask.histogram()) {
            *there |= count > 0;
        }
    }
    let ids: Vec<u8> = (0..ClassId::VOID.0).filter(|&id| there[usize::from(id)]).collect();
    let mask = Mask::from_ids(ids.len() as u32, 1, ids);
    let picture = picture::legend(&mask, classes, width);
    Panel { title: "Classes".into(), picture, notes: Vec::new() }
}

fn response(flow: &OneFlow, picture: RgbImage) -> Panel {
    let [h, w] = flow.grid;
    let title = match flow.rate {
        None => format!("{}: the whole picture", flow.name),
        Some(rate) => format!("{}: pooled by {rate}", flow.name),
    };
    let grid = match flow.rate {
        None => "one value a channel".into(),
        Some(_) => format!("sees a grid of {w}x{h}"),
    };
    let share = percent(flow.share);
    let notes = vec![scale(&flow.response), format!("{share} of the sum; {grid}")];
    Panel { title, picture, notes }
}

fn left_out(title: String, picture: RgbImage, share: f64, changes: &[Change]) -> Panel {
    let notes = vec![
        format!("{} of the pixels become another class", percent(share)),
        named(changes, "->"),
    ];
    Panel { title, picture, notes }
}

fn panel(title: &str, picture: RgbImage, response: &Response, what: &str) -> Panel {
    let [c, h, w] = response.shape;
    let notes = vec![scale(response), format!("{what}; {c} channels of {w}x{h}")];
    Panel { title: title.into(), picture, notes }
}

fn detail_title(numbers: &Numbers) -> &'static str {
    if numbers.network == "canet" { "Detail from C1" } else { "Adapted global convolution" }
}

fn scale(response: &Response) -> String {
    let Response { min, most: [low, high], mean, max, .. } = response;
    if min < max {
        format!("violet {low:.2}, yellow {high:.2}; mean {mean:.2}, all {min:.2} to {max:.2}")
    } else {
        format!("{mean:.2} everywhere")
    }
}

fn named(changes: &[Change], between: &str) -> String {
    let each = changes
        .iter()
        .take(NAMED)
        .map(|change| format!("{} {between} {} {}", change.from, change.to, percent(change.share)));
    each.collect::<Vec<_>>().join(", ")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The picture in dark grey, for colours to stand out from it.
fn dimmed(picture: &RgbImage) -> RgbImage {
    let mut dark = picture.clone();
    for pixel in dark.pixels_mut() {
        let [r, g, b] = pixel.0.map(u32::from);
        *pixel = Rgb([((r * 2 + g * 5 + b) / 16) as u8; 3]);
    }
    dark
}

/// The picture with the colours of the mask at some pixels.
fn painted(
    picture: &RgbImage,
    mask: &Mask,
    classes: &ClassSet,
    shows: impl Fn(usize) -> bool,
) -> RgbImage {
    let mut picture = picture.clone();
    for (at, (pixel, &id)) in picture.pixels_mut().zip(mask.ids()).enumerate() {
        if shows(at) && ClassId(id) != ClassId::VOID {
            *pixel = Rgb(classes.color(ClassId(id)).0);
        }
    }
    picture
}
