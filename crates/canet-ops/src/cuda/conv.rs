//! Convolution: which library or kernel computes it, and its gradients.

use candle_core::{DType, Result, Tensor};

use super::cudnn::{self, Direction, Key};
use super::depthwise;
use super::elementwise::add_into;
use super::gpu::{gpu, int, typed, vector, vectorised};
use super::map::{address, parameter, ptr, shown, stored};
use super::norm::{add_bias, sum_rows};
use crate::geometry::Problem;
use crate::graph::{Gradient, Value};

/// See [`crate::conv2d`]; `inputs` are x, weight and perhaps a bias. The weight and the bias are `f32`.
pub(crate) fn conv2d(problem: Problem, inputs: &[&Value]) -> Result<Value> {
    let x = Input::new(stored(inputs[0].tensor())?, problem)?;
    let weight = parameter(inputs[1].tensor())?;
    let packed = if x.problem.is_depthwise() {
        depthwise::packed(&weight)?
    } else {
        packed(&weight, x.map.dtype())?
    };
    let y = forward(&x, &packed)?;
    if let Some(bias) = inputs.get(2) {
        add_bias(&y, &parameter(bias.tensor())?)?;
    }
    let tracked: Vec<bool> = inputs.iter().map(|input| input.is_tracked()).collect();
    Ok(Value::adding(shown(&y)?, inputs, move |gy, sum| {
        let gy = stored(gy.tensor())?;
        let own = |t: Result<Tensor>| t.map(Gradient::Own);
        let gb = (tracked.get(2) == Some(&true))
            .then(|| own(sum_rows(&gy, 1, 1.0, DType::F32)?.reshape(problem.outputs)));
        let gw = tracked[1].then(|| own(weight_gradient(&x, &gy)));
        let gx = tracked[0].then(|| own(input_gradient(&x, &packed, &gy, sum)));
        Ok(vec![gx.transpose()?, gw.transpose()?, gb.transpose()?])
    }))
}

/// What is convolved: `(N, H, W, C)`, with zeros around it where the padding is uneven, which cuDNN
/// does not know.
pub(super) struct Input {
    pub(super) map: Tensor,
    pub(super) problem: Problem,
    /// Where what was given lies in the map, `[top, left]`, and its `[height, width]`.
    place: [[usize; 2]; 2],
}

impl Input {
    pub(super) fn new(map: Tensor, mut problem: Problem) -> Result<Self> {
        let (padding, size) = (problem.geometry.padding, problem.input);
        if padding.iter().all(|[before, after]| before == after) || problem.is_depthwise() {
            return Ok(Self { map, problem, place: [[0; 2], size] });
        }
        // All of it is put there; what cuDNN adds is none.
        let [[top, bottom], [left, right]] = padding;
        problem.geometry.padding = [[0; 2]; 2];
        problem.input = [problem.input[0] + top + bottom, problem.input[1] + left + right];
        let ([h, w], (n, _, _, c)) = (problem.input, map.dims4()?);
        let padded = Tensor::zeros((n, h, w, c), map.dtype(), map.device())?;
        copy_window(&map, &padded, size, [[0, 0], [top, left]])?;
        Ok(Self { map: padded, problem, place: [[top, left], size] })
    }

    /// The gradient of what was given, from that of the map.
    fn cropped(&self, gradient: &Tensor) -> Result<Tensor> {
        let ([corner, [h, w]], (n, fh, fw, c)) = (self.place, gradient.dims4()?);
        if [fh, fw] == [h, w] {
            return Ok(gradient.clone());
        }
        let cropped = gpu(gradient)?.empty((n, h, w, c), gradient.dtype())?;
        copy_window(gradient, &cropped, [h, w], [corner, [0, 0]])?;
        Ok(cropped)
    }
}

