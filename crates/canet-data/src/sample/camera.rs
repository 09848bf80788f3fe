//! The pinhole camera on the dashboard, and the painter that looks through it.
//!
//! World: `x` metres to the right of the camera, `y` above the ground, `z` ahead.

use super::canvas::{Canvas, Point};
use super::light::Light;
use super::texture::{Colour, Texture, mix, scale};

/// How high the camera sits, in metres.
const EYE: f64 = 1.6;

/// Perspective of a drive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Camera {
    /// Focal length in pixels.
    pub(super) focal: f64,
    /// The vanishing point of the street.
    pub(super) vanish: Point,
}

impl Camera {
    pub(super) fn project(&self, x: f64, y: f64, z: f64) -> Point {
        let [cx, cy] = self.vanish;
        [cx + self.focal * x / z, cy + self.focal * (EYE - y) / z]
    }

    /// The ground (x, z) below a pixel; pixels at the horizon count as very far.
    pub(super) fn ground(&self, px: f64, py: f64) -> (f64, f64) {
        let z = self.focal * EYE / (py - self.vanish[1]).max(0.4);
        ((px - self.vanish[0]) * z / self.focal, z)
    }

    /// The (z, y) on the plane along the street at `x`, seen at a pixel.
    pub(super) fn along(&self, px: f64, py: f64, x: f64) -> (f64, f64) {
        let away = (px - self.vanish[0]) * x.signum();
        let z = self.focal * x.abs() / away.max(0.4);
        (z, EYE - (py - self.vanish[1]) * z / self.focal)
    }

    /// A rectangle on the plane along the street at `x`.
    pub(super) fn panel(&self, x: f64, z: [f64; 2], y: [f64; 2]) -> [Point; 4] {
        let near = z[0].max(0.8);
        let far = z[1].max(near + 0.1);
        [(near, y[0]), (far, y[0]), (far, y[1]), (near, y[1])].map(|(z, y)| self.project(x, y, z))
    }
}

/// An upright plane facing the camera, with its origin on the ground.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    camera: Camera,
    pub(super) x: f64,
    pub(super) z: f64,
    /// Mirrored things look to the left.
    flip: f64,
}

impl Spot {
    pub(super) fn new(camera: Camera, x: f64, z: f64) -> Self {
        Self { camera, x, z, flip: 1.0 }
    }

    pub(super) fn flipped(self, flip: bool) -> Self {
        Self { flip: if flip { -1.0 } else { 1.0 }, ..self }
    }

    pub(super) fn shape(&self, outline: &[Point]) -> Vec<Point> {
        let at = |&[u, v]: &Point| self.camera.project(self.x + u * self.flip, v, self.z);
        outline.iter().map(at).collect()
    }

    /// A shape given by its right half from the bottom to the top, scaled.
    pub(super) fn mirrored(&self, half: &[Point], size: Point) -> Vec<Point> {
        let side = |sign: f64| move |&[u, v]: &Point| [sign * u * size[0], v * size[1]];
        let whole: Vec<Point> =
            half.iter().map(side(1.0)).chain(half.iter().rev().map(side(-1.0))).collect();
        self.shape(&whole)
    }

    pub(super) fn rect(&self, u: [f64; 2], v: [f64; 2]) -> Vec<Point> {
        self.shape(&[[u[0], v[0]], [u[1], v[0]], [u[1], v[1]], [u[0], v[1]]])
    }

    pub(super) fn ellipse(&self, centre: Point, radius: Point) -> Vec<Point> {
        let corner = |k: u32| {
            let (sin, cos) = (f64::from(k) * std::f64::consts::TAU / 14.0).sin_cos();
            [centre[0] + radius[0] * cos, centre[1] + radius[1] * sin]
        };
        self.shape(&(0..14).map(corner).collect::<Vec<_>>())
    }

