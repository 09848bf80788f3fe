//! cuDNN's own interface: the descriptors of a convolution, its algorithms, and running one.

use std::ffi::{c_int, c_void};

use candle_core::cuda_backend::cudarc::cudnn::{result, sys};
use candle_core::{DType, Result};

use super::{Direction, Key, Operands};

/// What cuDNN has to be told of x, weight, convolution and y.
pub(super) struct Descriptors {
    x: sys::cudnnTensorDescriptor_t,
    weight: sys::cudnnFilterDescriptor_t,
    convolution: sys::cudnnConvolutionDescriptor_t,
    y: sys::cudnnTensorDescriptor_t,
    /// For what may follow in the same pass.
    bias: sys::cudnnTensorDescriptor_t,
    activation: sys::cudnnActivationDescriptor_t,
}

/// What follows a convolution in the same pass: `relu(y + bias + residual)`.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct After {
    /// Of the type of the activations.
    pub(in super::super) bias: u64,
    /// Or 0.
    pub(in super::super) residual: u64,
}

/// An algorithm of one of the three directions.
#[derive(Debug, Clone, Copy)]
enum Algorithm {
    Forward(sys::cudnnConvolutionFwdAlgo_t),
    Input(sys::cudnnConvolutionBwdDataAlgo_t),
    Weight(sys::cudnnConvolutionBwdFilterAlgo_t),
}

/// An algorithm that would do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    algorithm: Algorithm,
    math: sys::cudnnMathType_t,
    /// Bytes it works in.
    pub(super) memory: usize,
    pub(super) is_deterministic: bool,
}

/// As many as cuDNN has for a direction.
const MOST: usize = 10;

impl Descriptors {
    pub(super) fn new(key: &Key) -> Result<Self> {
        Self::made(key).map_err(candle_core::Error::wrap)
    }

    fn made(key: &Key) -> std::result::Result<Self, result::CudnnError> {
        use sys::{cudnnConvolutionMode_t, cudnnDataType_t, cudnnMathType_t, cudnnTensorFormat_t};
        let made = Self {
            x: result::create_tensor_descriptor()?,
            weight: result::create_filter_descriptor()?,
            convolution: result::create_convolution_descriptor()?,
            y: result::create_tensor_descriptor()?,
            bias: result::create_tensor_descriptor()?,
            activation: result::create_activation_descriptor()?,
        };
        let single = cudnnDataType_t::CUDNN_DATA_FLOAT;
        let dtype = match key.dtype {
            DType::BF16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
            DType::F16 => cudnnDataType_t::CUDNN_DATA_HALF,
            _ => single,
        };
        let order = cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let math = match key {
            Key { dtype: DType::BF16 | DType::F16, .. } => cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
            Key { tf32: true, .. } => cudnnMathType_t::CUDNN_DEFAULT_MATH,
            _ => cudnnMathType_t::CUDNN_FMA_MATH,
        };
        let [top, left, down, right, down_taps, right_taps, groups] = key.steps;
        let mode = cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let c = made.convolution;
        #[expect(unsafe_code, reason = "cuDNN has no other form")]
        // SAFETY: all descriptors were just made.
        unsafe {
            result::set_tensor4d_descriptor(made.x, order, dtype, key.x)?;
            result::set_filter4d_descriptor(made.weight, dtype, order, key.weight)?;
            result::set_tensor4d_descriptor(made.y, order, dtype, key.y)?;
            result::set_convolution2d_descriptor(
                c, top, left, down, right, down_taps, right_taps, mode, single,
            )?;
            result::set_convolution_group_count(c, groups)?;
            result::set_convolution_math_type(c, math)?;
            result::set_tensor4d_descriptor(made.bias, order, dtype, [1, key.y[1], 1, 1])?;
            let activation = if key.relu {
                sys::cudnnActivationMode_t::CUDNN_ACTIVATION_RELU
            } else {
                sys::cudnnActivationMode_t::CUDNN_ACTIVATION_IDENTITY
            };
            let nan = sys::cudnnNanPropagation_t::CUDNN_PROPAGATE_NAN;
            result::set_activation_descriptor(made.activation, activation, nan, 0.0)?;
        }
        Ok(made)
    }