/// Copies a window of `[height, width]` from a map to another; `corners` is where it lies in each,
/// `[top, left]`.
fn copy_window(
    from: &Tensor,
    to: &Tensor,
    [h, w]: [usize; 2],
    corners: [[usize; 2]; 2],
) -> Result<()> {
    let ((n, fh, fw, c), (_, th, tw, _)) = (from.dims4()?, to.dims4()?);
    let v = vector(from.dtype(), c);
    let frame = |[h, w]: [usize; 2], [top, left]: [usize; 2]| [h, w, top, left].map(int);
    let (a, b) = (frame([fh, fw], corners[0]), frame([th, tw], corners[1]));
    let args = [&[ptr(from)?, ptr(to)?][..], &[n, h, w, c].map(int), &a, &b].concat();
    gpu(from)?.each(&vectorised("copy_window", from.dtype(), v)?, n * h * w * c / v, &args)
}

/// Weights `(O, I, kh, kw)` as convolutions read them: `(O, kh, kw, I)` of the activations' type.
pub(super) fn packed(weight: &Tensor, dtype: DType) -> Result<Tensor> {
    let ((o, i, kh, kw), gpu) = (weight.dims4()?, gpu(weight)?);
    if dtype == DType::F32 && kh * kw == 1 {
        return weight.reshape((o, kh, kw, i));
    }
    let to = gpu.empty((o, kh, kw, i), dtype)?;
    let args = [ptr(weight)?, ptr(&to)?, int(o), int(i), int(kh * kw)];
    gpu.each(&typed("pack_weight", dtype)?, weight.elem_count(), &args)?;
    Ok(to)
}

pub(super) fn forward(x: &Input, weight: &Tensor) -> Result<Tensor> {
    let p = &x.problem;
    if p.is_depthwise() {
        return depthwise::forward(p, &x.map, weight);
    }
    let y = gpu(&x.map)?.empty((p.batch, p.output[0], p.output[1], p.outputs), x.map.dtype())?;
    run(&Key::new(Direction::Forward, p, y.dtype()), [&x.map, weight, &y])?;
    Ok(y)
}

/// The gradient of the input or, if there is a `sum` of other shares, that with it.
fn input_gradient(x: &Input, weight: &Tensor, gy: &Tensor, sum: Option<Tensor>) -> Result<Tensor> {
    let p = &x.problem;
    let key = Key::new(Direction::Input, p, gy.dtype());
    // (A product reads what is convolved as it is: nothing may have been put around it.)
    let is_product = key.is_product() && x.place[1] == p.input;
    if let Some(sum) = sum.as_ref().filter(|_| is_product) {
        let gx = stored(sum)?;
        run(&Key { onto: true, ..key }, [&gx, weight, gy])?;
        return shown(&gx);
    }
    let gx = if p.is_depthwise() {
        depthwise::input_gradient(p, weight, gy)?
    } else {
        let gx = gpu(gy)?.empty(x.map.shape(), gy.dtype())?;
        run(&key, [&gx, weight, gy])?;
        x.cropped(&gx)?
    };
    let gx = shown(&gx)?;
    sum.map_or(Ok(gx.clone()), |sum| add_into(&sum, &gx))
}

/// `(O, I, kh, kw)` of `f32`.
fn weight_gradient(x: &Input, gy: &Tensor) -> Result<Tensor> {
    let p = &x.problem;
    if p.is_depthwise() {
        return depthwise::weight_gradient(p, &x.map, gy);
    }
    let ([kh, kw], gpu) = (p.kernel, gpu(gy)?);
    let (o, i) = (p.outputs, p.group_inputs());
    let gw = gpu.empty((o, kh, kw, i), gy.dtype())?;
    run(&Key::new(Direction::Weight, p, gy.dtype()), [&x.map, &gw, gy])?;
    let to = gpu.empty((o, i, kh, kw), DType::F32)?;
    let args = [ptr(&gw)?, ptr(&to)?, int(o), int(i), int(kh * kw)];
    gpu.each(&typed("unpack_weight", gy.dtype())?, to.elem_count(), &args)?;
    Ok(to)
}

/// Computes one of x, weight and y from the others.
fn run(key: &Key, tensors: [&Tensor; 3]) -> Result<()> {
    let [x, weight, y] = tensors.map(address);
    cudnn::run(gpu(tensors[0])?, key, [x?, weight?, y?])
}
