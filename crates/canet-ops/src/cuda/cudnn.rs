//! Convolutions by cuDNN or, where they are matrix products, cuBLAS: what was prepared for a shape, and
//! the search for its fastest method. `descriptors` is cuDNN's own interface.

mod descriptors;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::cudnn::{result, sys};
use candle_core::cuda_backend::cudarc::driver::{self, CudaSlice, DevicePtr};
use candle_core::{DType, Result};

use super::gemm;
use super::gpu::Gpu;
use super::profile;
use crate::geometry::Problem;
pub(super) use descriptors::After;
use descriptors::{Candidate, Descriptors};

/// Bytes that an algorithm may work in.
const MOST_WORKSPACE: usize = 1 << 30;
/// Algorithms that are timed, of those that cuDNN expects to be fastest. (Its own search runs all of
/// them: on an H100 that took 0.6 s a convolution, and found one of the first two in every case.)
const TIMED: usize = 2;

static DETERMINISTIC: AtomicBool = AtomicBool::new(false);
static TF32: AtomicBool = AtomicBool::new(false);

/// Whether convolutions may only use algorithms that give the same bits in every run. They are then
/// chosen by rule, not by measurement.
pub fn set_deterministic(on: bool) {
    DETERMINISTIC.store(on, Ordering::Relaxed);
}

/// Whether products of `f32` may be rounded to TF32, 10 bits of mantissa, on the way in.
pub fn set_tf32(on: bool) {
    TF32.store(on, Ordering::Relaxed);
}

fn is_deterministic() -> bool {
    DETERMINISTIC.load(Ordering::Relaxed)
}

fn is_tf32() -> bool {
    TF32.load(Ordering::Relaxed)
}

/// What is computed of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Forward,
    /// The gradient of the input.
    Input,
    /// The gradient of the weight.
    Weight,
}

/// A convolution whose algorithm is looked for once.
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a key")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) direction: Direction,
    pub(super) dtype: DType,
    pub(super) tf32: bool,
    pub(super) deterministic: bool,
    /// Whether the result is added to what is there, which only products do.
    pub(super) onto: bool,
    /// Of what follows in the same pass, if anything.
    pub(super) relu: bool,
    /// Batch, inputs, height, width.
    pub(super) x: [c_int; 4],
    /// Outputs, inputs of a group, kernel height and width.
    pub(super) weight: [c_int; 4],
    pub(super) y: [c_int; 4],
    /// Padding, stride, dilation, groups.
    pub(super) steps: [c_int; 7],
}

impl Key {
    /// Padding must be the same on both ends of an axis.
    pub(super) fn new(direction: Direction, p: &Problem, dtype: DType) -> Self {
        let g = p.geometry;
        let ints = |sizes: [usize; 4]| sizes.map(|n| n as c_int);
        let [[top, _], [left, _]] = g.padding;
        let steps = [top, left, g.stride[0], g.stride[1], g.dilation[0], g.dilation[1], g.groups];
        Self {
            direction,
            dtype,
            tf32: is_tf32(),
            deterministic: is_deterministic(),
            onto: false,
            relu: false,
            x: ints([p.batch, p.inputs, p.input[0], p.input[1]]),
            weight: ints([p.outputs, p.group_inputs(), p.kernel[0], p.kernel[1]]),
            y: ints([p.batch, p.outputs, p.output[0], p.output[1]]),
            steps: steps.map(|n| n as c_int),
        }
    }

    /// Whether it is a product of matrices: one tap, at every pixel.
    pub(super) fn is_product(&self) -> bool {
        self.weight[2..] == [1, 1] && self.steps == [0, 0, 1, 1, 1, 1, 1]
    }

    fn multiply_adds(&self) -> f64 {
        let product = |sizes: &[c_int]| sizes.iter().map(|&n| f64::from(n)).product::<f64>();
        product(&self.y) * product(&self.weight[1..])
    }
}

/// Addresses of x, weight and y; what the direction computes is written.
pub(super) type Operands = [u64; 3];

/// Of all threads, by the number of the GPU: what one thread has found and recorded, others replay.
static CONTEXTS: LazyLock<Mutex<HashMap<usize, Context>>> = LazyLock::new(Mutex::default);

