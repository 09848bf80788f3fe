//! Activations, sums, gates, dropout and joining.

use candle_core::{DType, Result, Tensor};

use super::gpu::{Arg, gpu, int, long, vector, vectorised};
use super::map::{aligned, cast, ptr, shown, stored};
use super::norm::sum_products;
use crate::MaskKey;
use crate::graph::{Gradient, Value};

/// A map `(N, H, W, C)` as images, pixels and channels; a tensor of another rank is one row.
pub(super) fn extent(stored: &Tensor) -> [usize; 3] {
    match *stored.dims() {
        [n, h, w, c] => [n, h * w, c],
        _ => [1, 1, stored.elem_count()],
    }
}

/// `to = f(inputs)` element by element.
fn apply(name: &str, inputs: &[&Tensor], to: &Tensor, by: f32) -> Result<()> {
    let (count, gpu) = (to.elem_count(), gpu(to)?);
    if inputs.iter().any(|x| x.elem_count() != count || x.dtype() != to.dtype()) {
        candle_core::bail!(
            "{name} was given tensors that do not fit {:?} {:?}",
            to.dims(),
            to.dtype()
        );
    }
    let v = vector(to.dtype(), count);
    let mut args = inputs.iter().map(|t| ptr(t)).collect::<Result<Vec<_>>>()?;
    args.extend([ptr(to)?, long(count), Arg::Float(by)]);
    gpu.each(&vectorised(name, to.dtype(), v)?, count / v, &args)
}

/// `f` of stored tensors of one shape, as a new one.
fn computed(name: &str, inputs: &[&Tensor], by: f32) -> Result<Tensor> {
    let to = gpu(inputs[0])?.empty(inputs[0].shape(), inputs[0].dtype())?;
    apply(name, inputs, &to, by)?;
    Ok(to)
}

/// `f(gradient, others)`, where the gradient was if it may be changed.
fn changed(name: &str, gradient: &Gradient, others: &[&Tensor], by: f32) -> Result<Gradient> {
    let g = stored(gradient.tensor())?;
    let to = match gradient {
        Gradient::Own(_) => g.clone(),
        Gradient::Shared(_) => gpu(&g)?.empty(g.shape(), g.dtype())?,
    };
    let inputs: Vec<&Tensor> = std::iter::once(&g).chain(others.iter().copied()).collect();
    apply(name, &inputs, &to, by)?;
    Ok(Gradient::Own(shown(&to)?))
}

/// See [`crate::relu`].
pub(crate) fn relu(x: &Value) -> Result<Value> {
    let y = computed("relu", &[&stored(x.tensor())?], 0.0)?;
    Ok(Value::of(shown(&y)?, &[x], move |gy| Ok(vec![Some(changed("pass", &gy, &[&y], 0.0)?)])))
}

/// See [`crate::sigmoid`].
pub(crate) fn sigmoid(x: &Value) -> Result<Value> {
    let y = computed("sigmoid", &[&stored(x.tensor())?], 0.0)?;
    Ok(Value::of(shown(&y)?, &[x], move |gy| {
        Ok(vec![Some(changed("sigmoid_slope", &gy, &[&y], 0.0)?)])
    }))
}

/// See [`crate::scale`].
pub(crate) fn scale(x: &Value, factor: f64) -> Result<Value> {
    let factor = factor as f32;
    let y = computed("scale", &[&stored(x.tensor())?], factor)?;
    Ok(Value::of(shown(&y)?, &[x], move |gy| Ok(vec![Some(changed("scale", &gy, &[], factor)?)])))
}

/// Both as kernels read them, if they are of one shape.
fn pair(a: &Tensor, b: &Tensor) -> Result<[Tensor; 2]> {
    if a.dims() != b.dims() {
        candle_core::bail!("{:?} and {:?} cannot be added", a.dims(), b.dims());
    }
    Ok([stored(a)?, stored(b)?])
}

