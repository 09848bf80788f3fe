//! Every operation on the GPU against the CPU's, values and gradients.

use anyhow::{Result, ensure};
use canet_model::serde_json::{Value as Json, json};
use canet_model::{DType, Device, Tensor, Value, Var};

use crate::cases::{self, Case, hash};

/// Numbers from -1 to 1, a function of (seed, index), that bf16 can hold: the inputs are the same for
/// all types.
fn draws(seed: u64, shape: &[usize]) -> Result<Tensor> {
    let one = |i: usize| {
        let bits = hash(seed << 32 | i as u64) >> 40;
        bits as f32 / (1_u64 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(one).collect();
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
    Ok(tensor.to_dtype(DType::BF16)?.to_dtype(DType::F32)?)
}

/// The result of a case, and the gradients of its inputs, on the CPU in `f32`.
fn run(case: &Case, device: &Device, dtype: DType, seed: u64) -> Result<Vec<Tensor>> {
    let var = |(i, shape): (usize, &Vec<usize>)| -> Result<Var> {
        Ok(Var::from_tensor(&draws(seed + i as u64, shape)?.to_device(device)?)?)
    };
    let shapes = case.activations.iter().chain(&case.parameters).enumerate();
    let vars = shapes.map(var).collect::<Result<Vec<_>>>()?;
    let (activations, parameters) = vars.split_at(case.activations.len());
    let activations = activations.iter().map(|v| cast(&Value::variable(v), dtype));
    let activations = activations.collect::<Result<Vec<_>>>()?;
    let parameters: Vec<Value> = parameters.iter().map(Value::variable).collect();
    let y = (case.run)(&activations, &parameters)?;
    let seed = draws(seed + 100, y.tensor().dims())?.to_device(device)?;
    let seed = seed.to_dtype(y.tensor().dtype())?;
    let mut results = vec![y.tensor().clone()];
    let mut gradients = y.backward_from(seed)?;
    for var in &vars {
        results.push(match gradients.take(var) {
            Some(gradient) => gradient,
            None => var.zeros_like()?,
        });
    }
    let home = |t: Tensor| -> Result<Tensor> {
        Ok(t.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.contiguous()?)
    };
    results.into_iter().map(home).collect()
}

fn cast(value: &Value, dtype: DType) -> Result<Value> {
    if value.tensor().dtype() == dtype {
        Ok(value.clone())
    } else {
        Ok(canet_ops::cuda::cast(value, dtype)?)
    }
}

/// `|ours - truth| / |truth|`, in the Euclidean norm; relative to the number of elements where the truth
/// is 0.
pub(crate) fn distance(ours: &Tensor, truth: &Tensor) -> Result<f64> {
    ensure!(ours.dims() == truth.dims(), "{:?} is not {:?}", ours.dims(), truth.dims());
    let values = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
    let (ours, truth) = (values(ours)?, values(truth)?);
    let square = |v: f64| v * v;
    let off: f64 = ours.iter().zip(&truth).map(|(a, b)| square(f64::from(a - b))).sum();
    let size: f64 = truth.iter().map(|&b| square(f64::from(b))).sum();
    Ok((off / size.max(1e-12 * truth.len() as f64)).sqrt())
}

/// Compares all cases, and what is not differentiable.
pub(crate) fn all(device: &Device) -> Result<Json> {
    let cases = cases::all();
    let (mut failures, mut count) = (Vec::new(), 0);
    let mut worst = [(0.0, String::new()), (0.0, String::new())];
    for (number, case) in cases.iter().enumerate() {
        let seed = 1000 * number as u64;
        let truth = run(case, &Device::Cpu, DType::F32, seed)?;
        for ((dtype, bound), worst) in cases::BOUNDS.iter().zip(&mut worst) {
            let ours = run(case, device, *dtype, seed);
            let off = ours.and_then(|ours| {
                let each = ours.iter().zip(&truth).map(|(a, b)| distance(a, b));
                each.collect::<Result<Vec<f64>>>()
            });
            count += 1;
            match off {
                Ok(off) if off.iter().all(|off| off <= bound) => {
                    let most = off.iter().copied().fold(0.0, f64::max);
                    if most > worst.0 {
                        *worst = (most, case.name.clone());
                    }
                }
                Ok(off) => failures.push(format!("{} {dtype:?}: {off:?}", case.name)),
                Err(error) => failures.push(format!("{} {dtype:?}: {error:#}", case.name)),
            }
        }
    }
    for failure in &failures {
        println!("  WRONG {failure}");
    }
    let [single, half] = &worst;
    println!(
        "ops: {} of {count} right; worst f32 {:.1e} ({}), bf16 {:.1e} ({})",
        count - failures.len(),
        single.0,
        single.1,
        half.0,
        half.1
    );
    let mut report = json!({
        "compared": count, "worst_f32": single.0, "worst_bf16": half.0, "failures": failures,
    });
    if !failures.is_empty() {
        report["error"] = format!("{} operations are wrong", failures.len()).into();
    }
    Ok(report)
}
