//! Drawing a [`View`].

use canet_core::Rgb;
use ratatui::Frame;
use ratatui::layout::Constraint::{Fill, Length, Percentage};
use ratatui::layout::{Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph};

use super::view::View;
use crate::progress::duration;

const LOSS: Color = Color::Cyan;
const SCORE: Color = Color::Green;
/// Classes are shown in two columns where the place for them is as wide as this.
const TWO_COLUMNS: u16 = 44;

/// Draws the whole screen.
pub(super) fn draw(frame: &mut Frame, view: &View, lines: &[String]) {
    let log = (frame.area().height / 5).max(4);
    let rows = [Length(1), Length(1), Fill(1), Length(log), Length(1)];
    let [title, work, middle, log, keys] = Layout::vertical(rows).areas(frame.area());
    let [left, right] = Layout::horizontal([Percentage(60), Fill(1)]).areas(middle);
    let [losses, scores] = Layout::vertical([Percentage(55), Fill(1)]).areas(left);
    let [figures, classes] = Layout::vertical([Length(6), Fill(1)]).areas(right);
    head(frame, title, view);
    gauge(frame, work, view);
    loss(frame, losses, view);
    score(frame, scores, view);
    numbers(frame, figures, view);
    bars(frame, classes, view);
    last_lines(frame, log, lines);
    let text = if view.stopping {
        "stopping after this step, with a checkpoint; once more to stop at once"
    } else {
        "q or Ctrl-C: save and stop"
    };
    frame.render_widget(Line::from(text).dim(), keys);
}

fn head(frame: &mut Frame, area: Rect, view: &View) {
    let step = view.last.map_or_else(
        || "before the first step".to_owned(),
        |last| format!("epoch {}, step {} of {}", last.epoch, last.step, last.total_steps),
    );
    let left = view.left.map_or_else(String::new, |left| format!(", {} left", duration(left)));
    let spans = [Span::from(view.title.as_str()).bold(), format!("  {step}{left}").into()];
    frame.render_widget(Line::from_iter(spans), area);
}

/// The epoch or validation under way.
fn gauge(frame: &mut Frame, area: Rect, view: &View) {
    let Some(now) = &view.now else { return };
    let ratio = now.done as f64 / now.total.max(1) as f64;
    let label = format!("{} {}/{}", now.title, now.done, now.total);
    let gauge = Gauge::default().ratio(ratio.clamp(0.0, 1.0)).label(label).use_unicode(true);
    frame.render_widget(gauge.gauge_style(Style::new().fg(Color::Blue).bg(Color::Black)), area);
}

fn loss(frame: &mut Frame, area: Rect, view: &View) {
    let all = view.loss.points.iter().chain(&view.epoch_loss).copied();
    let Some(bounds) = Bounds::of(all) else { return empty(frame, area, " loss ") };
    let curve = Dataset::default().data(&view.loss.points).graph_type(GraphType::Line);
    let epochs = Dataset::default().data(&view.epoch_loss).marker(Marker::Dot);
    let sets = vec![
        curve.marker(Marker::Braille).style(Style::new().fg(LOSS)),
        epochs.style(Style::new().fg(Color::White)),
    ];
    let title = match view.last {
        Some(last) => format!(" loss {:.4} ", last.loss),
        None => " loss ".into(),
    };
    chart(frame, area, (title, "step"), sets, bounds);
}

fn score(frame: &mut Frame, area: Rect, view: &View) {
    let title = match (view.miou.last(), view.best()) {
        (Some((_, last)), Some((epoch, best))) => {
            format!(" mIoU {last:.4}, best {best:.4} (epoch {epoch}) ")
        }
        _ => return empty(frame, area, " mIoU: after the first validation "),
    };
    let Some(mut bounds) = Bounds::of(view.miou.iter().copied()) else { return };
    bounds.y[0] = 0.0;
    let curve = Dataset::default().data(&view.miou).marker(Marker::Braille);
    let sets = vec![curve.graph_type(GraphType::Line).style(Style::new().fg(SCORE))];
    chart(frame, area, (title, "epoch"), sets, bounds);
}

fn empty(frame: &mut Frame, area: Rect, title: &str) {
    frame.render_widget(Block::bordered().title(title.to_owned()), area);
}

fn chart(
    frame: &mut Frame,
    area: Rect,
    (title, x_title): (String, &str),
    sets: Vec<Dataset>,
    bounds: Bounds,
) {
    let y = bounds.y.map(|y| format!("{y:.3}"));
    let x = bounds.x.map(|x| format!("{x:.0}"));
    let axis = |bounds| Axis::default().style(Style::new().fg(Color::DarkGray)).bounds(bounds);
    let chart = Chart::new(sets)
        .block(Block::bordered().title(title))
        .x_axis(axis(bounds.x).title(x_title.to_owned()).labels(x))
        .y_axis(axis(bounds.y).labels(y))
        .legend_position(None);
    frame.render_widget(chart, area);
}