    /// Where a pixel lies on the plane.
    pub(super) fn local(&self, px: f64, py: f64) -> Point {
        let [cx, cy] = self.camera.vanish;
        let metre = self.z / self.camera.focal;
        [((px - cx) * metre - self.x) * self.flip, EYE - (py - cy) * metre]
    }
}

/// A canvas with the camera, the light and the texture of the street.
pub(super) struct Painter<'a> {
    pub(super) canvas: Canvas,
    pub(super) camera: Camera,
    pub(super) light: Light,
    pub(super) texture: &'a Texture,
}

impl Painter<'_> {
    pub(super) fn spot(&self, x: f64, z: f64) -> Spot {
        Spot::new(self.camera, x, z)
    }

    /// A labelled object at depth `z` with a surface given per pixel.
    pub(super) fn object(
        &mut self,
        label: &'static str,
        z: f64,
        polygon: &[Point],
        albedo: impl Fn(f64, f64) -> Colour,
    ) {
        let (light, air) = (self.light, self.light.air(z));
        self.canvas.object(label, polygon, |x, y| light.through(albedo(x, y), air));
    }

    /// A labelled object of one colour, rounded by the light and a little uneven.
    pub(super) fn body(&mut self, label: &'static str, z: f64, polygon: &[Point], colour: Colour) {
        let (texture, sun) = (self.texture, self.light.sun as f32);
        let left = polygon.iter().map(|p| p[0]).fold(f64::INFINITY, f64::min);
        let right = polygon.iter().map(|p| p[0]).fold(f64::NEG_INFINITY, f64::max);
        let top = polygon.iter().map(|p| p[1]).fold(f64::INFINITY, f64::min);
        let low = polygon.iter().map(|p| p[1]).fold(f64::NEG_INFINITY, f64::max);
        self.object(label, z, polygon, |x, y| {
            let u = (2.0 * (x - left) / (right - left).max(1.0) - 1.0) as f32;
            let v = ((y - top) / (low - top).max(1.0)) as f32;
            let round = 1.06 - 0.14 * u * u + 0.14 * u * sun - 0.16 * v;
            scale(colour, round + 0.12 * texture.at(x * 0.7, y * 0.7))
        });
    }

    /// A patch of one colour on the latest object.
    pub(super) fn patch(&mut self, z: f64, polygon: &[Point], colour: Colour) {
        self.detail(z, polygon, |_, _| colour);
    }

    /// A pane that mirrors the sky towards its top.
    pub(super) fn glass(&mut self, z: f64, polygon: &[Point]) {
        let top = polygon.iter().map(|p| p[1]).fold(f64::INFINITY, f64::min);
        let low = polygon.iter().map(|p| p[1]).fold(f64::NEG_INFINITY, f64::max);
        self.detail(z, polygon, |x, y| {
            let t = ((low - y) / (low - top).max(1.0) + 0.02 * (x - top)) as f32;
            mix([0.09, 0.11, 0.14], [0.38, 0.46, 0.54], t * 0.7)
        });
    }

    /// A patch on the latest object with a surface given per pixel.
    pub(super) fn detail(
        &mut self,
        z: f64,
        polygon: &[Point],
        albedo: impl Fn(f64, f64) -> Colour,
    ) {
        let (light, air) = (self.light, self.light.air(z));
        self.canvas.detail(polygon, |x, y| light.through(albedo(x, y), air));
    }

    /// The soft shadow under a thing that stands on the ground.
    pub(super) fn shadow(&mut self, x: f64, z: f64, half: Point) {
        for (size, factor) in [(1.25, 0.84), (1.05, 0.72)] {
            let corners: Vec<Point> = (0..12)
                .map(|k| {
                    let (sin, cos) = (f64::from(k) * std::f64::consts::TAU / 12.0).sin_cos();
                    let ahead = (z + half[1] * size * sin).max(0.9);
                    self.camera.project(x + half[0] * size * cos, 0.0, ahead)
                })
                .collect();
            self.canvas.shade(&corners, factor);
        }
    }
}
