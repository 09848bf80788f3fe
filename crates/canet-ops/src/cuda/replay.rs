//! A pass that is recorded once and replayed: CUDA's graphs, without the host's time for each kernel.
//!
//! All that changes from one pass to the next has to lie in memory: pictures, targets, and the number that
//! dropout's masks are drawn from. What the pass makes stays where it is, and is overwritten by the next.

use std::cell::Cell;

use candle_core::cuda_backend::cudarc::driver::{CudaGraph, sys};
use candle_core::{Device, Result, Tensor};

use super::gpu::Arg;
use super::map::address;

thread_local! {
    /// Where the draw lies, while this thread records a pass.
    static DRAW: Cell<u64> = const { Cell::new(0) };
}

/// The address of the draw for a mask, or 0 outside of recordings.
pub(super) fn draw() -> Arg {
    Arg::Ptr(DRAW.get())
}

/// A recorded pass.
pub struct Recorded(CudaGraph);

#[expect(unsafe_code, reason = "a graph of CUDA may be launched by any thread, one at a time")]
// SAFETY: it is owned, and its handles belong to the context, not to a thread.
unsafe impl Send for Recorded {}

impl Recorded {
    /// Records what `work` asks of the GPU, without doing it, and what it returns, which is there after each
    /// [`Recorded::replay`]. Masks with a drawn key are drawn from the number in `draw`.
    ///
    /// `work` must have run before, so that nothing has to be found out, and must neither read from the GPU
    /// nor send to it. What it allocates and drops is used again within the recording. The tensors that it
    /// uses, `draw` among them, must live as long as what is recorded: replays read and write where they were.
    pub fn new<R>(
        device: &Device,
        draw: &Tensor,
        work: impl FnOnce() -> Result<R>,
    ) -> Result<(Self, R)> {
        let stream = device.as_cuda_device()?.cuda_stream();
        let address = address(draw)?;
        stream
            .begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(candle_core::Error::wrap)?;
        DRAW.set(address);
        let done = work();
        DRAW.set(0);
        let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
        let graph = stream.end_capture(flags);
        let done = done?;
        match graph.map_err(candle_core::Error::wrap)? {
            Some(graph) => Ok((Self(graph), done)),
            None => candle_core::bail!("the GPU's driver recorded nothing"),
        }
    }

    /// Queues the pass.
    pub fn replay(&self) -> Result<()> {
        self.0.launch().map_err(candle_core::Error::wrap)
    }
}

/// Overwrites `to` with `bytes`, in their order.
pub fn overwrite(to: &Tensor, bytes: &[u8]) -> Result<()> {
    let device = to.device().as_cuda_device()?;
    let address = address(to)?;
    if bytes.len() != to.elem_count() * to.dtype().size_in_bytes() {
        candle_core::bail!("internal: {} bytes do not fit {:?}", bytes.len(), to.shape());
    }
    let stream = device.cuda_stream();
    stream.context().bind_to_thread().map_err(candle_core::Error::wrap)?;
    #[expect(unsafe_code, reason = "candle has no copy into a tensor of another size of element")]
    // SAFETY: the tensor has as many bytes (checked above), and the driver has read the host's before
    // the call returns, as they are not pinned.
    let copied = unsafe {
        sys::cuMemcpyHtoDAsync_v2(address, bytes.as_ptr().cast(), bytes.len(), stream.cu_stream())
    };
    copied.result().map_err(candle_core::Error::wrap)
}