/// cuDNN on one GPU.
struct Context {
    handle: sys::cudnnHandle_t,
    /// It only grows.
    workspace: Option<CudaSlice<u8>>,
    /// Those that were too small: a recorded pass may still work in one. Each is at most half of the next.
    outgrown: Vec<CudaSlice<u8>>,
    plans: HashMap<Key, Plan>,
    /// Those with what follows in the same pass.
    fused: HashMap<Key, Plan>,
}

#[expect(unsafe_code, reason = "handles and descriptors of cuDNN may move between threads")]
// SAFETY: cuDNN allows that, as long as no two threads use a handle at once, and contexts are behind a lock; the thread
// that has the lock binds the GPU's context to itself first.
unsafe impl Send for Context {}

/// How a convolution is computed.
struct Plan {
    descriptors: Descriptors,
    method: Method,
}

#[derive(Debug, Clone, Copy)]
enum Method {
    /// As one matrix product of cuBLAS.
    Product,
    Cudnn(Candidate),
}

/// Calls `work` with cuDNN on a GPU, which no other thread uses meanwhile.
fn with_context<R>(gpu: Gpu, work: impl FnOnce(&mut Context) -> Result<R>) -> Result<R> {
    let stream = gpu.0.cuda_stream();
    stream.context().bind_to_thread().map_err(candle_core::Error::wrap)?;
    let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    match contexts.entry(stream.context().ordinal()) {
        Entry::Occupied(entry) => work(entry.into_mut()),
        Entry::Vacant(entry) => work(entry.insert(Context::new(gpu)?)),
    }
}

/// Computes a convolution with what follows it in the same pass, by the first algorithm that can; an error
/// if none can.
pub(super) fn run_with(gpu: Gpu, key: &Key, operands: Operands, after: After) -> Result<()> {
    with_context(gpu, |context| {
        let plan = if let Some(plan) = context.fused.remove(key) {
            plan
        } else {
            let descriptors = Descriptors::new(key)?;
            let found = descriptors.algorithms(context.handle, key.direction)?;
            let usable = found.iter().find(|c| c.memory <= MOST_WORKSPACE);
            let Some(&first) = usable else { candle_core::bail!("no algorithm") };
            Plan { descriptors, method: Method::Cudnn(first) }
        };
        let Method::Cudnn(candidate) = plan.method else {
            candle_core::bail!("internal: a product has nothing after it")
        };
        let workspace = context.reserve(gpu, candidate.memory)?;
        let run =
            || plan.descriptors.run_with(context.handle, candidate, operands, workspace, after);
        let result = profile::timed("convolution, fused", gpu, run);
        context.fused.insert(*key, plan);
        result
    })
}

/// Computes a convolution, by the method that was found for it.
pub(super) fn run(gpu: Gpu, key: &Key, operands: Operands) -> Result<()> {
    with_context(gpu, |context| {
        let plan = match context.plans.remove(key) {
            Some(plan) => plan,
            None => context.search(gpu, key, operands)?,
        };
        let result = context.execute(gpu, key, &plan.descriptors, plan.method, operands);
        context.plans.insert(*key, plan);
        result
    })
}

impl Context {
    fn new(gpu: Gpu) -> Result<Self> {
        let stream = gpu.0.cuda_stream();
        let handle = result::create_handle().map_err(candle_core::Error::wrap)?;
        #[expect(unsafe_code, reason = "cuDNN has no other form")]
        // SAFETY: the handle was just made, and the stream lives for ever, as `gpu::open` keeps its device.
        unsafe { result::set_stream(handle, stream.cu_stream().cast()) }
            .map_err(candle_core::Error::wrap)?;
        Ok(Self {
            handle,
            workspace: None,
            outgrown: Vec::new(),
            plans: HashMap::new(),
            fused: HashMap::new(),
        })
    }

