//! What happens to all parameters at once.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::gpu::{Arg, BLOCK, Gpu, gpu, long};
use super::judge::Judge;
use super::map::{address, ptr};
use crate::{AdamStep, SgdStep};

/// Elements of a parameter that a block takes.
const PIECE: usize = 128 * BLOCK;

/// A parameter of a step: its tensors, contiguous `f32`, and its own rate and decay.
pub(crate) struct Row<'a> {
    pub(crate) weight: &'a Tensor,
    pub(crate) gradient: &'a Tensor,
    pub(crate) memory: [Option<&'a Tensor>; 2],
    pub(crate) rate: f64,
    pub(crate) decay: f64,
}

/// The rows as kernels read them (`Row` in `kernels/update.cuh`: 48 bytes each), and the grid.
fn table(rows: &[Row], device: &Device) -> Result<(Tensor, [usize; 3])> {
    let mut bytes = Vec::with_capacity(48 * rows.len());
    let mut most = 1;
    for row in rows {
        let count = row.weight.elem_count();
        for tensor in [Some(row.weight), Some(row.gradient), row.memory[0], row.memory[1]] {
            if tensor.is_some_and(|t| t.elem_count() != count || t.dtype() != DType::F32) {
                candle_core::bail!("what moves a parameter of {count} numbers has as many, f32");
            }
            bytes.extend(tensor.map_or(Ok(0), address)?.to_ne_bytes());
        }
        most = most.max(count);
        bytes.extend((count as i64).to_ne_bytes());
        bytes.extend((row.rate as f32).to_ne_bytes());
        bytes.extend((row.decay as f32).to_ne_bytes());
    }
    let len = bytes.len();
    Ok((Tensor::from_vec(bytes, len, device)?, [most.div_ceil(PIECE), rows.len(), 1]))
}

/// Queues a kernel over all rows; `more` are its other arguments.
fn launch(name: &str, rows: &[Row], more: &[Arg]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let (table, grid) = table(rows, first.weight.device())?;
    gpu(&table)?.launch(name, grid, &[&[ptr(&table)?], more].concat())
}

/// Where kernels see whether the step counts, and other factors.
fn gated(judge: Option<&Judge>, factors: &[f32]) -> Result<Vec<Arg>> {
    let verdict = judge.map_or(Ok(Arg::Ptr(0)), Judge::verdict)?;
    Ok([verdict].into_iter().chain(factors.iter().map(|&f| Arg::Float(f))).collect())
}

/// A step of gradient descent; of `step` only what all rows share is looked at.
pub(crate) fn sgd(rows: &[Row], step: &SgdStep, judge: Option<&Judge>) -> Result<()> {
    let nesterov = f32::from(u8::from(step.nesterov));
    launch("sgd", rows, &gated(judge, &[step.momentum as f32, nesterov, step.scale as f32])?)
}

/// A step of Adam; of `step` only what all rows share is looked at.
pub(crate) fn adam(rows: &[Row], step: &AdamStep, judge: Option<&Judge>) -> Result<()> {
    let [keep1, keep2] = step.betas;
    let [correct1, correct2] = step.corrections().map(|c| 1.0 / c);
    let decoupled = f64::from(u8::from(step.decoupled));
    let factors = [
        keep1,
        keep2,
        1.0 - keep1,
        1.0 - keep2,
        correct2,
        step.eps,
        decoupled,
        step.scale,
        correct1,
    ];
    launch("adam", rows, &gated(judge, &factors.map(|v| v as f32))?)
}

/// `average += share (value - average)` of all pairs.
pub(crate) fn average(pairs: &[(&Var, Tensor)], share: f64, judge: Option<&Judge>) -> Result<()> {
    let values = pairs.iter().map(|(_, value)| value.contiguous()).collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::with_capacity(pairs.len());
    for ((average, _), gradient) in pairs.iter().zip(&values) {
        let weight = average.as_tensor();
        rows.push(Row { weight, gradient, memory: [None; 2], rate: share, decay: 0.0 });
    }
    launch("average", &rows, &gated(judge, &[])?)
}

fn copy<'a>(weight: &'a Tensor, gradient: &'a Tensor) -> Row<'a> {
    Row { weight, gradient, memory: [None; 2], rate: 0.0, decay: 0.0 }
}

/// Copies of contiguous `f32` tensors.
pub fn copies(tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let Some(first) = tensors.first() else { return Ok(Vec::new()) };
    let gpu = Gpu(first.device().as_cuda_device()?);
    let all = tensors.iter().map(|t| gpu.empty(t.shape(), DType::F32));
    let all = all.collect::<Result<Vec<_>>>()?;
    let rows: Vec<Row> = all.iter().zip(tensors).map(|(to, from)| copy(to, from)).collect();
    launch("copy_rows", &rows, &[])?;
    Ok(all)
}

/// Overwrites contiguous `f32` tensors by others, `(to, from)`, if the step that `judge` has judged last was
/// refused.
pub fn put_back_if_refused(pairs: &[(&Tensor, &Tensor)], judge: &Judge) -> Result<()> {
    let rows: Vec<Row> = pairs.iter().map(|&(to, from)| copy(to, from)).collect();
    launch("copy_rows_if_refused", &rows, &[judge.verdict()?])
}

/// The sum of the squares of all tensors.
pub(crate) fn sum_of_squares(tensors: &[&Tensor]) -> Result<f64> {
    let Some(first) = tensors.first() else { return Ok(0.0) };
    queue_sum_of_squares(tensors, Gpu(first.device().as_cuda_device()?))?.to_scalar::<f64>()
}

/// The same, on the GPU.
pub(super) fn queue_sum_of_squares(tensors: &[&Tensor], gpu: Gpu) -> Result<Tensor> {
    if tensors.is_empty() {
        return Tensor::zeros((), DType::F64, &Device::Cuda(gpu.0.clone()));
    }
    let sum = gpu.empty((), DType::F64)?;
    let rows: Vec<Row> = tensors.iter().map(|&t| copy(t, t)).collect();
    let (table, grid) = table(&rows, sum.device())?;
    let count = grid[0] * grid[1];
    let shares = gpu.empty(count, DType::F64)?;
    gpu.launch("squares", grid, &[ptr(&table)?, ptr(&shares)?])?;
    gpu.launch("add_squares", [1, 1, 1], &[ptr(&shares)?, long(count), ptr(&sum)?])?;
    Ok(sum)
}