/// See [`crate::add`].
pub(crate) fn add(a: &Value, b: &Value) -> Result<Value> {
    let [x, y] = pair(a.tensor(), b.tensor())?;
    let y = computed("add", &[&x, &y], 0.0)?;
    let tracked = [a.is_tracked(), b.is_tracked()];
    Ok(Value::of(shown(&y)?, &[a, b], move |gy| Ok(crate::join::to_both(gy, tracked))))
}

/// See [`crate::add_relu`].
pub(crate) fn add_relu(a: &Value, b: &Value) -> Result<Value> {
    let [x, y] = pair(a.tensor(), b.tensor())?;
    let y = computed("add_relu", &[&x, &y], 0.0)?;
    let tracked = [a.is_tracked(), b.is_tracked()];
    Ok(Value::of(shown(&y)?, &[a, b], move |gy| {
        Ok(crate::join::to_both(changed("pass", &gy, &[&y], 0.0)?, tracked))
    }))
}

/// `sum += more`, in place.
pub(crate) fn add_into(sum: &Tensor, more: &Tensor) -> Result<Tensor> {
    let [sum, more] = pair(sum, more)?;
    apply("add", &[&sum, &more], &sum, 0.0)?;
    shown(&sum)
}

/// `average += share (value - average)`, in place, of contiguous tensors.
pub(crate) fn average_into(average: &Tensor, value: &Tensor, share: f64) -> Result<()> {
    let (average, value) = (aligned(average)?, aligned(value)?);
    apply("blend_into", &[&average, &value], &average, share as f32)
}

/// `x` as `f32`, for what only exists in it.
pub(crate) fn to_f32(x: &Value) -> Result<Value> {
    cast(x, DType::F32)
}

/// See [`crate::gate`].
pub(crate) fn gate(x: &Value, factor: &Value, keep: bool) -> Result<Value> {
    let keep = f32::from(u8::from(keep));
    let inputs = [stored(x.tensor())?, stored(factor.tensor())?];
    let tracked = [x.is_tracked(), factor.is_tracked()];
    if inputs[0].dtype() != inputs[1].dtype() {
        candle_core::bail!("factors have the type of what they are for");
    }
    if inputs[0].dims() == inputs[1].dims() {
        let y = computed("product", &[&inputs[0], &inputs[1]], keep)?;
        return Ok(Value::of(shown(&y)?, &[x, factor], move |gy| {
            let [x, factor] = &inputs;
            let g_factor = tracked[1].then(|| {
                shown(&computed("product", &[&stored(gy.tensor())?, x], 0.0)?).map(Gradient::Own)
            });
            let g_factor = g_factor.transpose()?;
            let gx = tracked[0].then(|| changed("product", &gy, &[factor], keep)).transpose()?;
            Ok(vec![gx, g_factor])
        }));
    }
    let y = gate_channels(&inputs[0], &inputs[1], keep)?;
    Ok(Value::of(shown(&y)?, &[x, factor], move |gy| {
        let ([x, factor], gy) = (&inputs, stored(gy.tensor())?);
        let gx = tracked[0].then(|| shown(&gate_channels(&gy, factor, keep)?).map(Gradient::Own));
        let g_factor = tracked[1].then(|| {
            let sums = sum_products(&gy, x)?.reshape(factor.shape())?;
            shown(&sums).map(Gradient::Own)
        });
        Ok(vec![gx.transpose()?, g_factor.transpose()?])
    }))
}

fn gate_channels(x: &Tensor, factor: &Tensor, keep: f32) -> Result<Tensor> {
    let ([n, p, c], gpu) = (extent(x), gpu(x)?);
    let y = gpu.empty(x.shape(), x.dtype())?;
    let v = vector(x.dtype(), c);
    let args = [ptr(x)?, ptr(factor)?, ptr(&y)?, int(n), int(p), int(c), Arg::Float(keep)];
    gpu.each(&vectorised("gate_channels", x.dtype(), v)?, n * p * c / v, &args)?;
    Ok(y)
}

