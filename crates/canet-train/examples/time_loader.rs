//! How many frames a second are read and augmented, without a network: `time_loader DATA CONFIG [THREADS]`. A GPU that takes
//! more waits for the loader.
#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use canet_data::dataset::Dataset;
use canet_data::loader::{Loader, LoaderOptions};
use canet_train::config::Config;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, config, threads @ ..] = &arguments[..] else {
        return Err("time_loader DATA CONFIG [THREADS]".into());
    };
    let threads = match threads.first() {
        Some(threads) => threads.parse()?,
        None => std::thread::available_parallelism()?.get(),
    };
    let config = Config::read(Path::new(config), &[])?;
    let train = Arc::new(Dataset::open(Path::new(data), "train")?);
    let augmenter = config.data.augment.resolve(train.classes())?;
    for epoch in 0..3 {
        let (batch, seed) = (config.data.batch, config.seed);
        let options = LoaderOptions { batch, seed, epoch, first_batch: 0, threads, prefetch: 2 };
        let (start, mut frames) = (Instant::now(), 0);
        for batch in Loader::new(Arc::clone(&train), augmenter.clone(), options) {
            frames += batch?.indices.len();
        }
        let rate = frames as f64 / start.elapsed().as_secs_f64();
        println!("epoch {epoch}: {frames} frames, {rate:.0} a second, {threads} threads");
    }
    Ok(())
}
