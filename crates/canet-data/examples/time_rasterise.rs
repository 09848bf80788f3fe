//! Times the rasteriser on annotation files; `benches/rasterise.py` runs it beside Pillow.
//!
//! ```text
//! time_rasterise THREADS FILE.json...
//! ```
//!
//! The files are read once. Then each line on stdin, `fill RULE` or `parse RULE`, is answered by the
//! seconds a frame takes and their number: all frames as often as fit into a third of a second, each into a new mask,
//! frames in parallel on THREADS threads; `parse` includes reading the JSON. `hash RULE` is answered by
//! the SHA-256 of each mask, so that what is compared is the same work. Objects paint their number
//! mod 251, plus 1.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use canet_core::{ClassId, LabelMap, Mask};
use canet_data::annotation::Annotation;
use canet_data::hash::sha256;
use canet_data::raster::{Brush, Rule};
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().ok_or("name a number of threads")?.parse()?;
    let files = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let labels = LabelMap::builtin("idd-level3")?;
    let parse = |bytes: &Vec<u8>| Annotation::parse(bytes, Path::new("a file"), &labels);
    let frames = files.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (what, rule) = line.split_once(' ').ok_or("a line is a word and a rule")?;
        let rule: Rule = rule.parse()?;
        let answer = pool.install(|| match what {
            "fill" => Ok(seconds(&frames, |frame| drop(fill(frame, rule)))),
            "parse" => Ok(seconds(&files, |bytes| drop(parse(bytes).map(|f| fill(&f, rule))))),
            "hash" => Ok(frames.iter().map(|f| sha256(fill(f, rule).ids())).collect()),
            _ => Err("the word is fill, parse or hash"),
        })?;
        writeln!(out, "{}", answer.join(" "))?;
        out.flush()?;
    }
    Ok(())
}

fn fill(frame: &Annotation, rule: Rule) -> Mask {
    let mut mask = Mask::filled(frame.width, frame.height, ClassId(0));
    let mut brush = Brush::new(rule);
    for (object, id) in frame.objects.iter().zip((1..=251).cycle()) {
        brush.fill(object.points(), ClassId(id), &mut mask);
    }
    mask
}

/// Seconds a frame, on all threads of the pool together, and how many frames there were.
fn seconds<T: Sync>(frames: &[T], work: impl Fn(&T) + Sync) -> Vec<String> {
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed().as_secs_f64() < 0.3 {
        // Enough at once that threads seldom wait for each other.
        (0..32 * frames.len()).into_par_iter().for_each(|at| work(&frames[at % frames.len()]));
        count += 32 * frames.len();
    }
    vec![format!("{:.9}", begin.elapsed().as_secs_f64() / count as f64), count.to_string()]
}
