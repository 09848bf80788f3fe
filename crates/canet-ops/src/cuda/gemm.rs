//! Convolutions of one tap as matrix products, by cuBLAS.
//!
//! With `P` pixels of all pictures, x is `(P, I)`, the weight `(O, I)` and y `(P, O)`, row by row. cuBLAS
//! reads columns, so all of them are transposed for it, and products are asked for in reverse.

use std::ffi::c_void;

use candle_core::cuda_backend::cudarc::cublas::{result, sys};
use candle_core::{DType, Result};

use super::cudnn::{Direction, Key, Operands};
use super::gpu::Gpu;

/// One product `c = op(a) op(b)`, or `c += op(a) op(b)`, of column-major matrices.
struct Product {
    operations: [sys::cublasOperation_t; 2],
    /// Rows and columns of c, and what is summed over.
    sizes: [i32; 3],
    /// Addresses of a, b and c, and the distance of their columns.
    operands: [u64; 3],
    distances: [i32; 3],
}

/// Queues the product that a convolution of one tap is.
pub(super) fn run(gpu: Gpu, key: &Key, [x, weight, y]: Operands) -> Result<()> {
    use sys::cublasOperation_t::{CUBLAS_OP_N as PLAIN, CUBLAS_OP_T as TRANSPOSED};
    let [batch, inputs, height, width] = key.x;
    let (pixels, outputs) = (batch * height * width, key.weight[0]);
    let product = match key.direction {
        Direction::Forward => Product {
            operations: [TRANSPOSED, PLAIN],
            sizes: [outputs, pixels, inputs],
            operands: [weight, x, y],
            distances: [inputs, inputs, outputs],
        },
        Direction::Input => Product {
            operations: [PLAIN, PLAIN],
            sizes: [inputs, pixels, outputs],
            operands: [weight, y, x],
            distances: [inputs, outputs, inputs],
        },
        Direction::Weight => Product {
            operations: [PLAIN, TRANSPOSED],
            sizes: [inputs, outputs, pixels],
            operands: [x, y, weight],
            distances: [inputs, outputs, inputs],
        },
    };
    product.run(gpu, key)
}

impl Product {
    fn run(&self, gpu: Gpu, key: &Key) -> Result<()> {
        use sys::cublasComputeType_t::{CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32};
        let dtype = match key.dtype {
            DType::BF16 => sys::cudaDataType::CUDA_R_16BF,
            DType::F16 => sys::cudaDataType::CUDA_R_16F,
            _ => sys::cudaDataType::CUDA_R_32F,
        };
        let is_tf32 = key.tf32 && key.dtype == DType::F32;
        let compute = if is_tf32 { CUBLAS_COMPUTE_32F_FAST_TF32 } else { CUBLAS_COMPUTE_32F };
        let (one, before) = (1.0_f32, if key.onto { 1.0_f32 } else { 0.0 });
        let [one, before] = [&raw const one, &raw const before].map(<*const f32>::cast::<c_void>);
        let ([m, n, k], [a, b, c]) = (self.sizes, self.operands);
        let [lda, ldb, ldc] = self.distances;
        gpu.0.cuda_stream().context().bind_to_thread().map_err(candle_core::Error::wrap)?;
        #[expect(unsafe_code, reason = "cuBLAS has no other form")]
        // SAFETY: sizes and distances are those of the operands, see `run`; the factors are read
        // before the call returns.
        unsafe {
            result::gemm_ex(
                *gpu.0.cublas_handle().handle(),
                self.operations[0],
                self.operations[1],
                m,
                n,
                k,
                one,
                a as *const c_void,
                dtype,
                lda,
                b as *const c_void,
                dtype,
                ldb,
                before,
                c as *mut c_void,
                dtype,
                ldc,
                compute,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .map_err(candle_core::Error::wrap)
    }
}
