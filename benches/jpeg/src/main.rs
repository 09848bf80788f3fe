//! JPEG decoders side by side: `jpeg-bench ROUNDS FILE|FOLDER...`, one thread, all rounds in one run.
//!
//! Every round goes through all decoders, forwards and backwards in turn, each over all files, from
//! memory to RGB in memory. The table has, by decoder, the median time of a frame and the median of
//! the rounds' ratios to the first: what disturbs a round disturbs all of it. `--reencode W,H` makes
//! JPEGs of quality 95 (4:2:0) of that size from the pictures first, for pictures that are no JPEGs.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use zune_core::bytestream::ZCursor;

type Decode = fn(&[u8]) -> Result<Vec<u8>>;

const DECODERS: [(&str, Decode); 8] = [
    ("image (zune-jpeg)", through_image),
    ("zune-jpeg, plain code", zune_plain),
    ("jpeg-decoder", |b| jpeg_decoder(b, 1)),
    ("jpeg-decoder 1/2", |b| jpeg_decoder(b, 2)),
    ("jpeg-decoder 1/4", |b| jpeg_decoder(b, 4)),
    ("turbojpeg", |b| turbo(b, 1)),
    ("turbojpeg 1/2", |b| turbo(b, 2)),
    ("turbojpeg 1/4", |b| turbo(b, 4)),
];

fn through_image(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg)?.into_rgb8().into_raw())
}

/// Without vector code: what other machines compute, and whether it is the same.
fn zune_plain(bytes: &[u8]) -> Result<Vec<u8>> {
    let options = zune_core::options::DecoderOptions::default()
        .set_strict_mode(false)
        .set_use_unsafe(false)
        .jpeg_set_out_colorspace(zune_core::colorspace::ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode().map_err(|e| anyhow::anyhow!("{e:?}"))
}

fn jpeg_decoder(bytes: &[u8], part: u16) -> Result<Vec<u8>> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info()?;
    let info = decoder.info().context("no header")?;
    decoder.scale(info.width.div_ceil(part), info.height.div_ceil(part))?;
    Ok(decoder.decode()?)
}

fn turbo(bytes: &[u8], part: usize) -> Result<Vec<u8>> {
    let mut decoder = turbojpeg::Decompressor::new()?;
    let scale = turbojpeg::ScalingFactor::new(1, part);
    decoder.set_scaling_factor(scale)?;
    let header = decoder.read_header(bytes)?.scaled(scale);
    let mut image = turbojpeg::Image {
        pixels: vec![0; 3 * header.width * header.height],
        width: header.width,
        pitch: 3 * header.width,
        height: header.height,
        format: turbojpeg::PixelFormat::RGB,
    };
    decoder.decompress(bytes, image.as_deref_mut())?;
    Ok(image.pixels)
}

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let size = args.iter().position(|a| a == "--reencode").map(|at| {
        let size = args.remove(at + 1);
        args.remove(at);
        size
    });
    let (rounds, paths) =
        args.split_first().context("usage: jpeg-bench ROUNDS FILE|FOLDER... [--reencode W,H]")?;
    let rounds: usize = rounds.parse()?;
    let mut files = Vec::new();
    for path in paths {
        collect(Path::new(path), &mut files)?;
    }
    files.sort();
    files.truncate(200);
    let frames: Vec<Vec<u8>> = files
        .iter()
        .map(|file| match &size {
            Some(size) => reencoded(file, size),
            None => Ok(std::fs::read(file)?),
        })
        .collect::<Result<_>>()?;
    ensure!(!frames.is_empty(), "no pictures there");
    agreement(&frames)?;
    table(&measure(&frames, rounds)?, frames.len());
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|e| ["jpg", "jpeg", "png"].iter().any(|x| e == *x)) {
        files.push(path.to_owned());
    }
    Ok(())
}

fn reencoded(file: &Path, size: &str) -> Result<Vec<u8>> {
    let Some((width, height)) = size.split_once(',') else { bail!("--reencode W,H") };
    let picture = image::open(file)?.into_rgb8();
    let filter = image::imageops::FilterType::Triangle;
    let picture = image::imageops::resize(&picture, width.parse()?, height.parse()?, filter);
    let image = turbojpeg::Image {
        pixels: picture.as_raw().as_slice(),
        width: picture.width() as usize,
        pitch: 3 * picture.width() as usize,
        height: picture.height() as usize,
        format: turbojpeg::PixelFormat::RGB,
    };
    Ok(turbojpeg::compress(image, 95, turbojpeg::Subsamp::Sub2x2)?.to_vec())
}

/// How far the full-size decoders are from the first.
fn agreement(frames: &[Vec<u8>]) -> Result<()> {
    for (name, decode) in DECODERS {
        let (mut most, mut other, mut values) = (0, 0_u64, 0_u64);
        for frame in frames {
            let (first, this) = (DECODERS[0].1(frame)?, decode(frame)?);
            if first.len() == this.len() {
                for (a, b) in first.iter().zip(&this) {
                    most = most.max(a.abs_diff(*b));
                    other += u64::from(a != b);
                }
                values += first.len() as u64;
            }
        }
        if values > 0 {
            let share = 100.0 * other as f64 / values as f64;
            println!("{name:<24} differs in {share:.3} % of the values, by at most {most}");
        }
    }
    Ok(())
}

/// By decoder, milliseconds a frame of each round.
fn measure(frames: &[Vec<u8>], rounds: usize) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::new(); DECODERS.len()];
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..DECODERS.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let begin = Instant::now();
            for frame in frames {
                black_box(DECODERS[at].1(frame)?);
            }
            // The first round warms up.
            if round > 0 {
                times[at].push(begin.elapsed().as_secs_f64() * 1e3 / frames.len() as f64);
            }
        }
    }
    Ok(times)
}

fn table(times: &[Vec<f64>], frames: usize) {
    println!("{frames} frames, {} rounds", times[0].len());
    for ((name, _), own) in DECODERS.iter().zip(times) {
        let ratios = own.iter().zip(&times[0]).map(|(a, b)| a / b).collect();
        println!("{name:<24} {:8.3} ms a frame  {:6.3}", median(own.clone()), median(ratios));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