    /// The algorithms in the order in which cuDNN expects them to be fast.
    pub(super) fn algorithms(
        &self,
        handle: sys::cudnnHandle_t,
        direction: Direction,
    ) -> Result<Vec<Candidate>> {
        let Self { x, weight, convolution, y, .. } = *self;
        #[expect(unsafe_code, reason = "cuDNN has no other form")]
        // SAFETY: handle and descriptors live, and the results have room for as many as are asked for.
        unsafe {
            match direction {
                Direction::Forward => collected(Algorithm::Forward, |count, found, results| {
                    sys::cudnnGetConvolutionForwardAlgorithm_v7(
                        handle,
                        x,
                        weight,
                        convolution,
                        y,
                        count,
                        found,
                        results,
                    )
                }),
                Direction::Input => collected(Algorithm::Input, |count, found, results| {
                    sys::cudnnGetConvolutionBackwardDataAlgorithm_v7(
                        handle,
                        weight,
                        y,
                        convolution,
                        x,
                        count,
                        found,
                        results,
                    )
                }),
                Direction::Weight => collected(Algorithm::Weight, |count, found, results| {
                    sys::cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                        handle,
                        x,
                        y,
                        convolution,
                        weight,
                        count,
                        found,
                        results,
                    )
                }),
            }
        }
    }

    /// Queues the convolution.
    pub(super) fn run(
        &self,
        handle: sys::cudnnHandle_t,
        candidate: Candidate,
        operands: Operands,
        (workspace, size): (u64, usize),
    ) -> Result<()> {
        let Self { x, weight, convolution, y, .. } = *self;
        let [px, pw, py] = operands.map(|address| address as *mut c_void);
        let room = workspace as *mut c_void;
        let (one, zero) = (1.0_f32, 0.0_f32);
        let [one, zero] = [&raw const one, &raw const zero].map(<*const f32>::cast::<c_void>);
        #[expect(unsafe_code, reason = "cuDNN has no other form")]
        // SAFETY: handle and descriptors live; the operands have the sizes that the descriptors say,
        // the workspace has at least the bytes that the algorithm asked for, and the factors are read
        // before the call returns.
        let result = unsafe {
            result::set_convolution_math_type(convolution, candidate.math).and_then(|()| {
                match candidate.algorithm {
                    Algorithm::Forward(algorithm) => result::convolution_forward(
                        handle,
                        one,
                        x,
                        px,
                        weight,
                        pw,
                        convolution,
                        algorithm,
                        room,
                        size,
                        zero,
                        y,
                        py,
                    ),
                    Algorithm::Input(algorithm) => result::convolution_backward_data(
                        handle,
                        one,
                        weight,
                        pw,
                        y,
                        py,
                        convolution,
                        algorithm,
                        room,
                        size,
                        zero,
                        x,
                        px,
                    ),
                    Algorithm::Weight(algorithm) => result::convolution_backward_filter(
                        handle,
                        one,
                        x,
                        px,
                        y,
                        py,
                        convolution,
                        algorithm,
                        room,
                        size,
                        zero,
                        weight,
                        pw,
                    ),
                }
            })
        };
        result.map_err(candle_core::Error::wrap)
    }
}

