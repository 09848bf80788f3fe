//! Times a frozen network of drawn weights on the CPU.
//!
//! `cargo run --release -p canet-model --example time_frozen -- r50 512 512 2 --layers`
//!
//! Arguments: `r18`, `r50` or `assignment`, height and width of the picture, and how many threads
//! (all there are, if none is named). `--layers` shows where the time goes, step by step.

#![expect(clippy::print_stdout, reason = "the table is what the example is for")]

use std::time::Instant;

use canet_model::{
    AssignmentConfig, CanetConfig, Depth, Device, Frozen, ModelConfig, Network, Params, Sizes,
};

/// Buffers in huge pages, as in the programs.
#[global_allocator]
static ALLOCATOR: canet_ops::Recycling = canet_ops::Recycling::new(8 << 30);

const CLASSES: usize = 26;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let layers = words.iter().any(|word| word == "--layers");
    words.retain(|word| word != "--layers");
    let [network, height, width, threads @ ..] = &words[..] else {
        return Err("time_frozen r18|r50|assignment HEIGHT WIDTH [THREADS] [--layers]".into());
    };
    if let Some(threads) = threads.first() {
        rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    }
    let sizes = Sizes::same([height.parse()?, width.parse()?]);
    let frozen = Frozen::new(&build(network)?)?;
    let mut bench = Bench { frozen: &frozen, sizes, ids: vec![0; sizes.frame.iter().product()] };
    println!("the first picture takes {:.1} ms", bench.mask(None)?);
    // At least 5 pictures, and 2 seconds.
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 5 || start.elapsed().as_secs() < 2 {
        times.push(bench.mask(None)?);
    }
    let mut steps = Vec::new();
    bench.mask(Some(&mut steps))?;
    let products: u64 = steps.iter().map(|step| step.products).sum();
    let (ms, threads) = (median(times), rayon::current_num_threads());
    println!(
        "{network} {height}x{width}, {threads} threads: {ms:.1} ms, {:.2} G products ({:.1} GFLOP/s), \
         {:.1} MiB planned, {} MiB at most",
        products as f64 * 1e-9,
        2.0 * products as f64 / ms * 1e-6,
        frozen.memory(sizes)? as f64 / f64::from(1 << 20),
        peak_memory_mib().unwrap_or(0),
    );
    if layers {
        bench.layers(steps)?;
    }
    Ok(())
}

fn build(name: &str) -> Result<Network> {
    let canet =
        |depth| ModelConfig::Canet(CanetConfig { depth, classes: CLASSES, ..Default::default() });
    let config = match name {
        "r18" => canet(Depth::D18),
        "r50" => canet(Depth::D50),
        "assignment" => {
            ModelConfig::Assignment(AssignmentConfig { classes: CLASSES, ..Default::default() })
        }
        other => return Err(format!("{other} is none of r18, r50 and assignment").into()),
    };
    Ok(Network::new(&config, &mut Params::new(1, &Device::Cpu))?)
}

/// One step of a run.
struct Step {
    name: String,
    products: u64,
    ms: f64,
}

struct Bench<'a> {
    frozen: &'a Frozen,
    sizes: Sizes,
    ids: Vec<u8>,
}

impl Bench<'_> {
    /// Milliseconds of one picture; `steps` gets each step's.
    fn mask(&mut self, steps: Option<&mut Vec<Step>>) -> Result<f64> {
        let start = Instant::now();
        let fill = |planes: &mut [f32]| {
            planes.iter_mut().zip(0..).for_each(|(v, i)| *v = (i % 256) as f32 / 64.0 - 2.0);
        };
        if let Some(steps) = steps {
            let mut last = start;
            let mut watch = |name: &str, products| {
                let now = Instant::now();
                let ms = (now - last).as_secs_f64() * 1e3;
                steps.push(Step { name: name.into(), products, ms });
                last = now;
            };
            self.frozen.mask_watched(self.sizes, fill, &mut self.ids, &mut watch)?;
        } else {
            self.frozen.mask(self.sizes, fill, &mut self.ids)?;
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }

    /// The medians of each step over some pictures.
    fn layers(&mut self, first: Vec<Step>) -> Result<()> {
        let mut all: Vec<Vec<f64>> = first.iter().map(|step| vec![step.ms]).collect();
        for _ in 0..6 {
            let mut steps = Vec::new();
            self.mask(Some(&mut steps))?;
            all.iter_mut().zip(steps).for_each(|(all, step)| all.push(step.ms));
        }
        let medians: Vec<f64> = all.into_iter().map(median).collect();
        let total: f64 = medians.iter().sum();
        println!("{:>8} {:>6} {:>9}", "ms", "share", "GFLOP/s");
        for (ms, step) in medians.into_iter().zip(first) {
            let rate = 2.0 * step.products as f64 / ms * 1e-6;
            println!("{ms:8.3} {:5.1}% {rate:9.1}  {}", 100.0 * ms / total, step.name);
        }
        Ok(())
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The most memory this process has held, where the system tells (Linux).
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}
