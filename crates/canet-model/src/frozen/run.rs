//! Runs a plan.

use std::ops::Range;

use candle_core::{Result, bail};
use canet_ops::frozen::{After, add, affine, gate, spread};

use super::context::Context;
use super::plan::{Plan, Step, Work};
use super::{Graph, Op};
use crate::lowered::Bins;

/// Computes the logits from the picture; `values` is what the plan says, with the picture in its
/// place. What else is in there, and what is in `workspace`, does not matter. `watch` is called after
/// each step. It ends early where `context` wants no more.
pub(crate) fn run(
    graph: &Graph,
    plan: &Plan,
    values: &mut [f32],
    workspace: &mut [f32],
    context: &mut Context,
    watch: &mut dyn FnMut(&str, u64),
) -> Result<()> {
    for step in &plan.steps {
        if !one(&graph.nodes[step.node].op, step, values, workspace, context)? {
            break;
        }
        watch(&step.name, step.products);
    }
    Ok(())
}

/// Runs a step; false if there is nothing more to do.
fn one(
    op: &Op,
    step: &Step,
    values: &mut [f32],
    workspace: &mut [f32],
    context: &mut Context,
) -> Result<bool> {
    let Step { inputs, output, .. } = step;
    match (op, &step.work) {
        (Op::Conv(conv), Work::Conv(plan)) => {
            // The residual may be the input itself.
            let residual = inputs.get(1).filter(|&residual| *residual != inputs[0]);
            let mut y = |x: &[f32], residual: Option<&[f32]>, y: &mut [f32]| {
                plan.run(&conv.filters, x, After { residual, relu: conv.relu }, y, workspace);
            };
            if let Some(residual) = residual {
                let [x, residual, to] = apart(values, [&inputs[0], residual, output])?;
                y(x, Some(residual), to);
            } else {
                let [x, to] = apart(values, [&inputs[0], output])?;
                y(x, (inputs.len() > 1).then_some(&*x), to);
            }
        }
        (Op::PooledConv(conv, _), Work::PooledConv(plan)) => {
            let [x, y] = apart(values, [&inputs[0], output])?;
            plan.run(&conv.filters, x, conv.relu, y);
        }
        (Op::PooledConv(conv, window), Work::Bands(bands)) => {
            let [x, y] = apart(values, [&inputs[0], output])?;
            bands.run(conv, window, x, y, workspace);
        }
        (Op::AveragePool(Bins::Global), Work::AveragePool(pool)) => {
            let [x, y] = apart(values, [&inputs[0], output])?;
            return Ok(context.average(pool, x, y));
        }
        (Op::AveragePool(Bins::By(_)), Work::AveragePool(pool)) => {
            let [x, y] = apart(values, [&inputs[0], output])?;
            pool.run(x, y);
        }
        (Op::Resize { .. }, Work::Resize(resize)) => {
            let [x, y] = apart(values, [&inputs[0], output])?;
            resize.run(x, y);
        }
        (Op::Spread { .. }, _) => {
            let [x, y] = apart(values, [&inputs[0], output])?;
            spread(x, y);
        }
        _ => in_place(op, inputs, output, values)?,
    }
    Ok(true)
}

/// The operations that change each value on its own. Where their input lives on, they work on a
/// copy of it.
fn in_place(
    op: &Op,
    inputs: &[Range<usize>],
    output: &Range<usize>,
    values: &mut [f32],
) -> Result<()> {
    if inputs[0] != *output {
        values.copy_within(inputs[0].clone(), output.start);
    }
    match op {
        Op::Add => {
            let [x, y] = apart(values, [&inputs[1], output])?;
            add(y, x);
        }
        Op::Gate { keep } => {
            let [factors, y] = apart(values, [&inputs[1], output])?;
            gate(y, factors, *keep);
        }
        Op::Affine { scale, offset, relu } => {
            affine(&mut values[output.clone()], scale, offset, *relu);
        }
        _ => bail!("internal: a step was planned for another operation"),
    }
    Ok(())
}

/// The places of several values that do not overlap.
fn apart<'a, const N: usize>(
    values: &'a mut [f32],
    places: [&Range<usize>; N],
) -> Result<[&'a mut [f32]; N]> {
    match values.get_disjoint_mut(places.map(Range::clone)) {
        Ok(slices) => Ok(slices),
        Err(error) => bail!("internal: the places {places:?}: {error}"),
    }
}