/// See [`crate::dropout`] and, with `by_sample`, [`crate::drop_samples`].
pub(crate) fn drop(x: &Value, p: f64, key: MaskKey, by_sample: bool) -> Result<Value> {
    let (draw, site) = key.parts();
    let replayed = super::replay::draw();
    let masked = move |x: &Tensor| {
        let x = stored(x)?;
        let ([images, pixels, channels], gpu) = (extent(&x), gpu(&x)?);
        let y = gpu.empty(x.shape(), x.dtype())?;
        // The CPU compares `bits / 2^53 < p`; this is the same comparison of whole numbers.
        let limit = (p * 2f64.powi(53)).ceil() as u64;
        let kept = Arg::Float((1.0 / (1.0 - p)) as f32);
        let sizes = [int(images), int(pixels), int(channels)];
        let is_drawn = int(usize::from(site.is_some()));
        let key = [replayed, Arg::Bits(draw), Arg::Bits(site.unwrap_or(0)), is_drawn];
        let last = [Arg::Bits(limit), kept, int(usize::from(by_sample))];
        let args = [&[ptr(&x)?, ptr(&y)?][..], &sizes, &key, &last].concat();
        let v = vector(x.dtype(), channels);
        gpu.each(&vectorised("dropout", x.dtype(), v)?, x.elem_count() / v, &args)?;
        shown(&y)
    };
    let y = masked(x.tensor())?;
    Ok(Value::of(y, &[x], move |gy| Ok(vec![Some(Gradient::Own(masked(gy.tensor())?))])))
}

/// See [`crate::concat`].
pub(crate) fn concat(parts: &[&Value]) -> Result<Value> {
    let tensors = parts.iter().map(|p| stored(p.tensor())).collect::<Result<Vec<_>>>()?;
    let widths: Vec<usize> = tensors.iter().map(|t| extent(t)[2]).collect();
    let (n, h, w, _) = tensors[0].dims4()?;
    let total = widths.iter().sum();
    if tensors.iter().any(|part| part.dtype() != tensors[0].dtype()) {
        candle_core::bail!("parts of several types cannot be joined");
    }
    let joined = gpu(&tensors[0])?.empty((n, h, w, total), tensors[0].dtype())?;
    let mut at = 0;
    for (part, &width) in tensors.iter().zip(&widths) {
        copy_columns(part, &joined, n * h * w, width, [width, 0], [total, at])?;
        at += width;
    }
    let tracked: Vec<bool> = parts.iter().map(|part| part.is_tracked()).collect();
    Ok(Value::of(shown(&joined)?, parts, move |gy| {
        let gy = stored(gy.tensor())?;
        let mut at = 0;
        let mut gradients = Vec::new();
        for (&width, &tracked) in widths.iter().zip(&tracked) {
            let gradient = tracked.then(|| {
                let gx = gpu(&gy)?.empty((n, h, w, width), gy.dtype())?;
                copy_columns(&gy, &gx, n * h * w, width, [total, at], [width, 0])?;
                shown(&gx).map(Gradient::Own)
            });
            gradients.push(gradient.transpose()?);
            at += width;
        }
        Ok(gradients)
    }))
}

/// Copies `width` columns of `rows` rows; `from` and `to` are the length of a row there, and the first
/// column.
fn copy_columns(
    x: &Tensor,
    y: &Tensor,
    rows: usize,
    width: usize,
    from: [usize; 2],
    to: [usize; 2],
) -> Result<()> {
    let fits = |v| [width, from[0], from[1], to[0], to[1]].iter().all(|n| n.is_multiple_of(v));
    let v = Some(16 / x.dtype().size_in_bytes()).filter(|&v| fits(v)).unwrap_or(1);
    let args = [
        ptr(x)?,
        ptr(y)?,
        long(rows),
        int(width),
        int(from[0]),
        int(from[1]),
        int(to[0]),
        int(to[1]),
    ];
    gpu(x)?.each(&vectorised("copy_columns", x.dtype(), v)?, rows * width / v, &args)
}
