//! Polygons back out: from a mask to a painting that a fill rule turns into the same mask again.
//!
//! Tools that trace each class by itself leave gaps between neighbours, or lose what lies inside of
//! something else. Here nothing can be lost, because the result is painted: each connected component
//! of a class becomes one polygon, its outer outline, and what lies in its holes is painted later.
//!
//! ```text
//!   1 1 1 1 1       painted are: the whole frame with 1,      1 1 1 1 1    then 2     1 1 1 1 1
//!   1 2 2 2 1       because nothing surrounds it; over it     1 1 1 1 1    (3 x 3),   1 2 2 2 1
//!   1 2 3 2 1       the square of 2, and over that the 3      1 1 1 1 1    then 3     1 2 3 2 1
//!   1 2 2 2 1                                                 1 1 1 1 1               1 2 2 2 1
//! ```
//!
//! Outlines follow the cracks between pixels (`outline`), and their corners are written where the
//! chosen rule needs them (`place`). Stairs become straight lines where that changes no pixel
//! (`straight`). Larger regions are painted first, so what lies inside of
//! another comes later, and who moves a corner by hand still sees the small things on top. What
//! already shows the right class, such as background that nothing covers, needs no polygon.
//!
//! Every painting is rasterised again and compared with the mask before it is returned. Without
//! simplification, a single differing pixel is an error; with it, the difference is measured
//! ([`Deviation`]).

mod absorb;
mod components;
mod deviation;
pub mod export;
mod outline;
mod place;
mod simplify;
mod straight;
#[cfg(test)]
mod tests;

use canet_core::{ClassId, Mask};

use self::components::{Components, OUTSIDE};
pub use self::deviation::Deviation;
use self::outline::{Node, Way};
use self::simplify::{has_collapsed, simplify};
use self::straight::{Vertex, corners, straightened};
use crate::Error;
use crate::painting::{Painting, Shape};
use crate::raster::Rule;

/// How a mask becomes polygons.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The rule that will turn the polygons into a mask again.
    pub rule: Rule,
    /// The class of what no polygon covers.
    pub background: ClassId,
    /// How far borders may move to save corners, in pixels; 0 keeps every pixel.
    pub simplify: f64,
    /// Components of fewer pixels take the class of a neighbour; 0 and 1 keep all.
    pub min_area: u64,
}

impl Options {
    /// Exact polygons for a rule.
    pub fn exact(rule: Rule, background: ClassId) -> Self {
        Self { rule, background, simplify: 0.0, min_area: 0 }
    }

    /// Whether every pixel is to be kept.
    pub fn is_exact(&self) -> bool {
        self.simplify == 0.0 && self.min_area <= 1
    }
}

/// A mask as polygons, and how well they give it back.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectorised {
    /// The polygons, in painter's order.
    pub painting: Painting,
    /// The rule that they are made for.
    pub rule: Rule,
    /// What rasterising them changes; nothing, unless that was asked for.
    pub deviation: Deviation,
    /// How many components a neighbour has absorbed.
    pub absorbed: usize,
    /// Whether slanted borders are written as stairs, pixel by pixel, because straight lines would
    /// have changed one. It is always so for the rule `cityscapes`.
    pub keeps_stairs: bool,
}

impl Vectorised {
    /// How many points all polygons have.
    pub fn points(&self) -> usize {
        self.painting.shapes.iter().map(|shape| shape.points.len()).sum()
    }
}

/// Turns a mask into polygons.
///
/// ```
/// use canet_core::{ClassId, Mask};
/// use canet_data::raster::Rule;
/// use canet_data::vector::{Options, vectorise};
///
/// // A square of class 1 with a hole in which class 2 lies.
/// let mask = Mask::from_ids(3, 3, vec![1, 1, 1, 1, 2, 1, 1, 1, 1]);
/// let vectorised = vectorise(&mask, &Options::exact(Rule::Pillow6, ClassId::VOID))?;
/// assert_eq!(vectorised.painting.shapes.len(), 2);
/// assert_eq!(vectorised.painting.rasterise(Rule::Pillow6), mask);
/// # Ok::<(), canet_data::Error>(())
/// ```
pub fn vectorise(mask: &Mask, options: &Options) -> Result<Vectorised, Error> {
    if !(0.0..=1e6).contains(&options.simplify) {
        let reason = format!("is {}, but must be from 0 to a million pixels", options.simplify);
        return Err(Error::Options { option: "simplify", reason });
    }
    let ((painting, keeps_stairs), absorbed) = if options.min_area > 1 {
        let (smoothed, absorbed) = absorb::absorb(mask, options.min_area);
        (paint(&smoothed, options), absorbed)
    } else {
        (paint(mask, options), 0)
    };
    let deviation = Deviation::between(mask, &painting.rasterise(options.rule));
    if options.is_exact() && !deviation.is_none() {
        return Err(Error::Inexact { rule: options.rule, differing: deviation.changed });
    }
    Ok(Vectorised { painting, rule: options.rule, deviation, absorbed, keeps_stairs })
}

