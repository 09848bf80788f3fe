//! A drawn Indian street: the data set that is always there.
//!
//! The real data sets stand behind a login, so a program that needs one cannot be tried at once.
//! This module draws drives through streets of its own, as a dash camera would see them, together
//! with the polygons that label them, in the layout and with the label names of the real sets. It
//! is small enough to learn in minutes and has every class but `rectification border`, which is an
//! artefact of lenses and nothing that a street shows.
//!
//! Pictures and labels come from the same polygons in the same order, so they agree to the pixel.

mod backdrop;
mod building;
mod camera;
mod canvas;
mod ground;
mod light;
mod overlay;
mod people;
mod riders;
mod roadside;
mod street;
mod texture;
mod traffic;
mod vehicles;

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use serde::Serialize;

use self::camera::Painter;
use self::canvas::Canvas;
use self::street::Street;
use self::traffic::Queue;

/// JPEG quality: high, since blocks would teach a net more about JPEG than about streets.
const QUALITY: u8 = 95;

/// A drawn frame and the polygons that label it, in painter's order.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What the camera sees.
    pub frame: image::RgbImage,
    /// What there is; later objects hide earlier ones.
    pub objects: Vec<SceneObject>,
}

/// One labelled outline.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneObject {
    /// An official label name, such as `"autorickshaw"`.
    pub label: &'static str,
    /// Corners in whole pixels, some a little outside the frame.
    pub polygon: Vec<[f64; 2]>,
}

/// How much to draw, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleOptions {
    /// Frame width in pixels.
    pub width: u32,
    /// Frame height in pixels.
    pub height: u32,
    /// Drives, each through a street of its own.
    pub drives: u32,
    /// Frames of each drive.
    pub frames_per_drive: u32,
    /// Other seeds give other streets.
    pub seed: u64,
}

impl Default for SampleOptions {
    /// 288 frames: about 240 to train on and 48 to validate on.
    fn default() -> Self {
        Self { width: 320, height: 192, drives: 24, frames_per_drive: 12, seed: 0 }
    }
}

/// Draws one frame of one drive.
pub fn scene(options: &SampleOptions, drive: u32, frame: u32) -> Scene {
    frame_of(&Street::new(options, drive), options, frame)
}

fn frame_of(street: &Street, options: &SampleOptions, frame: u32) -> Scene {
    let travel = street.step * f64::from(frame);
    let mut painter = Painter {
        canvas: Canvas::new(options.width, options.height),
        camera: street.camera,
        light: street.light,
        texture: &street.texture,
    };
    backdrop::sky(&mut painter, travel);
    backdrop::skyline(&mut painter, &mut street.draws(0, "sample skyline"));
    ground::paint(&mut painter, street, travel);
    if let Some(ahead) = street.flyover.map(|at| at - travel).filter(|&z| z > 12.0) {
        backdrop::flyover(&mut painter, ahead, &mut street.draws(0, "sample concrete"));
    }
    let mut queue = Queue::default();
    traffic::fixtures(&mut queue, street, travel);
    traffic::movers(&mut queue, street, frame);
    queue.paint(&mut painter);
    overlay::paint(&mut painter, street, frame);
    let mut noise = street.draws(u64::from(frame), "sample noise");
    let (frame, objects) = painter.canvas.finish(street.blur, street.light.noise, &mut noise);
    Scene { frame, objects }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation<'a> {
    img_height: u32,
    img_width: u32,
    objects: Vec<AnnotatedObject<'a>>,
}

#[derive(Serialize)]
struct AnnotatedObject<'a> {
    label: &'a str,
    polygon: &'a [[f64; 2]],
    id: usize,
    deleted: u8,
    draw: bool,
    verified: u8,
    user: &'static str,
    date: &'static str,
}

fn annotation(scene: &Scene) -> Result<Vec<u8>, serde_json::Error> {
    let objects = scene.objects.iter().enumerate().map(|(id, object)| AnnotatedObject {
        label: object.label,
        polygon: &object.polygon,
        id,
        deleted: 0,
        draw: true,
        verified: 0,
        user: "sample",
        // A fixed date: the same options must give the same bytes.
        date: "01-Jan-2019 00:00:00",
    });
    let (img_width, img_height) = scene.frame.dimensions();
    serde_json::to_vec(&Annotation { img_height, img_width, objects: objects.collect() })
}

fn jpeg(frame: &image::RgbImage) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = Vec::new();
    frame.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))?;
    Ok(bytes)
}

/// Writes all frames as `images/<drive>/<frame>.jpg` and their polygons as
/// `masks/<drive>/<frame>.json` below `root`, on all cores; returns the number of frames.
pub fn write_tree(options: &SampleOptions, root: &Path) -> Result<usize, crate::Error> {
    let frames = options.frames_per_drive;
    (0..options.drives).into_par_iter().try_for_each(|drive| {
        let street = Street::new(options, drive);
        (0..frames).into_par_iter().try_for_each(|frame| {
            let scene = frame_of(&street, options, frame);
            write_frame(&scene, root, &format!("{drive:03}/frame{frame:04}"))
        })
    })?;
    Ok(options.drives as usize * frames as usize)
}

fn write_frame(scene: &Scene, root: &Path, stem: &str) -> Result<(), crate::Error> {
    let image = root.join("images").join(format!("{stem}.jpg"));
    let mask = root.join("masks").join(format!("{stem}.json"));
    let bytes = jpeg(&scene.frame).map_err(|e| unwritable(&image, std::io::Error::other(e)))?;
    canet_core::atomic::write(&image, &bytes)?;
    let bytes = annotation(scene).map_err(|e| unwritable(&mask, e.into()))?;
    Ok(canet_core::atomic::write(&mask, &bytes)?)
}

fn unwritable(path: &Path, source: std::io::Error) -> canet_core::Error {
    canet_core::Error::Io { action: "encode", path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
