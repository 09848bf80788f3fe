use image::{DynamicImage, GrayImage, Luma, Rgb};

use super::*;

const SIZE: (u32, u32) = (160, 96);

/// A smooth picture, as a camera's: what a filter keeps.
fn picture() -> RgbImage {
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        Rgb([(x + 40) as u8, (2 * y) as u8, (x / 2 + y) as u8])
    })
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn to(width: u32, height: u32, jpeg_scale: bool) -> Resize {
    Resize { width, height, jpeg_scale }
}

fn mean_apart(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[test]
fn a_frame_keeps_its_format_and_takes_the_size() {
    let whole = DynamicImage::from(picture());
    for format in [ImageFormat::Jpeg, ImageFormat::Png] {
        let bytes = encoded(&whole, format);
        for size in [(80, 48), (20, 12), (160, 96), (200, 10), (1, 1)] {
            let shrunk = frame(&bytes, Path::new("f"), &to(size.0, size.1, false)).unwrap();
            assert_eq!(shrunk.source, SIZE);
            assert_eq!(image::guess_format(&shrunk.bytes).unwrap(), format);
            let small = frame_file::decode(&shrunk.bytes, Path::new("f")).unwrap();
            let direct = frame_file::decode(&bytes, Path::new("f")).unwrap();
            let direct = resize::image(&direct, size, resize::Window::whole(size));
            match format {
                ImageFormat::Png => assert!(small == direct, "{size:?}"),
                _ => assert!(mean_apart(&small, &direct) < 1.5, "{size:?}"),
            }
        }
    }
}

#[test]
fn a_scaled_decode_is_the_same_picture_made_in_another_way() {
    let colour = DynamicImage::from(picture());
    let grey = GrayImage::from_fn(SIZE.0, SIZE.1, |x, y| Luma([(x + y / 2) as u8]));
    for (whole, format) in [
        (&colour, ImageFormat::Jpeg),
        (&DynamicImage::from(grey), ImageFormat::Jpeg),
        (&colour, ImageFormat::Png),
    ] {
        let bytes = encoded(whole, format);
        for (size, part) in
            [((80, 48), 2), ((81, 48), 1), ((40, 24), 4), ((20, 12), 8), ((3, 2), 8)]
        {
            assert_eq!(to(size.0, size.1, true).part_of(SIZE), part, "{size:?}");
            let made = |scale| {
                let shrunk = frame(&bytes, Path::new("f"), &to(size.0, size.1, scale)).unwrap();
                assert_eq!(shrunk.source, SIZE);
                shrunk.bytes
            };
            let (slow, fast) = (made(false), made(true));
            let decode = |b: &[u8]| frame_file::decode(b, Path::new("f")).unwrap();
            let apart = mean_apart(&decode(&slow), &decode(&fast));
            assert!(apart < 4.0, "{format:?} {size:?}: {apart}");
            if format == ImageFormat::Png || part == 1 {
                assert!(slow == fast, "{format:?} {size:?}");
            }
        }
    }
}

#[test]
fn nothing_is_left_over_at_the_edges() {
    for (source, part) in [((161, 96), 1), ((162, 98), 2), ((164, 96), 4), ((168, 96), 8)] {
        assert_eq!(to(20, 12, true).part_of(source), part, "{source:?}");
    }
}

#[test]
fn cut_pictures_are_refused_at_every_scale() {
    let bytes = encoded(&DynamicImage::from(picture()), ImageFormat::Jpeg);
    for cut in (0..bytes.len()).step_by(13) {
        for size in [(160, 96), (80, 48), (40, 24), (20, 12)] {
            let made = frame(&bytes[..cut], Path::new("cut.jpg"), &to(size.0, size.1, true));
            assert!(made.is_err(), "{cut} {size:?}");
        }
    }
}

#[test]
fn sizes_are_read_as_written() {
    assert_eq!("960, 540".parse::<Resize>().unwrap(), to(960, 540, false));
    for wrong in ["", "960", "960x540", "0,5", "5,0", "99999,5", "-1,5", "1,2,3"] {
        let error = wrong.parse::<Resize>().unwrap_err();
        assert!(error.to_string().starts_with("resize: is "), "{error}");
    }
}
