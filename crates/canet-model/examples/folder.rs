//! The masks of a folder's pictures: `cargo run --example folder -- MODEL FRAMES MASKS`
//!
//! The network is read and planned once; each frame then costs its computation alone.

use std::path::Path;

use canet_model::{Options, Segmenter, image};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, frames, masks] = &words[..] else { return Err("MODEL FRAMES MASKS".into()) };
    let segmenter = Segmenter::load(model, Options::default())?;
    std::fs::create_dir_all(masks)?;
    for entry in std::fs::read_dir(frames)? {
        let path = entry?.path();
        let Ok(frame) = image::open(&path) else { continue };
        let segmentation = segmenter.segment(&frame.into_rgb8())?;
        let name = Path::new(path.file_name().unwrap_or_default()).with_extension("png");
        // A palette PNG: its values are class ids, and it looks as the classes' colours.
        let png = segmentation.mask.to_png(&segmentation.classes);
        std::fs::write(Path::new(masks).join(name), png)?;
    }
    Ok(())
}