/// The polygons of all regions, and whether they keep their stairs. They are exact ones if simplified
/// ones would have no fewer points, as in noise.
fn paint(mask: &Mask, options: &Options) -> (Painting, bool) {
    let components = Components::of(mask);
    let regions = regions(&components, options.background);
    let points = |shapes: &[Shape]| shapes.iter().map(|shape| shape.points.len()).sum::<usize>();
    let (mut painting, keeps_stairs) = exact_painting(mask, &components, &regions, options);
    if options.simplify > 0.0 {
        let shapes = near_shapes(mask, &components, &regions, options);
        if points(&shapes) < points(&painting.shapes) {
            painting.shapes = shapes;
        }
    }
    (painting, keeps_stairs)
}

/// Polygons that give the mask back: with straight lines for stairs, or with the stairs if a line has
/// changed a pixel. No mask is known for which one does; but whether Pillow's habits at tips could
/// make one is easier to check each time than to prove for all.
fn exact_painting(
    mask: &Mask,
    components: &Components,
    regions: &[Region],
    options: &Options,
) -> (Painting, bool) {
    let rule = options.rule;
    let painting = |vertices: fn(&[Node]) -> Vec<Vertex>| {
        let shape = |region: &Region| Shape {
            class: components.list[region.label as usize].class,
            points: place::outline(&vertices(&region.nodes), rule),
        };
        let shapes = regions.iter().map(shape).collect();
        let (width, height) = (mask.width(), mask.height());
        Painting { width, height, background: options.background, shapes }
    };
    // This rule widens spans by half a pixel at both ends, which leaves no room for slanted lines.
    if rule != Rule::Cityscapes {
        let straight = painting(straightened);
        if &straight.rasterise(rule) == mask {
            return (straight, false);
        }
    }
    (painting(corners), true)
}

/// Simplified polygons that are near the mask everywhere. Where lines meet at sharp tips, rules that
/// paint pixels of the outline itself can leave one uncovered, which then shows what lies far below;
/// a component that this happens to keeps its full outline.
fn near_shapes(
    mask: &Mask,
    components: &Components,
    regions: &[Region],
    options: &Options,
) -> Vec<Shape> {
    let reach = options.simplify.ceil() as u32 + 1;
    let mut in_full = vec![false; components.list.len()];
    loop {
        let shapes = simplified_shapes(components, regions, options, &in_full);
        let (width, height) = (mask.width(), mask.height());
        let painting = Painting { width, height, background: options.background, shapes };
        let painted = painting.rasterise(options.rule);
        let mut has_grown = false;
        for at in deviation::strangers(mask, &painted, reach) {
            let in_full = &mut in_full[components.labels[at] as usize];
            has_grown |= !*in_full;
            *in_full = true;
        }
        if !has_grown {
            return painting.shapes;
        }
    }
}

/// The simplified polygons of all regions, with the full ones of those that need them.
fn simplified_shapes(
    components: &Components,
    regions: &[Region],
    options: &Options,
    in_full: &[bool],
) -> Vec<Shape> {
    // What is not painted is below everything.
    let mut order = vec![0; components.list.len()];
    for (place, region) in (1..).zip(regions) {
        order[region.label as usize] = place;
    }
    let size = (components.width, components.height);
    let mut shapes = Vec::new();
    for region in regions {
        let class = components.list[region.label as usize].class;
        let own = order[region.label as usize];
        let is_later = |other: u32| order.get(other as usize).is_some_and(|&other| other > own);
        let spots = simplify(&region.nodes, options.simplify, is_later);
        if spots.len() >= 3 {
            shapes.push(Shape { class, points: place::simplified(&spots, options.rule, size) });
        }
        // What is thinner than the tolerance keeps its full outline, too. That comes on top, since
        // the neighbours' lines may lie apart where only the simplified one joins them.
        if in_full[region.label as usize] || has_collapsed(&spots, region.area) {
            shapes.push(Shape {
                class,
                points: place::outline(&corners(&region.nodes), options.rule),
            });
        }
    }
    shapes
}

/// A component that is painted.
struct Region {
    label: u32,
    nodes: Vec<Node>,
    /// Pixels inside the outline, holes included.
    area: u64,
}

/// The components that need a polygon, in the order in which they are painted.
fn regions(components: &Components, background: ClassId) -> Vec<Region> {
    let mut regions = Vec::new();
    // Whether the crack below a pixel belongs to an outer outline, not to that of a hole.
    let mut outer_below = vec![false; components.labels.len()];
    // The innermost component that each one lies inside of.
    let mut around: Vec<u32> = Vec::new();
    for (label, component) in (0..).zip(&components.list) {
        let (nodes, area) = outline::trace(components, label, |x, y, way| {
            if way == Way::West {
                outer_below[(y as usize - 1) * components.width as usize + x as usize - 1] = true;
            }
        });
        let (x, y) = component.first;
        let above = components.at(x, y - 1);
        let inside = if above == OUTSIDE {
            OUTSIDE
        } else if outer_below[(y as usize - 1) * components.width as usize + x as usize] {
            // Below that component, so where it is itself; it begins earlier and is known.
            around[above as usize]
        } else {
            above
        };
        around.push(inside);
        let shows = components.list.get(inside as usize).map_or(background, |c| c.class);
        if shows != component.class {
            regions.push(Region { label, nodes, area });
        }
    }
    regions.sort_by_key(|region| (std::cmp::Reverse(region.area), region.label));
    regions
}