/// Where a curve lies.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    x: [f64; 2],
    y: [f64; 2],
}

impl Bounds {
    /// `None` without a finite point. Neither side is empty: a single point is shown, too.
    fn of(points: impl Iterator<Item = (f64, f64)>) -> Option<Self> {
        let mut bounds: Option<Self> = None;
        for (x, y) in points.filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let Self { x: [x0, x1], y: [y0, y1] } = bounds.unwrap_or(Self { x: [x; 2], y: [y; 2] });
            bounds = Some(Self { x: [x0.min(x), x1.max(x)], y: [y0.min(y), y1.max(y)] });
        }
        let widened =
            |[low, high]: [f64; 2], by: f64| [low, if high > low { high } else { low + by }];
        bounds.map(|Self { x, y }| Self { x: widened(x, 1.0), y: widened(y, 0.1) })
    }
}

fn numbers(frame: &mut Frame, area: Rect, view: &View) {
    let last = |text: &dyn Fn(&crate::record::StepRecord) -> String| {
        view.last.as_ref().map_or_else(|| "-".to_owned(), text)
    };
    let mib = |mib: Option<u64>| mib.map_or_else(|| "-".to_owned(), |mib| format!("{mib} MiB"));
    let (now, most) = view.memory;
    let rows = [
        ("rate", last(&|last| format!("{:.2e}", last.rate))),
        ("gradient", last(&|last| format!("norm {:.3}", last.gradient_norm))),
        ("speed", last(&|last| format!("{:.1} images/s", last.frames_per_second))),
        ("memory", format!("{}, at most {}", mib(now), mib(most))),
    ];
    let lines =
        rows.map(|(name, value)| Line::from_iter([format!("{name:<9}").dim(), value.into()]));
    let text = Paragraph::new(lines.to_vec()).block(Block::bordered().title(" now "));
    frame.render_widget(text, area);
}

/// A bar a class, in two columns where one is too short for all and there is place.
fn bars(frame: &mut Frame, area: Rect, view: &View) {
    let block = Block::bordered().title(" IoU by class ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let rows = usize::from(inner.height);
    if rows == 0 {
        return;
    }
    let columns = if view.classes.len() > rows && inner.width >= TWO_COLUMNS { 2 } else { 1 };
    let areas: [Rect; 2] = match columns {
        1 => [inner, Rect::default()],
        _ => Layout::horizontal([Fill(1), Fill(1)]).spacing(1).areas(inner),
    };
    let hidden = view.classes.len().saturating_sub(columns * rows);
    for (column, area) in areas.iter().take(columns).enumerate() {
        let classes = view.classes.iter().skip(column * rows).take(rows);
        let mut lines: Vec<Line> =
            classes.map(|class| bar(class, usize::from(area.width))).collect();
        if hidden > 0 && column + 1 == columns {
            // The last place says how many have none.
            lines.truncate(rows - 1);
            lines.push(Line::from(format!("and {} more", hidden + 1)).dim());
        }
        frame.render_widget(Paragraph::new(lines), *area);
    }
}

/// `name ####      62.1`
fn bar((name, iou, color): &(String, Option<f64>, Option<Rgb>), width: usize) -> Line<'static> {
    let name_width = (2 * width / 5).clamp(6, 18);
    let space = width.saturating_sub(name_width + 7);
    let short: String = name.chars().take(name_width).collect();
    let filled = (iou.unwrap_or(0.0).clamp(0.0, 1.0) * space as f64).round() as usize;
    let color = color.map_or(SCORE, |Rgb([r, g, b])| Color::Rgb(r, g, b));
    let value = iou.map_or_else(|| "-".to_owned(), |iou| format!("{:.1}", 100.0 * iou));
    Line::from_iter([
        Span::from(format!("{short:<name_width$} ")),
        Span::from("█".repeat(filled)).fg(color),
        Span::from(format!("{}{value:>6}", " ".repeat(space - filled))),
    ])
}

fn last_lines(frame: &mut Frame, area: Rect, lines: &[String]) {
    let block = Block::bordered().title(" log ");
    let rows = usize::from(block.inner(area).height);
    let shown = lines[lines.len().saturating_sub(rows)..].iter();
    let shown: Vec<Line> = shown.map(|line| Line::from(line.as_str())).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

#[cfg(test)]
mod tests;
