//! Polygon painting that keeps the picture and its labels in step.
//!
//! Labels are rasterised elsewhere from integer corners with the boundary included. So corners are
//! rounded before anything is painted, the fill includes the boundary as well, and the canvas
//! remembers which object owns a pixel: details are painted on pixels of their object only.

use super::SceneObject;
use super::texture::Colour;
use crate::draw::Draws;

/// A place in the picture, in pixels.
pub(super) type Point = [f64; 2];

/// Polygons are cut this far outside the frame, so that the cut edge itself is never seen.
const MARGIN: f64 = 4.0;

/// The picture under way and the objects painted so far.
pub(super) struct Canvas {
    pub(super) width: i32,
    pub(super) height: i32,
    pixels: Vec<Colour>,
    owner: Vec<usize>,
    objects: Vec<SceneObject>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        let area = width as usize * height as usize;
        Self {
            width: width as i32,
            height: height as i32,
            pixels: vec![[0.0; 3]; area],
            owner: vec![0; area],
            objects: Vec::new(),
        }
    }

    /// Paints a labelled object over all that was painted before.
    pub(super) fn object(
        &mut self,
        label: &'static str,
        polygon: &[Point],
        shader: impl Fn(f64, f64) -> Colour,
    ) {
        let corners = self.corners(polygon);
        if corners.len() < 3 {
            return;
        }
        let polygon = corners.iter().map(|&[x, y]| [f64::from(x), f64::from(y)]).collect();
        self.objects.push(SceneObject { label, polygon });
        let id = self.objects.len();
        let (pixels, owner) = (&mut self.pixels, &mut self.owner);
        cover(&corners, self.width, self.height, true, |index, x, y| {
            pixels[index] = shader(x, y);
            owner[index] = id;
        });
    }

    /// Paints inside the latest object only, without a label of its own.
    pub(super) fn detail(&mut self, polygon: &[Point], shader: impl Fn(f64, f64) -> Colour) {
        let corners = self.corners(polygon);
        let id = self.objects.len();
        let (pixels, owner) = (&mut self.pixels, &self.owner);
        cover(&corners, self.width, self.height, true, |index, x, y| {
            if owner[index] == id {
                pixels[index] = shader(x, y);
            }
        });
    }

    /// Darkens whatever is there: a shadow changes no label.
    pub(super) fn shade(&mut self, polygon: &[Point], factor: f32) {
        let corners = self.corners(polygon);
        let pixels = &mut self.pixels;
        cover(&corners, self.width, self.height, false, |index, _, _| {
            pixels[index] = pixels[index].map(|c| c * factor);
        });
    }

    /// A line of one pixel that changes no label, such as a wire before the sky.
    pub(super) fn wire(&mut self, from: Point, to: Point, factor: f32) {
        let ends = [from, to].map(|p| p.map(|v| v.round().clamp(-1e4, 1e4) as i32));
        let pixels = &mut self.pixels;
        line(ends[0], ends[1], self.width, self.height, &mut |index, _, _| {
            pixels[index] = pixels[index].map(|c| c * factor);
        });
    }

    fn corners(&self, polygon: &[Point]) -> Vec<[i32; 2]> {
        let (right, low) = (f64::from(self.width) + MARGIN, f64::from(self.height) + MARGIN);
        let mut kept = polygon.to_vec();
        for (axis, bound, sign) in
            [(0, -MARGIN, 1.0), (0, right, -1.0), (1, -MARGIN, 1.0), (1, low, -1.0)]
        {
            kept = clip(&kept, axis, bound, sign);
        }
        let mut corners: Vec<[i32; 2]> = kept.iter().map(|p| p.map(|v| v.round() as i32)).collect();
        corners.dedup();
        corners
    }

    /// Lens blur, sensor noise and 8 bits; hands out the objects too.
    pub(super) fn finish(
        self,
        blur: f32,
        noise: f32,
        draws: &mut Draws,
    ) -> (image::RgbImage, Vec<SceneObject>) {
        let (w, h) = (self.width as usize, self.height as usize);
        let mut bytes = Vec::with_capacity(w * h * 3);
        for y in 0..h {
            for x in 0..w {
                let at = |x: usize, y: usize| self.pixels[y * w + x];
                let around = [
                    at(x.saturating_sub(1), y),
                    at((x + 1).min(w - 1), y),
                    at(x, y.saturating_sub(1)),
                    at(x, (y + 1).min(h - 1)),
                ];
                let bits = draws.bits();
                // The sum of two uniform draws is near enough to a sensor's normal noise.
                let part = |k: u32| ((bits >> (16 * k)) & 0xFFFF) as f32 / 65536.0 - 0.5;
                let grey = (part(0) + part(1)) * noise;
                for c in 0..3 {
                    let mean = around.iter().map(|p| p[c]).sum::<f32>() / 4.0;
                    let own = at(x, y)[c];
                    let tinge = part(2 + (c as u32 & 1)) * noise * 0.5;
                    let value = own + (mean - own) * blur + grey + tinge;
                    bytes.push((value.clamp(0.0, 1.0) * 255.0).round() as u8);
                }
            }
        }
        let frame = image::RgbImage::from_raw(w as u32, h as u32, bytes).unwrap_or_default();
        (frame, self.objects)
    }
}

