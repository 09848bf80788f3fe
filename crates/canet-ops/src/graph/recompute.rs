//! Values that are computed again for their gradients, instead of keeping what they were made of.
//!
//! Chen et al., "Training Deep Nets with Sublinear Memory Cost" (arXiv 1604.06174). The backward pass
//! meets a node that has recorded nothing; it runs the work again, with a record, and goes on in what
//! that has left on the tape. So gradients are summed in the very order in which they are without it,
//! and nothing of the second run is there before it is needed, or after.

use std::sync::Mutex;

use candle_core::Result;

use super::{Node, Source, Value};

/// Which of both runs of a work this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// For the result. Its input is a constant, and variables had better be constants, too: what is
    /// recorded is thrown away, but kept until the run is over.
    First,
    /// For the gradients, perhaps never.
    Again,
}

/// What `work` makes of `x`, so that of the values between nothing is kept: they are computed again when
/// the gradient has come as far.
///
/// Both runs must compute the same. Whatever else a run does, such as counting or moving an average,
/// is for the first alone. Gradients of variables that the second run meets are found with all others;
/// the result is tracked, as it is for `work` to say whether there are any.
///
/// ```
/// use candle_core::{Device, Var};
/// use canet_ops::{Run, Value, recomputed, relu, scale};
///
/// let var = Var::new(&[[[[2f32]]]], &Device::Cpu)?;
/// let x = scale(&Value::variable(&var), 3.0)?;
/// let y = recomputed(&x, |x, run| {
///     assert_eq!(x.is_tracked(), run == Run::Again);
///     relu(&scale(x, 5.0)?)
/// })?;
/// let mut gradients = y.backward()?;
/// assert_eq!(gradients.take(&var).unwrap().flatten_all()?.to_vec1::<f32>()?, [15.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn recomputed(
    x: &Value,
    work: impl Fn(&Value, Run) -> Result<Value> + Send + 'static,
) -> Result<Value> {
    let constant = Value { tensor: x.tensor.clone(), node: None };
    let tensor = work(&constant, Run::First)?.into_tensor();
    let x = x.clone();
    let again = move || work(&x, Run::Again);
    // The inputs are within the work: gradients reach them through what it records.
    let node = Node::new(Vec::new(), Source::Again(Mutex::new(Some(Box::new(again)))));
    Ok(Value { tensor, node: Some(node) })
}

#[cfg(test)]
mod tests;