impl Descriptors {
    /// Queues the convolution with what follows it; cuDNN may not know how.
    pub(super) fn run_with(
        &self,
        handle: sys::cudnnHandle_t,
        candidate: Candidate,
        operands: Operands,
        (workspace, size): (u64, usize),
        after: After,
    ) -> Result<()> {
        let Self { x, weight, convolution, y, bias, activation } = *self;
        let [px, pw, py] = operands.map(|address| address as *mut c_void);
        let room = workspace as *mut c_void;
        let (one, added) = (1.0_f32, if after.residual == 0 { 0.0_f32 } else { 1.0 });
        let [one, added] = [&raw const one, &raw const added].map(<*const f32>::cast::<c_void>);
        // Without a residual nothing is read there, but there has to be something.
        let residual = if after.residual == 0 { py } else { after.residual as *mut c_void };
        let Algorithm::Forward(algorithm) = candidate.algorithm else {
            candle_core::bail!("internal: nothing follows a gradient")
        };
        #[expect(unsafe_code, reason = "cuDNN has no other form")]
        // SAFETY: as in `run`; bias and residual have the sizes that the descriptors say.
        let result = unsafe {
            result::set_convolution_math_type(convolution, candidate.math).and_then(|()| {
                result::convolution_bias_activation_forward(
                    handle,
                    one,
                    x,
                    px,
                    weight,
                    pw,
                    convolution,
                    algorithm,
                    room,
                    size,
                    added,
                    y,
                    residual,
                    bias,
                    after.bias as *const c_void,
                    activation,
                    y,
                    py,
                )
            })
        };
        result.map_err(candle_core::Error::wrap)
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // What cannot be taken down when the program ends goes with it.
        #[expect(unsafe_code, reason = "cuDNN has no other form")]
        // SAFETY: they were made together and are not used afterwards.
        unsafe {
            let _ = result::destroy_tensor_descriptor(self.x);
            let _ = result::destroy_filter_descriptor(self.weight);
            let _ = result::destroy_convolution_descriptor(self.convolution);
            let _ = result::destroy_tensor_descriptor(self.y);
            let _ = result::destroy_tensor_descriptor(self.bias);
            let _ = sys::cudnnDestroyActivationDescriptor(self.activation);
        }
    }
}

/// A result of cuDNN's searches, which has a type of its own in each direction.
trait Found: Copy {
    type Algorithm;
    fn read(self) -> (Self::Algorithm, sys::cudnnStatus_t, Rest);
}

/// All of a result but the algorithm.
type Rest = (sys::cudnnMathType_t, usize, sys::cudnnDeterminism_t);

macro_rules! found {
    ($results:ident, $algorithm:ident) => {
        impl Found for sys::$results {
            type Algorithm = sys::$algorithm;
            fn read(self) -> (Self::Algorithm, sys::cudnnStatus_t, Rest) {
                (self.algo, self.status, (self.mathType, self.memory, self.determinism))
            }
        }
    };
}
found!(cudnnConvolutionFwdAlgoPerf_t, cudnnConvolutionFwdAlgo_t);
found!(cudnnConvolutionBwdDataAlgoPerf_t, cudnnConvolutionBwdDataAlgo_t);
found!(cudnnConvolutionBwdFilterAlgoPerf_t, cudnnConvolutionBwdFilterAlgo_t);

/// Those that cuDNN found to work.
fn collected<P: Found>(
    algorithm: impl Fn(P::Algorithm) -> Algorithm,
    ask: impl FnOnce(c_int, *mut c_int, *mut P) -> sys::cudnnStatus_t,
) -> Result<Vec<Candidate>> {
    let mut results = [const { std::mem::MaybeUninit::<P>::uninit() }; MOST];
    let mut count = 0;
    ask(MOST as c_int, &raw mut count, results.as_mut_ptr().cast())
        .result()
        .map_err(candle_core::Error::wrap)?;
    let read = |result: &std::mem::MaybeUninit<P>| {
        #[expect(unsafe_code, reason = "cuDNN writes the results")]
        // SAFETY: only those are read that cuDNN says it has written.
        let (found, status, (math, memory, determinism)) = unsafe { result.assume_init() }.read();
        let is_deterministic = determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC;
        (status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS).then(|| Candidate {
            algorithm: algorithm(found),
            math,
            memory,
            is_deterministic,
        })
    };
    Ok(results[..count as usize].iter().filter_map(read).collect())
}