/// Cuts a polygon at one side of the frame (Sutherland and Hodgman).
fn clip(polygon: &[Point], axis: usize, bound: f64, sign: f64) -> Vec<Point> {
    let depth = |p: &Point| (p[axis] - bound) * sign;
    let mut kept = Vec::with_capacity(polygon.len() + 2);
    for (k, to) in polygon.iter().enumerate() {
        let from = &polygon[(k + polygon.len() - 1) % polygon.len()];
        let (a, b) = (depth(from), depth(to));
        if (a < 0.0) != (b < 0.0) {
            let t = a / (a - b);
            kept.push([from[0] + (to[0] - from[0]) * t, from[1] + (to[1] - from[1]) * t]);
        }
        if b >= 0.0 {
            kept.push(*to);
        }
    }
    kept
}

/// Visits the pixels of a polygon by the even-odd rule; with `rim`, those of its boundary as well.
fn cover(
    corners: &[[i32; 2]],
    width: i32,
    height: i32,
    rim: bool,
    mut visit: impl FnMut(usize, f64, f64),
) {
    let edges = || (0..corners.len()).map(|k| (corners[k], corners[(k + 1) % corners.len()]));
    let top = corners.iter().map(|c| c[1]).min().unwrap_or(0).max(0);
    let low = corners.iter().map(|c| c[1]).max().unwrap_or(-1).min(height - 1);
    let mut crossings = Vec::new();
    for y in top..=low {
        crossings.clear();
        crossings.extend(edges().filter(|(a, b)| (a[1] <= y) != (b[1] <= y)).map(|(a, b)| {
            let t = f64::from(y - a[1]) / f64::from(b[1] - a[1]);
            f64::from(a[0]) + t * f64::from(b[0] - a[0])
        }));
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let (from, to) = (pair[0].ceil().max(0.0) as i32, pair[1].floor() as i32);
            for x in from..=to.min(width - 1) {
                visit((y * width + x) as usize, f64::from(x), f64::from(y));
            }
        }
    }
    if rim {
        edges().for_each(|(a, b)| line(a, b, width, height, &mut visit));
    }
}

fn line(
    a: [i32; 2],
    b: [i32; 2],
    width: i32,
    height: i32,
    visit: &mut impl FnMut(usize, f64, f64),
) {
    let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).max(1);
    for k in 0..=steps {
        let t = f64::from(k) / f64::from(steps);
        let at = |axis: usize| (f64::from(a[axis]) + t * f64::from(b[axis] - a[axis])).round();
        let (x, y) = (at(0) as i32, at(1) as i32);
        if (0..width).contains(&x) && (0..height).contains(&y) {
            visit((y * width + x) as usize, f64::from(x), f64::from(y));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_belongs_to_the_polygon() {
        let mut seen = [false; 100];
        cover(&[[2, 3], [6, 3], [6, 5], [2, 5]], 10, 10, true, |index, _, _| seen[index] = true);
        assert_eq!(seen.iter().filter(|&&s| s).count(), 5 * 3);
        assert!(seen[3 * 10 + 2] && seen[5 * 10 + 6]);
    }

    #[test]
    fn details_stay_inside_their_object() {
        let mut canvas = Canvas::new(10, 10);
        canvas.object("road", &[[0.0, 5.0], [9.0, 5.0], [9.0, 9.0], [0.0, 9.0]], |_, _| [0.5; 3]);
        canvas.detail(&[[-5.0, -5.0], [15.0, -5.0], [15.0, 15.0], [-5.0, 15.0]], |_, _| [1.0; 3]);
        assert!(canvas.pixels[..50].iter().all(|p| p[0] < 0.1));
        assert!(canvas.pixels[50..].iter().all(|p| p[0] > 0.9));
    }

    #[test]
    fn what_is_outside_leaves_no_object() {
        let mut canvas = Canvas::new(10, 10);
        canvas.object("road", &[[20.0, 5.0], [29.0, 5.0], [29.0, 9.0]], |_, _| [0.5; 3]);
        assert!(canvas.objects.is_empty());
    }
}