    /// Room to work in, and its size.
    fn reserve(&mut self, gpu: Gpu, size: usize) -> Result<(u64, usize)> {
        if self.workspace.as_ref().map_or(0, CudaSlice::len) < size {
            self.outgrown.extend(self.workspace.take());
            #[expect(unsafe_code, reason = "a workspace needs no zeros")]
            // SAFETY: only cuDNN uses it, which writes before it reads.
            let workspace = unsafe { gpu.0.alloc::<u8>(size.next_power_of_two())? };
            self.workspace = Some(workspace);
        }
        let stream = gpu.0.cuda_stream();
        Ok(self.workspace.as_ref().map_or((0, 0), |w| (w.device_ptr(&stream).0, w.len())))
    }

    /// Finds the method: the fastest of those that were timed or, where runs are to be alike, the
    /// product or else the first of cuDNN's own order that is.
    fn search(&mut self, gpu: Gpu, key: &Key, operands: Operands) -> Result<Plan> {
        let descriptors = Descriptors::new(key)?;
        if key.onto {
            return Ok(Plan { descriptors, method: Method::Product });
        }
        let found = descriptors.algorithms(self.handle, key.direction)?;
        let usable = found
            .into_iter()
            .filter(|c| c.memory <= MOST_WORKSPACE && (!key.deterministic || c.is_deterministic));
        let usable = usable.take(TIMED).map(Method::Cudnn);
        let product = key.is_product().then_some(Method::Product);
        let methods: Vec<Method> = product.into_iter().chain(usable).collect();
        let Some(&first) = methods.first() else {
            candle_core::bail!("cuDNN has no algorithm for {key:?}");
        };
        let (mut best, mut method, mut failure) = (f32::INFINITY, first, None);
        if !key.deterministic && methods.len() > 1 {
            for candidate in methods {
                // One that fails, for want of memory perhaps, leaves the others.
                match milliseconds(gpu, || {
                    self.execute(gpu, key, &descriptors, candidate, operands)
                }) {
                    Ok(time) if time < best => (best, method) = (time, candidate),
                    Ok(_) => {}
                    Err(error) => failure = Some(error),
                }
            }
            if let Some(error) = failure.filter(|_| best.is_infinite()) {
                return Err(error);
            }
        }
        log_choice(key, method, best);
        Ok(Plan { descriptors, method })
    }

    fn execute(
        &mut self,
        gpu: Gpu,
        key: &Key,
        descriptors: &Descriptors,
        method: Method,
        operands: Operands,
    ) -> Result<()> {
        let name = match key.direction {
            Direction::Forward => "convolution",
            Direction::Input => "convolution, gradient of the input",
            Direction::Weight => "convolution, gradient of the weight",
        };
        match method {
            Method::Product => profile::timed(name, gpu, || gemm::run(gpu, key, operands)),
            Method::Cudnn(candidate) => {
                let workspace = self.reserve(gpu, candidate.memory)?;
                let run = || descriptors.run(self.handle, candidate, operands, workspace);
                profile::timed(name, gpu, run)
            }
        }
    }
}

/// Milliseconds that `run` takes on the GPU, of three after one.
pub(super) fn milliseconds(gpu: Gpu, mut run: impl FnMut() -> Result<()>) -> Result<f32> {
    const RUNS: u16 = 3;
    let stream = gpu.0.cuda_stream();
    let event = || {
        let flags = driver::sys::CUevent_flags::CU_EVENT_DEFAULT;
        stream.record_event(Some(flags)).map_err(candle_core::Error::wrap)
    };
    run()?;
    let start = event()?;
    for _ in 0..RUNS {
        run()?;
    }
    let end = event()?;
    let all = start.elapsed_ms(&end).map_err(candle_core::Error::wrap)?;
    Ok(all / f32::from(RUNS))
}

/// The environment variable `CANET_CUDA_LOG` lists what was chosen.
fn log_choice(key: &Key, method: Method, milliseconds: f32) {
    if std::env::var_os("CANET_CUDA_LOG").is_some() {
        let Key { direction, x, weight, steps, .. } = key;
        let flops = key.multiply_adds() * 2.0;
        let rate = flops / f64::from(milliseconds) / 1e9;
        #[expect(clippy::print_stderr, reason = "asked for")]
        {
            eprintln!(
                "{direction:?} x {x:?} weight {weight:?} steps {steps:?}: {method:?} {milliseconds:.3} ms {rate:.0} TFLOP/s"
            );
        }
    }
}
