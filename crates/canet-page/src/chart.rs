//! Lines over a run, as SVG: values by epoch, one line a run or a kind.
//!
//! A chart is as wide as the page lets it be, and its text grows with it. Points have their figures as
//! titles, which browsers show under the mouse; who hears the page hears each line's first, last and
//! highest value. Lines differ in colour and in dashes.

use std::fmt::Write;

use crate::escape::text;

/// How many points of a line are marked, at most, in a large and in a small chart.
const MARKS: [usize; 2] = [80, 16];

/// How many looks of lines there are; further lines begin anew.
const LOOKS: usize = 8;

/// A chart.
#[derive(Debug, Clone)]
pub struct Chart<'a> {
    /// What the lines show; any text.
    pub title: &'a str,
    /// What the horizontal axis counts, such as "epoch"; any text.
    pub x: &'a str,
    /// Bottom and top; without, they follow the values.
    pub range: Option<(f64, f64)>,
    /// One of many beside each other, with little room.
    pub small: bool,
    /// The lines, the most important first.
    pub lines: Vec<Line<'a>>,
}

/// A line of a chart.
#[derive(Debug, Clone, Default)]
pub struct Line<'a> {
    /// What it shows; any text.
    pub name: &'a str,
    /// Its colour and dashes.
    pub look: usize,
    /// Places, ascending, and values; the line is broken where there is none.
    pub points: Vec<(f64, Option<f64>)>,
    /// Places with the lower and upper end of an interval.
    pub band: Vec<(f64, f64, f64)>,
}

impl Line<'_> {
    /// The points that have a finite value.
    fn known(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> {
        let known = |&(x, y): &(f64, Option<f64>)| Some((x, y.filter(|y| y.is_finite())?));
        self.points.iter().filter_map(known)
    }
}

impl Chart<'_> {
    /// Adds the chart as a figure; nothing if no line has a value.
    pub fn draw(&self, page: &mut String) {
        let Some(frame) = Frame::around(self) else { return };
        let class = if self.small { "chart small" } else { "chart" };
        let (title, words) = (text(self.title), self.words());
        let words = text(&words);
        let last = match self.lines.as_slice() {
            [line] => line.known().next_back().map(|(_, y)| number(y)).unwrap_or_default(),
            _ => String::new(),
        };
        writeln!(
            page,
            "<figure class=\"{class}\"><figcaption>{title} <b>{last}</b></figcaption>\
             <svg role=\"img\" aria-label=\"{words}\" viewBox=\"0 0 {} {}\">",
            frame.width, frame.height
        )
        .ok();
        frame.axes(page);
        for line in &self.lines {
            frame.line(line, self.x, MARKS[usize::from(self.small)], page);
        }
        page.push_str("</svg>");
        if self.lines.len() > 1 && !self.small {
            legend(self.lines.iter().map(|line| (line.look, line.name)), page);
        }
        page.push_str("</figure>\n");
    }

    /// The chart for those who do not see it.
    fn words(&self) -> String {
        let mut words = format!("{} by {}.", self.title, self.x);
        for line in &self.lines {
            let (Some(first), Some(last)) = (line.known().next(), line.known().next_back()) else {
                continue;
            };
            let highest = line.known().fold(first, |best, p| if p.1 > best.1 { p } else { best });
            let [a, b, c] = [first, last, highest].map(|(x, y)| format!("{} at {x}", number(y)));
            write!(words, " {}: from {a} to {b}, highest {c}.", line.name).ok();
        }
        words
    }
}

/// Names of lines with their looks; names are any text.
pub fn legend<'a>(lines: impl Iterator<Item = (usize, &'a str)>, page: &mut String) {
    page.push_str("<ul class=\"legend\">");
    for (look, name) in lines {
        let (look, name) = (look % LOOKS, text(name));
        write!(
            page,
            "<li><svg class=\"sample\" viewBox=\"0 0 24 8\" aria-hidden=\"true\">\
             <path class=\"line l{look}\" d=\"M0 4H24\"/></svg>{name}</li>"
        )
        .ok();
    }
    page.push_str("</ul>");
}

/// A number with about three digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.2e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Where values lie in a picture.
struct Frame {
    small: bool,
    width: f64,
    height: f64,
    /// Room at the left and at the bottom.
    margin: (f64, f64),
    x: Ticks,
    y: Ticks,
}

/// Round places on an axis.
#[derive(Debug, PartialEq)]
struct Ticks {
    low: f64,
    high: f64,
    step: f64,
}

