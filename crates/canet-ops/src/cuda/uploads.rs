//! Batches on their way to a GPU, on a stream of their own: the next one travels while the GPU works on the one before.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{
    CudaEvent, CudaSlice, CudaStream, DevicePtr, DriverError, PinnedHostSlice, sys,
};
use candle_core::{Device, Result, Tensor};

use super::map::address;

/// Batches that may be on their way: one that is read, and the next.
const SLOTS: usize = 2;

/// Bytes for a tensor, in the order of its elements.
#[derive(Debug)]
pub struct Fill<'a> {
    pub(super) to: &'a Tensor,
    pub(super) bytes: Cow<'a, [u8]>,
}

impl<'a> Fill<'a> {
    /// `bytes` for all of `to`.
    pub fn new(to: &'a Tensor, bytes: impl Into<Cow<'a, [u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        if bytes.len() != to.elem_count() * to.dtype().size_in_bytes() {
            candle_core::bail!("internal: {} bytes do not fit {:?}", bytes.len(), to.shape());
        }
        Ok(Self { to, bytes })
    }

    /// Queues the copy, from memory that is not pinned.
    pub(super) fn put(&self) -> Result<()> {
        let stream = self.to.device().as_cuda_device()?.cuda_stream();
        let (to, bytes) = (address(self.to)?, &self.bytes);
        stream.context().bind_to_thread().map_err(candle_core::Error::wrap)?;
        #[expect(
            unsafe_code,
            reason = "candle has no copy into a tensor of another size of element"
        )]
        // SAFETY: the tensor has as many bytes (`Fill::new`), and the driver has read the host's before
        // the call returns, as they are not pinned.
        let copied = unsafe {
            sys::cuMemcpyHtoDAsync_v2(to, bytes.as_ptr().cast(), bytes.len(), stream.cu_stream())
        };
        copied.result().map_err(candle_core::Error::wrap)
    }

    /// Bytes that it takes of a slot: each begins on 16 bytes.
    fn room(&self) -> usize {
        self.bytes.len().next_multiple_of(16)
    }
}

/// Overwrites `to` with `bytes`, in their order.
pub fn overwrite(to: &Tensor, bytes: &[u8]) -> Result<()> {
    Fill::new(to, bytes)?.put()
}

/// The way to one GPU, for batches of one size.
pub struct Uploads {
    /// Of the copies from the host.
    stream: Arc<CudaStream>,
    /// Of all else.
    main: Arc<CudaStream>,
    slots: Vec<Slot>,
    sent: usize,
}

struct Slot {
    /// Pinned, so that the GPU fetches it by itself.
    host: PinnedHostSlice<u8>,
    there: CudaSlice<u8>,
    /// Behind the copy from `host`. (cudarc would see to that itself, but not without its bookkeeping of events.)
    sent: CudaEvent,
    /// Behind the last reading of `there`.
    read: CudaEvent,
}

impl Uploads {
    /// For batches that take as much room as these.
    pub fn new(like: &[Fill], device: &Device) -> Result<Self> {
        let bytes = like.iter().map(Fill::room).sum();
        let main = device.as_cuda_device()?.cuda_stream();
        let open = || {
            let stream = main.context().new_stream()?;
            let slot = || -> std::result::Result<Slot, DriverError> {
                #[expect(unsafe_code, reason = "what is written next need not be zeroed first")]
                // SAFETY: both are written, on the host and by a copy, before anything of them is read.
                let (host, there) =
                    unsafe { (main.context().alloc_pinned(bytes)?, stream.alloc(bytes)?) };
                // Who waits sleeps: loaders need the cores.
                let flags = sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC;
                let sent = main.context().new_event(Some(flags))?;
                Ok(Slot { host, there, sent, read: main.context().new_event(None)? })
            };
            let slots = (0..SLOTS).map(|_| slot()).collect::<std::result::Result<_, _>>()?;
            Ok((stream, slots))
        };
        let (stream, slots) =
            open().map_err(|error: DriverError| candle_core::Error::wrap(error))?;
        Ok(Self { stream, main, slots, sent: 0 })
    }

    /// Sends a batch. What is queued on the GPU afterwards finds it in its tensors, and what was queued before does not;
    /// the host waits for nothing but the batch before the last.
    pub fn send(&mut self, fills: &[Fill]) -> Result<()> {
        let slot = &mut self.slots[self.sent % SLOTS];
        self.sent += 1;
        slot.sent.synchronize().map_err(candle_core::Error::wrap)?;
        let host = slot.host.as_mut_slice().map_err(candle_core::Error::wrap)?;
        if fills.iter().map(Fill::room).sum::<usize>() > host.len() {
            candle_core::bail!("internal: a batch that is larger than those before");
        }
        for (start, fill) in placed(fills) {
            host[start..][..fill.bytes.len()].copy_from_slice(&fill.bytes);
        }
        slot.travel(&self.stream, &self.main).map_err(candle_core::Error::wrap)?;
        let (from, _held) = slot.there.device_ptr(&self.main);
        let copied = placed(fills).try_for_each(|(start, fill)| {
            let (to, len) = (address(fill.to)?, fill.bytes.len());
            #[expect(
                unsafe_code,
                reason = "candle has no copy of bytes into a tensor of another type"
            )]
            // SAFETY: the tensor has as many bytes (`Fill::new`), and so has the slot from there on (checked above);
            // both live on, and the stream has been told to wait for the slot.
            let copied = unsafe {
                sys::cuMemcpyDtoDAsync_v2(to, from + start as u64, len, self.main.cu_stream())
            };
            copied.result().map_err(candle_core::Error::wrap)
        });
        // Of what was queued before one failed, too, `read` has to tell.
        let recorded = slot.read.record(&self.main).map_err(candle_core::Error::wrap);
        copied.and(recorded)
    }
}

/// Fills, and where each begins in a slot.
fn placed<'a>(fills: &'a [Fill<'a>]) -> impl Iterator<Item = (usize, &'a Fill<'a>)> {
    fills.iter().scan(0, |next, fill| {
        let start = *next;
        *next += fill.room();
        Some((start, fill))
    })
}

impl Slot {
    /// Queues the copy to the GPU, behind the last reading there and before the next.
    fn travel(
        &mut self,
        stream: &Arc<CudaStream>,
        main: &Arc<CudaStream>,
    ) -> std::result::Result<(), DriverError> {
        // (One that was never recorded is not waited for.)
        stream.wait(&self.read)?;
        stream.memcpy_htod(&self.host, &mut self.there)?;
        self.sent.record(stream)?;
        main.wait(&self.sent)
    }
}

impl Drop for Slot {
    /// The memory must outlive copies that are under way, from the host and on the GPU.
    fn drop(&mut self) {
        let _ = self.sent.synchronize();
        let _ = self.read.synchronize();
    }
}
