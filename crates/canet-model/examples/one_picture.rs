//! One picture, and what is on it: `cargo run --example one_picture -- MODEL FRAME OVERLAY`
#![expect(clippy::print_stdout, reason = "the answer goes to stdout")]

use canet_model::{Options, Segmenter, image, picture};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, frame, overlay] = &words[..] else { return Err("MODEL FRAME OVERLAY".into()) };
    let options = Options { confidence: true, ..Options::default() };
    let segmenter = Segmenter::load(model, options)?;
    let frame = image::open(frame)?.into_rgb8();
    let segmentation = segmenter.segment(&frame)?;
    for (class, share) in segmentation.classes.classes.iter().zip(segmentation.shares()) {
        println!("{:5.1} % {}", 100.0 * share, class.name);
    }
    if let Some(confidence) = &segmentation.confidence {
        println!("mean confidence {:.3}", confidence.mean());
    }
    let mixed = segmentation.overlay(&frame, 0.5)?;
    picture::with_legend(&mixed, &segmentation.mask, &segmentation.classes).save(overlay)?;
    Ok(())
}
