//! One GPU: opening it, its memory, and launching kernels.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, LaunchConfig, PushKernelArg, result, sys,
};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DType, Device, Result, Shape, Storage, Tensor};
use half::{bf16, f16};

use super::profile;

/// All kernels, compiled by `build.rs`.
static KERNELS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"));

/// Threads of a block, as `kernels/norm.cuh` has it.
pub(crate) const BLOCK: usize = 256;

/// Blocks of a launch over elements: enough to fill any GPU, each thread goes on from there.
const MOST_BLOCKS: usize = 132 * 16;

/// GPU number `ordinal`, from 0, as everything here needs it: one stream for all threads, memory that
/// is kept when it is freed, and no bookkeeping of events, which one stream does not need (what uses another has events of its own). It is the same
/// device each time, for a second one would have a second stream.
pub fn open(ordinal: usize) -> Result<Device> {
    static OPEN: LazyLock<Mutex<HashMap<usize, Device>>> = LazyLock::new(Mutex::default);
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(device) = open.get(&ordinal) {
        return Ok(device.clone());
    }
    let device = opened(ordinal)?;
    open.insert(ordinal, device.clone());
    Ok(device)
}

fn opened(ordinal: usize) -> Result<Device> {
    // Not `new_cuda`: its stream is another one in each thread.
    let device = Device::new_cuda_with_stream(ordinal)?;
    let cuda = device.as_cuda_device()?;
    let stream = cuda.cuda_stream();
    let context = stream.context();
    context.bind_to_thread().map_err(candle_core::Error::wrap)?;
    #[expect(unsafe_code, reason = "settings of the driver that only exist as foreign functions")]
    // SAFETY: events order streams, and this device has one (`Uploads` orders its own); the context is bound, so the device of
    // the pool exists, and the attribute is a u64 that is read before the call returns.
    unsafe {
        cuda.disable_event_tracking();
        let pool = result::device::get_default_mem_pool(context.cu_device())
            .map_err(candle_core::Error::wrap)?;
        let mut kept = u64::MAX;
        result::mem_pool::set_attribute(
            pool,
            sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
            (&raw mut kept).cast(),
        )
        .map_err(candle_core::Error::wrap)?;
    }
    Ok(device)
}

/// The most bytes that tensors, and all that is kept for them, have taken at once since the last call;
/// the count starts anew. What recorded passes work in is not counted: it is theirs.
pub fn pool_peak(device: &Device) -> Result<[u64; 2]> {
    use sys::CUmemPool_attribute::{
        CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH, CU_MEMPOOL_ATTR_USED_MEM_HIGH,
    };
    let stream = device.as_cuda_device()?.cuda_stream();
    let context = stream.context();
    context.bind_to_thread().map_err(candle_core::Error::wrap)?;
    let mut peaks = [0_u64; 2];
    for (peak, attribute) in
        peaks.iter_mut().zip([CU_MEMPOOL_ATTR_USED_MEM_HIGH, CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH])
    {
        let mut zero = 0_u64;
        #[expect(unsafe_code, reason = "only exist as foreign functions")]
        // SAFETY: the context is bound, and both attributes are u64, which is what is pointed to.
        unsafe {
            let pool = result::device::get_default_mem_pool(context.cu_device());
            let pool = pool.map_err(candle_core::Error::wrap)?;
            sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut *peak).cast())
                .result()
                .map_err(candle_core::Error::wrap)?;
            sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut zero).cast())
                .result()
                .map_err(candle_core::Error::wrap)?;
        }
    }
    Ok(peaks)
}

/// Waits, and gives back what is kept of freed memory.
pub(super) fn trim(device: &Device) -> Result<()> {
    device.synchronize()?;
    let stream = device.as_cuda_device()?.cuda_stream();
    #[expect(unsafe_code, reason = "only exists as a foreign function")]
    // SAFETY: the device synchronised, so its context is bound and its pool exists.
    unsafe {
        let pool = result::device::get_default_mem_pool(stream.context().cu_device());
        sys::cuMemPoolTrimTo(pool.map_err(candle_core::Error::wrap)?, 0).result()
    }
    .map_err(candle_core::Error::wrap)
}

/// Bytes that are free on the GPU, and all that it has, when what was asked of it is done. What the pool keeps
/// and what recorded passes work in is not free, nor is what other programs take.
pub fn memory(device: &Device) -> Result<[u64; 2]> {
    device.synchronize()?;
    let stream = device.as_cuda_device()?.cuda_stream();
    let (free, total) = stream.context().mem_get_info().map_err(candle_core::Error::wrap)?;
    Ok([free, total].map(|bytes| bytes as u64))
}

