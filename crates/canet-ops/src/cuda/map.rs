//! How tensors lie on a GPU, and changes of that.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::DevicePtr;
use candle_core::{DType, Device, Result, Storage, Tensor};
use half::{bf16, f16};

use super::gpu::{Arg, gpu, int, long, typed};
use super::uploads::Fill;
use crate::graph::{Gradient, Value};

/// The elements of `tensor` in the order of kernels, contiguous and on 16 bytes: a map `(N, C, H, W)` as
/// `(N, H, W, C)`, all else as it is.
pub(crate) fn stored(tensor: &Tensor) -> Result<Tensor> {
    let Ok((n, c, h, w)) = tensor.dims4() else { return aligned(tensor) };
    let last = tensor.permute((0, 2, 3, 1))?;
    if last.is_contiguous() || !tensor.is_contiguous() {
        return aligned(&last);
    }
    // A map in the host's order.
    let gpu = gpu(tensor)?;
    let to = gpu.empty((n, h, w, c), tensor.dtype())?;
    let args = [ptr(tensor)?, ptr(&to)?, int(n), int(c), int(h * w)];
    gpu.each(&typed("transpose", tensor.dtype())?, n * c * h * w, &args)?;
    Ok(to)
}

/// `tensor`, or a copy of it that begins on 16 bytes.
pub(crate) fn aligned(tensor: &Tensor) -> Result<Tensor> {
    let start = tensor.layout().start_offset() * tensor.dtype().size_in_bytes();
    if tensor.is_contiguous() && start.is_multiple_of(16) {
        Ok(tensor.clone())
    } else {
        tensor.force_contiguous()
    }
}

/// The other way: what [`stored`] gave, as the model sees it.
pub(crate) fn shown(stored: &Tensor) -> Result<Tensor> {
    if stored.rank() == 4 { stored.permute((0, 3, 1, 2)) } else { Ok(stored.clone()) }
}

/// The same as an argument.
pub(crate) fn ptr(tensor: &Tensor) -> Result<Arg> {
    address(tensor).map(Arg::Ptr)
}

/// Where the elements of a contiguous tensor are.
pub(crate) fn address(tensor: &Tensor) -> Result<u64> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cuda(storage) = &*storage else {
        candle_core::bail!("internal: a GPU kernel was given a tensor of another device");
    };
    let Some((start, _)) = layout.contiguous_offsets() else {
        candle_core::bail!("internal: a kernel was given a tensor that is not contiguous");
    };
    let stream = storage.device.cuda_stream();
    let (base, size) = match storage.dtype() {
        DType::U8 => (storage.as_cuda_slice::<u8>()?.device_ptr(&stream).0, 1),
        DType::F32 => (storage.as_cuda_slice::<f32>()?.device_ptr(&stream).0, 4),
        DType::F64 => (storage.as_cuda_slice::<f64>()?.device_ptr(&stream).0, 8),
        DType::BF16 => (storage.as_cuda_slice::<bf16>()?.device_ptr(&stream).0, 2),
        DType::F16 => (storage.as_cuda_slice::<f16>()?.device_ptr(&stream).0, 2),
        DType::U32 => (storage.as_cuda_slice::<u32>()?.device_ptr(&stream).0, 4),
        other => candle_core::bail!("internal: no kernel reads {other:?}"),
    };
    Ok(base + (start * size) as u64)
}

/// A parameter, statistic or gradient: contiguous `f32`, as kernels read it.
pub(crate) fn parameter(tensor: &Tensor) -> Result<Tensor> {
    if tensor.dtype() != DType::F32 {
        candle_core::bail!("parameters are f32 on GPUs, not {:?}", tensor.dtype());
    }
    tensor.contiguous()
}

/// The address of a tensor that may be absent.
pub(crate) fn ptr_or_null(tensor: Option<&Tensor>) -> Result<Arg> {
    tensor.map_or(Ok(Arg::Ptr(0)), ptr)
}

/// `tensor` in another type, in the same order.
pub(crate) fn converted(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    let from = stored(tensor)?;
    if from.dtype() == dtype {
        return Ok(tensor.clone());
    }
    let name = match (from.dtype(), dtype) {
        (DType::F32, DType::BF16) => "convert_f32_bf16",
        (DType::BF16, DType::F32) => "convert_bf16_f32",
        (DType::F32, DType::F16) => "convert_f32_f16",
        (DType::F16, DType::F32) => "convert_f16_f32",
        (from, to) => {
            candle_core::bail!("GPUs work on f32, bf16 and f16: not from {from:?} to {to:?}")
        }
    };
    let gpu = gpu(&from)?;
    let to = gpu.empty(from.shape(), dtype)?;
    gpu.each(name, to.elem_count(), &[ptr(&from)?, ptr(&to)?, long(to.elem_count())])?;
    shown(&to)
}

/// `x` in another type; the gradient comes back in the first.
pub fn cast(x: &Value, dtype: DType) -> Result<Value> {
    let before = x.tensor().dtype();
    if before == dtype {
        return Ok(x.clone());
    }
    let y = converted(x.tensor(), dtype)?;
    Ok(Value::of(y, &[x], move |gy| Ok(vec![Some(Gradient::Own(converted(gy.tensor(), before)?))])))
}

/// Pictures as bytes on a GPU, and what each byte becomes. They can be filled again: a pass that is
/// replayed reads them where they are.
#[derive(Debug, Clone)]
pub struct Pictures {
    /// `(N, H, W, 3)`.
    bytes: Tensor,
    /// `(3, 256)`.
    table: Tensor,
}

impl Pictures {
    /// Room for pictures of `[n, h, w]`; `table` is what each byte of each channel becomes.
    pub fn new(size: [usize; 3], table: &[[f32; 256]; 3], device: &Device) -> Result<Self> {
        let [n, h, w] = size;
        let bytes = Tensor::zeros((n, h, w, 3), DType::U8, device)?;
        Ok(Self { bytes, table: Tensor::from_slice(table.as_flattened(), (3, 256), device)? })
    }

    /// Takes the bytes of all pixels.
    pub fn fill(&self, bytes: &[u8]) -> Result<()> {
        self.fills(bytes)?.put()
    }

    /// The same, to be sent.
    pub fn fills<'a>(&'a self, bytes: &'a [u8]) -> Result<Fill<'a>> {
        Fill::new(&self.bytes, bytes)
    }

    /// What networks take: `(N, 3, H, W)` of `dtype`.
    pub fn normalised(&self, dtype: DType) -> Result<Tensor> {
        let gpu = gpu(&self.bytes)?;
        let to = gpu.empty(self.bytes.shape(), dtype)?;
        let pixels = to.elem_count() / 3;
        let args = [ptr(&self.bytes)?, ptr(&self.table)?, ptr(&to)?, long(pixels)];
        gpu.each(&typed("pictures", dtype)?, pixels, &args)?;
        shown(&to)
    }
}
