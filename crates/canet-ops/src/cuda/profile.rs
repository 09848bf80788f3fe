//! Where a GPU's time goes: events around each kernel, if that is asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::{CudaEvent, sys};
use candle_core::{Device, Result};

use super::gpu::Gpu;

static ON: AtomicBool = AtomicBool::new(false);
static SEEN: Mutex<Vec<(String, CudaEvent, CudaEvent)>> = Mutex::new(Vec::new());

/// What all kernels of a name took.
#[derive(Debug, Clone)]
pub struct Spent {
    /// The kernel, or which of the three convolutions.
    pub name: String,
    /// How often it ran.
    pub count: usize,
    /// In all.
    pub milliseconds: f64,
}

/// Runs `work` and tells what its kernels took, the longest first. The events cost some microseconds a
/// kernel, so the sum is more than what `work` takes alone.
pub fn profile(device: &Device, work: impl FnOnce() -> Result<()>) -> Result<Vec<Spent>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).clear();
    ON.store(true, Ordering::Relaxed);
    let done = work();
    ON.store(false, Ordering::Relaxed);
    done?;
    device.synchronize()?;
    let seen = std::mem::take(&mut *SEEN.lock().unwrap_or_else(PoisonError::into_inner));
    let mut sums: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for (name, start, end) in seen {
        let sum = sums.entry(name).or_default();
        sum.0 += 1;
        sum.1 += f64::from(start.elapsed_ms(&end).map_err(candle_core::Error::wrap)?);
    }
    let spent = |(name, (count, milliseconds))| Spent { name, count, milliseconds };
    let mut all: Vec<Spent> = sums.into_iter().map(spent).collect();
    all.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
    Ok(all)
}

/// Calls `queue`, between two events if a profile is being taken.
pub(super) fn timed<R>(name: &str, gpu: Gpu, queue: impl FnOnce() -> R) -> R {
    if !ON.load(Ordering::Relaxed) {
        return queue();
    }
    let stream = gpu.0.cuda_stream();
    let event = || stream.record_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT)).ok();
    let start = event();
    let result = queue();
    if let (Some(start), Some(end)) = (start, event()) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((name.to_owned(), start, end));
    }
    result
}
