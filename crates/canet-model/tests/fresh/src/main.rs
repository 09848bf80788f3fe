use canet_model::{Options, Segmenter, image};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let segmenter = Segmenter::load("model.safetensors", Options::default())?;
    let frame = image::open("frame.png")?.into_rgb8();
    let segmentation = segmenter.segment(&frame)?;
    segmentation.color_image().save("classes.png")?;
    segmentation.overlay(&frame, 0.5)?.save("overlay.png")?;
    Ok(())
}
