//! A pass that is recorded once and replayed: CUDA's graphs, without the host's time for each kernel.
//!
//! All that changes from one pass to the next has to lie in memory: pictures, targets, and the number that
//! dropout's masks are drawn from. What the pass makes stays where it is, and is overwritten by the next.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream, sys};
use candle_core::{Device, Result, Tensor};

use super::gpu::{Arg, trim};
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
// SAFETY: it is owned, and its handles belong to the context, not to a thread; so does what convolutions work in
// (`cudnn::CONTEXTS`), which lives for ever.
unsafe impl Send for Recorded {}

/// All work on a GPU goes through one stream, and what one thread queues while another records would be recorded, too.
static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other thread that asks for its turn works on a GPU. Whoever records has it, and whoever queues or
/// frees anything while another thread may record.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A recording under way: it ends with this, if not before.
struct Recording {
    stream: Arc<CudaStream>,
    is_over: bool,
}

impl Recording {
    fn begin(stream: Arc<CudaStream>, draw: u64) -> Result<Self> {
        stream
            .begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(candle_core::Error::wrap)?;
        DRAW.set(draw);
        Ok(Self { stream, is_over: false })
    }

    fn end(&mut self) -> Result<Option<CudaGraph>> {
        self.is_over = true;
        DRAW.set(0);
        let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
        self.stream.end_capture(flags).map_err(candle_core::Error::wrap)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = self.end();
        }
    }
}

impl Recorded {
    /// Records what `work` asks of the GPU, without doing it, and what it returns, which is there after each
    /// [`Recorded::replay`]. Masks with a drawn key are drawn from the number in `draw`. The caller has its [`turn`].
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
        // The recording has memory of its own.
        trim(device)?;
        let mut recording = Recording::begin(stream.clone(), address(draw)?)?;
        let done = work();
        let error = match (done, recording.end()) {
            (Ok(done), Ok(Some(graph))) => return Ok((Self(graph), done)),
            (Err(error), _) | (Ok(_), Err(error)) => error,
            (Ok(_), Ok(None)) => candle_core::Error::Msg("nothing was recorded".into()),
        };
        // What was allocated in a recording that came to nothing cannot be freed; cudarc would tell the next caller.
        let _ = stream.context().check_err();
        Err(error)
    }

    /// Queues the pass.
    pub fn replay(&self) -> Result<()> {
        self.0.launch().map_err(candle_core::Error::wrap)
    }
}
