//! The classes of a drafted label map: those of the nearest known map, and a new one for each label,
//! value or colour that it does not know.

use std::collections::{BTreeMap, BTreeSet};

use canet_core::{ClassId, LabelMap, Rgb};

use super::tally::{Count, Mark, Tally};
use crate::Error;

/// A class of the draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DraftClass {
    pub(super) name: String,
    pub(super) color: Rgb,
    /// What stands for it, the most frequent first.
    pub(super) marks: Vec<(Mark, Count)>,
    /// Whether the nearest map knows it.
    pub(super) known: bool,
}

/// The classes of the draft, in the order of their ids.
#[derive(Debug)]
pub(super) struct Sorted {
    pub(super) void: Vec<(Mark, Count)>,
    pub(super) classes: Vec<DraftClass>,
    /// The nearest known map, and how many of the marks it knows.
    pub(super) nearest: Option<(&'static str, usize)>,
}

/// Sorts marks into classes. `usual` are the maps of the known data sets, and whether each data set
/// is laid out like this one; numbers mean nothing without such a one.
pub(super) fn classes(tally: &Tally, usual: &[(String, bool)]) -> Result<Sorted, Error> {
    let nearest = nearest(tally, usual)?;
    let map = nearest.map(|(name, _)| LabelMap::builtin(name)).transpose()?;
    let mut by_class: BTreeMap<ClassId, Vec<(Mark, Count)>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (mark, count) in &tally.marks {
        // 255 is void by custom.
        let void = (*mark == Mark::Value(u8::MAX)).then_some(ClassId::VOID);
        match map.as_ref().and_then(|map| class_of(mark, map)).or(void) {
            Some(id) => by_class.entry(id).or_default().push((mark.clone(), *count)),
            None => unknown.push((mark.clone(), *count)),
        }
    }
    let frequent = |marks: &mut Vec<(Mark, Count)>| {
        marks.sort_by_key(|(mark, count)| (std::cmp::Reverse(count.times), mark.clone()));
    };
    frequent(&mut unknown);
    by_class.values_mut().for_each(frequent);
    let void = by_class.remove(&ClassId::VOID).unwrap_or_default();
    let mut classes: Vec<_> = by_class
        .into_iter()
        .filter_map(|(id, marks)| {
            let class = map.as_ref()?.classes().classes.get(usize::from(id.0))?;
            Some(DraftClass { name: class.name.clone(), color: class.color, marks, known: true })
        })
        .collect();
    add_unknown(&mut classes, unknown);
    if classes.is_empty() || classes.len() > usize::from(ClassId::VOID.0) {
        return Err(Error::Options {
            option: "init",
            reason: format!(
                "the annotations hold {} classes; 1 to 255 are possible",
                classes.len()
            ),
        });
    }
    Ok(Sorted { void, classes, nearest })
}

/// How many colours are tried; there are more marks than classes only where the draft fails anyway.
const PALETTE: u32 = 1024;

/// Adds a class for each unknown mark, with a name and a colour of its own.
fn add_unknown(classes: &mut Vec<DraftClass>, unknown: Vec<(Mark, Count)>) {
    let mut names: BTreeSet<_> = classes.iter().map(|class| class.name.clone()).collect();
    let mut taken: BTreeSet<_> = classes.iter().map(|class| class.color).collect();
    taken.insert(Rgb([0; 3]));
    for (mark, count) in unknown {
        let (base, wish) = match &mark {
            Mark::Label(label) if label.trim().is_empty() => ("(no name)".to_owned(), None),
            Mark::Label(label) => (label.clone(), None),
            Mark::Value(value) => (format!("value {value}"), None),
            Mark::Color(color) => (format!("colour {color}"), Some(*color)),
        };
        let numbered = (2..=PALETTE).map(|n| format!("{base} {n}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|n| !names.contains(n));
        let color = wish.into_iter().chain((1..=PALETTE).map(palette)).find(|c| !taken.contains(c));
        let (Some(name), Some(color)) = (name, color) else { continue };
        names.insert(name.clone());
        taken.insert(color);
        classes.push(DraftClass { name, color, marks: vec![(mark, count)], known: false });
    }
}

/// Colour `n` of Pascal VOC's palette: the bits of `n`, dealt to red, green and blue in turn, so that
/// neighbours are far apart.
fn palette(n: u32) -> Rgb {
    let mut color = [0_u8; 3];
    for bit in 0..8 {
        for (channel, value) in (0..).zip(&mut color) {
            *value |= (((n >> (3 * bit + channel)) & 1) as u8) << (7 - bit);
        }
    }
    Rgb(color)
}

fn class_of(mark: &Mark, map: &LabelMap) -> Option<ClassId> {
    match mark {
        Mark::Label(label) => {
            map.class_of_label(label).or_else(|| map.class_of_label(label.strip_suffix("group")?))
        }
        Mark::Value(value) => map.class_of_value(*value),
        Mark::Color(color) => map.class_of_color(*color),
    }
}

/// The known map that fits best: that of a data set of the same layout, if it knows all; for names
/// and colours otherwise the one that knows the most, at least half. Of equals the usual map of a data
/// set, and of these the one that tells the most classes apart.
fn nearest(
    tally: &Tally,
    usual: &[(String, bool)],
) -> Result<Option<(&'static str, usize)>, Error> {
    let of_values = tally.marks.keys().any(|mark| matches!(mark, Mark::Value(_)));
    let mut best = None;
    for name in LabelMap::builtin_names() {
        let map = LabelMap::builtin(name)?;
        let ids: Vec<_> = tally.marks.keys().filter_map(|mark| class_of(mark, &map)).collect();
        let known = ids.len();
        let classes = ids.into_iter().collect::<BTreeSet<_>>().len();
        let is_usual = usual.iter().any(|(map, _)| map == name);
        let is_usual_here = usual.iter().any(|(map, fits)| *fits && map == name);
        let fits = match (of_values, is_usual_here) {
            (true, true) => known == tally.marks.len(),
            (true, false) => false,
            (false, _) => known * 2 >= tally.marks.len() && known > 0,
        };
        let rank = (known, is_usual_here, is_usual, classes);
        if fits && best.as_ref().is_none_or(|(other, _)| rank > *other) {
            best = Some((rank, (name, known)));
        }
    }
    Ok(best.map(|(_, nearest)| nearest))
}