impl Ticks {
    /// Some `count` of steps that hold `low` and `high`, or with `exact` end there.
    fn new((low, high): (f64, f64), count: f64, exact: bool) -> Self {
        let high = if high > low { high } else { low + low.abs().max(1.0) };
        let rough = (high - low) / count;
        let power = 10f64.powf(rough.log10().floor());
        let nice = [1.0, 2.0, 5.0, 10.0].into_iter().find(|n| n * power >= 0.999 * rough);
        let step = nice.unwrap_or(10.0) * power;
        if exact {
            return Self { low, high, step };
        }
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    /// The round places.
    fn places(&self) -> impl Iterator<Item = f64> {
        let first = (self.low / self.step - 1e-6).ceil();
        let count = ((self.high / self.step + 1e-6).floor() - first).max(0.0) as usize;
        (0..=count).map(move |i| (first + i as f64) * self.step)
    }

    fn label(&self, place: f64) -> String {
        if place.abs() >= 1e5 || (self.step < 1e-3 && place != 0.0) {
            return format!("{place:.1e}");
        }
        let digits = (-self.step.log10().floor()).clamp(0.0, 4.0) as usize;
        format!("{place:.digits$}")
    }
}

impl Frame {
    fn around(chart: &Chart) -> Option<Self> {
        let known = || chart.lines.iter().flat_map(Line::known);
        let ends = || chart.lines.iter().flat_map(|l| &l.band).flat_map(|b| [b.1, b.2]);
        let span = |values: &mut dyn Iterator<Item = f64>| {
            let first = values.next()?;
            Some(values.fold((first, first), |(low, high), v| (low.min(v), high.max(v))))
        };
        let x = span(&mut known().map(|(x, _)| x))?;
        let y = span(&mut known().map(|(_, y)| y).chain(ends().filter(|v| v.is_finite())))?;
        let count = if chart.small { 2.0 } else { 4.0 };
        let y = Ticks::new(chart.range.unwrap_or(y), count, chart.range.is_some());
        let x = Ticks::new(x, count, true);
        let x = Ticks { step: x.step.max(1.0), ..x };
        let (width, height) = if chart.small { (200.0, 110.0) } else { (420.0, 230.0) };
        let margin = if chart.small { (30.0, 18.0) } else { (52.0, 22.0) };
        Some(Self { small: chart.small, width, height, margin, x, y })
    }

    /// A value's place from the left.
    fn left(&self, x: f64) -> f64 {
        let share = (x - self.x.low) / (self.x.high - self.x.low);
        self.margin.0 + share * (self.width - self.margin.0 - 10.0)
    }

    /// A value's place from the top; values beyond the range lie on its rim.
    fn top(&self, y: f64) -> f64 {
        let share = ((y - self.y.low) / (self.y.high - self.y.low)).clamp(0.0, 1.0);
        self.height - self.margin.1 - share * (self.height - self.margin.1 - 10.0)
    }

    /// Where the horizontal axis has labels: where there is little room, at its ends.
    fn x_places(&self) -> Vec<f64> {
        if self.small { vec![self.x.low, self.x.high] } else { self.x.places().collect() }
    }

    fn axes(&self, page: &mut String) {
        let (left, right) = (self.margin.0, self.width - 10.0);
        page.push_str("<g class=\"axes\">");
        for place in self.y.places() {
            let (y, label) = (self.top(place), self.y.label(place));
            write!(page, "<path d=\"M{left} {y:.1}H{right}\"/>").ok();
            write!(
                page,
                "<text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                left - 5.0,
                y + 4.0
            )
            .ok();
        }
        let base = self.height - 5.0;
        for place in self.x_places() {
            let (x, label) = (self.left(place), self.x.label(place));
            write!(page, "<text class=\"x\" x=\"{x:.1}\" y=\"{base}\">{label}</text>").ok();
        }
        page.push_str("</g>\n");
    }

    fn line(&self, line: &Line, x: &str, marks: usize, page: &mut String) {
        let look = line.look % LOOKS;
        let place = |x: f64, y: f64| format!("{:.1} {:.1}", self.left(x), self.top(y));
        if line.band.len() > 1 {
            let upper = line.band.iter().map(|b| place(b.0, b.2));
            let lower = line.band.iter().rev().map(|b| place(b.0, b.1));
            let outline = upper.chain(lower).collect::<Vec<_>>().join("L");
            writeln!(page, "<path class=\"band l{look}\" d=\"M{outline}Z\"/>").ok();
        }
        let mut path = String::new();
        let mut pen = 'M';
        for &(x, y) in &line.points {
            let Some(y) = y.filter(|y| y.is_finite()) else {
                pen = 'M';
                continue;
            };
            write!(path, "{pen}{}", place(x, y)).ok();
            pen = 'L';
        }
        writeln!(page, "<path class=\"line l{look}\" d=\"{path}\"/>").ok();
        let (count, name, axis) = (line.known().count(), text(line.name), text(x));
        let every = count.div_ceil(marks).max(1);
        // Counted from the end, so that the last one is marked.
        for (x, y) in line.known().rev().step_by(every) {
            let (left, top, value) = (self.left(x), self.top(y), number(y));
            writeln!(
                page,
                "<circle class=\"l{look}\" cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"2.5\">\
                 <title>{name}, {axis} {x}: {value}</title></circle>"
            )
            .ok();
        }
    }
}

#[cfg(test)]
mod tests;