/// Waits until the GPU has done all that was asked of it.
pub fn synchronise(device: &Device) -> Result<()> {
    device.synchronize()
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arg {
    /// An address, or 0.
    Ptr(u64),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Bits(u64),
}

/// Shorthand for sizes, which are far below 2^31.
pub(crate) fn int(size: usize) -> Arg {
    Arg::Int(size as i32)
}

/// A count that may be large.
pub(crate) fn long(count: usize) -> Arg {
    Arg::Long(count as i64)
}

/// The name of a kernel's variant: `name_bf16`.
pub(crate) fn typed(name: &str, dtype: DType) -> Result<String> {
    match dtype {
        DType::F32 => Ok(format!("{name}_f32")),
        DType::BF16 => Ok(format!("{name}_bf16")),
        DType::F16 => Ok(format!("{name}_f16")),
        other => candle_core::bail!("GPUs work on f32, bf16 and f16, not on {other:?}"),
    }
}

/// How many neighbours a thread takes at once where rows have `channels` elements: 16 bytes, or 1.
pub(crate) fn vector(dtype: DType, channels: usize) -> usize {
    let elements = 16 / dtype.size_in_bytes();
    if channels.is_multiple_of(elements) { elements } else { 1 }
}

/// The name of the variant for vectors of `vector` elements.
pub(crate) fn vectorised(name: &str, dtype: DType, vector: usize) -> Result<String> {
    Ok(typed(name, dtype)? + if vector > 1 { "_v" } else { "_s" })
}

/// The device of a tensor, if it is a GPU.
pub(crate) fn gpu(tensor: &Tensor) -> Result<Gpu<'_>> {
    Ok(Gpu(tensor.device().as_cuda_device()?))
}

/// A GPU that kernels run on.
#[derive(Clone, Copy)]
pub(crate) struct Gpu<'a>(pub(crate) &'a CudaDevice);

impl Gpu<'_> {
    /// A tensor that nothing was written to.
    pub(crate) fn empty(self, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        let shape = shape.into();
        let (len, device) = (shape.elem_count().max(1), self.0.clone());
        #[expect(unsafe_code, reason = "what is written next need not be zeroed first")]
        // SAFETY: every caller hands the tensor to kernels or copies that write all of it before it is read.
        let storage = unsafe {
            match dtype {
                DType::U8 => CudaStorage::wrap_cuda_slice(self.0.alloc::<u8>(len)?, device),
                DType::F32 => CudaStorage::wrap_cuda_slice(self.0.alloc::<f32>(len)?, device),
                DType::F64 => CudaStorage::wrap_cuda_slice(self.0.alloc::<f64>(len)?, device),
                DType::BF16 => CudaStorage::wrap_cuda_slice(self.0.alloc::<bf16>(len)?, device),
                DType::F16 => CudaStorage::wrap_cuda_slice(self.0.alloc::<f16>(len)?, device),
                other => candle_core::bail!("internal: no buffers of {other:?}"),
            }
        };
        Ok(Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false))
    }

    /// Queues a kernel over `work` elements, or vectors of them.
    pub(crate) fn each(self, name: &str, work: usize, args: &[Arg]) -> Result<()> {
        // Kernels cut the number of an element in 32 bits.
        if u32::try_from(work).is_err() {
            candle_core::bail!("a map of {work} elements is larger than GPUs work on; cut it");
        }
        let blocks = work.div_ceil(BLOCK).clamp(1, MOST_BLOCKS);
        self.launch(name, [blocks, 1, 1], args)
    }

    /// Queues a kernel of `grid` blocks.
    pub(crate) fn launch(self, name: &str, grid: [usize; 3], args: &[Arg]) -> Result<()> {
        let function = self.function(name)?;
        let stream = self.0.cuda_stream();
        let mut builder = stream.launch_builder(&function);
        for arg in args {
            match arg {
                Arg::Ptr(v) | Arg::Bits(v) => builder.arg(v),
                Arg::Int(v) => builder.arg(v),
                Arg::Long(v) => builder.arg(v),
                Arg::Float(v) => builder.arg(v),
                Arg::Double(v) => builder.arg(v),
            };
        }
        let [x, y, z] = grid.map(|n| n as u32);
        let block_dim = (BLOCK as u32, 1, 1);
        let config = LaunchConfig { grid_dim: (x, y, z), block_dim, shared_mem_bytes: 0 };
        #[expect(unsafe_code, reason = "no type checks the arguments of a kernel")]
        // SAFETY: each call in this folder stands beside the sizes that its kernel's arguments have;
        // addresses are of tensors that live until the kernel is queued, and what is freed afterwards
        // is freed on the same stream, behind it.
        let launched = profile::timed(name, self, || unsafe { builder.launch(config) });
        launched.map_err(candle_core::Error::wrap)?;
        Ok(())
    }

    fn function(self, name: &str) -> Result<CudaFunction> {
        let stream = self.0.cuda_stream();
        let context = stream.context();
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = match loaded.entry(context.ordinal()) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Loaded::new(context)?),
        };
        if let Some(function) = loaded.functions.get(name) {
            return Ok(function.clone());
        }
        let function = loaded.module.load_function(name).map_err(candle_core::Error::wrap)?;
        loaded.functions.insert(name.to_owned(), function.clone());
        Ok(function)
    }
}

/// The kernels on the GPUs that were used, by number.
static LOADED: LazyLock<Mutex<HashMap<usize, Loaded>>> = LazyLock::new(Mutex::default);

struct Loaded {
    module: Arc<CudaModule>,
    functions: HashMap<String, CudaFunction>,
}

impl Loaded {
    fn new(context: &Arc<CudaContext>) -> Result<Self> {
        let module = context
            .load_module(Ptx::from_binary(KERNELS.to_vec()))
            .map_err(candle_core::Error::wrap)?;
        Ok(Self { module, functions: HashMap::new() })
    }
}
