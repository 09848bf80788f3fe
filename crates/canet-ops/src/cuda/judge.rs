//! Whether a step counts, decided on the GPU when its gradients are there. The host hears of it later, with the next
//! step queued, so neither waits for the other.
//!
//! A step whose loss or gradient is not finite changes nothing: what changes something asks first. Nor do steps that
//! are queued behind it, until the host has seen to it.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaEvent, DriverError, PinnedHostSlice, sys,
};
use candle_core::{DType, Device, Result, Storage, Tensor};

use super::gpu::{Arg, Gpu, gpu, int};
use super::map::{address, ptr};
use super::update::queue_sum_of_squares;
use super::uploads::overwrite;

/// Bytes of `Verdict` in `kernels/update.cuh`.
const SIZE: usize = 24;

/// Steps that may be judged before the first of them is heard.
const MOST: usize = 2;

/// Judges the steps of one training.
pub struct Judge {
    /// The last one, [`SIZE`] bytes.
    verdict: Tensor,
    /// Where verdicts go for the host to read.
    reports: Vec<Report>,
    judged: usize,
}

struct Report {
    bytes: PinnedHostSlice<u8>,
    /// Behind the copy to `bytes`. (cudarc would see to that itself, but not without its bookkeeping of events.)
    there: CudaEvent,
}

/// Where a verdict will be.
#[derive(Debug)]
#[must_use = "the verdict is to be heard"]
pub struct Told(usize);

/// What was found of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The mean of its losses.
    pub loss: f64,
    /// The Euclidean norm of its gradient, before it is shortened.
    pub norm: f64,
    /// Whether it has changed nothing, as it or one before it is not finite.
    pub is_refused: bool,
}

impl Judge {
    /// One that has judged nothing.
    pub fn new(device: &Device) -> Result<Self> {
        let verdict = Tensor::zeros(SIZE, DType::U8, device)?;
        let stream = device.as_cuda_device()?.cuda_stream();
        let reports = (0..MOST).map(|_| Report::new(stream.context()));
        let reports = reports.collect::<std::result::Result<_, _>>();
        Ok(Self { verdict, reports: reports.map_err(candle_core::Error::wrap)?, judged: 0 })
    }

    /// Queues the verdict on a step: of `gradients`, contiguous, times `scale`, whose norm should be at most `limit`,
    /// and of `losses`, a number each.
    pub fn judge(
        &mut self,
        gradients: &[&Tensor],
        losses: &[Tensor],
        scale: f64,
        limit: Option<f64>,
    ) -> Result<Told> {
        let verdict = self.verdict.clone();
        let gpu = gpu(&verdict)?;
        let squares = queue_sum_of_squares(gradients, gpu)?;
        let addresses = losses.iter().map(address).collect::<Result<Vec<u64>>>()?;
        let addresses: Vec<u8> = addresses.iter().flat_map(|a| a.to_ne_bytes()).collect();
        let len = addresses.len();
        let addresses = Tensor::from_vec(addresses, len, self.verdict.device())?;
        let numbers = [scale, limit.unwrap_or(0.0)].map(Arg::Double);
        let of_losses = [ptr(&addresses)?, int(losses.len())];
        let args = [&[ptr(&squares)?], &of_losses[..], &numbers, &[self.verdict()?]].concat();
        gpu.launch("judge", [1, 1, 1], &args)?;
        let told = Told(self.judged % MOST);
        self.judged += 1;
        self.report(&told, gpu)?;
        Ok(told)
    }

    /// Queues a copy for the host.
    fn report(&mut self, told: &Told, gpu: Gpu) -> Result<()> {
        let (storage, _) = self.verdict.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else {
            candle_core::bail!("internal: the verdict is not on a GPU");
        };
        let (stream, report) = (gpu.0.cuda_stream(), &mut self.reports[told.0]);
        let copied = stream.memcpy_dtoh(storage.as_cuda_slice::<u8>()?, &mut report.bytes);
        copied.and_then(|()| report.there.record(&stream)).map_err(candle_core::Error::wrap)
    }

    /// Waits for a verdict. Each is to be heard before [`MOST`] more are queued, in their order.
    pub fn hear(&self, Told(place): Told) -> Result<Verdict> {
        let report = self.reports[place].read().map_err(candle_core::Error::wrap)?;
        let (numbers, _) = report.as_chunks::<8>();
        let [norm, loss, last] = numbers else {
            candle_core::bail!("internal: a verdict of {} bytes", report.len());
        };
        let is_refused = last[4..] != [0; 4];
        let [loss, norm] = [loss, norm].map(|bytes| f64::from_ne_bytes(*bytes));
        Ok(Verdict { loss, norm, is_refused })
    }

    /// After a refusal that was seen to: what is queued from now on counts again.
    pub fn forgive(&self) -> Result<()> {
        overwrite(&self.verdict, &[0; SIZE])
    }

    /// Where the last verdict is, for kernels.
    pub(super) fn verdict(&self) -> Result<Arg> {
        ptr(&self.verdict)
    }
}

impl Report {
    fn new(context: &Arc<CudaContext>) -> std::result::Result<Self, DriverError> {
        #[expect(unsafe_code, reason = "what is written next need not be zeroed first")]
        // SAFETY: only what a verdict was copied to is read. (Not write-combined: the host reads it.)
        let bytes = unsafe { context.alloc_pinned_with_flags(SIZE, 0) }?;
        // Who waits sleeps: loaders need the cores.
        let there = context.new_event(Some(sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC))?;
        Ok(Self { bytes, there })
    }

    /// Waits for the verdict.
    fn read(&self) -> std::result::Result<&[u8], DriverError> {
        self.there.synchronize()?;
        self.bytes.as_slice()
    }
}

impl Drop for Report {
    /// The memory must outlive a copy that is under way.
    fn drop(&mut self) {
        let _ = self.there.synchronize();
    }
}
