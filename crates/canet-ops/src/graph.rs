//! Reverse-mode differentiation over candle tensors.
//!
//! candle keeps every intermediate result until the last gradient is done, and sums gradients into
//! fresh tensors that it has filled with zeros first. Here a step of the backward pass takes what
//! its operation has saved and drops it, and gradients are summed in place.
//!
//! A [`Value`] is a tensor and the operation it came from. An operation that no variable is behind
//! records nothing, so a pass over constants keeps nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, Tensor, TensorId, Var};

use crate::array::{by_dtype, change, edit, with_elements};
use crate::real::Real;
use crate::simd;

mod recompute;

pub use recompute::{Run, recomputed};

/// A tensor that gradients can be taken through.
#[derive(Debug, Clone)]
pub struct Value {
    tensor: Tensor,
    node: Option<Arc<Node>>,
}

/// The operation that made a value, or the variable that it is.
struct Node {
    /// Later operations have larger numbers: the order of the backward pass.
    number: u64,
    /// Those of the inputs, as far as gradients flow there.
    inputs: Vec<Option<Arc<Node>>>,
    source: Source,
}

enum Source {
    Variable(TensorId),
    /// Empty once it has run.
    Operation(Mutex<Option<Box<Backward>>>),
    /// One that adds to what its first input has got so far.
    Adding(Mutex<Option<Box<AddingBackward>>>),
    /// Operations that are recorded only when their gradients are asked for.
    Again(Mutex<Option<Box<Again>>>),
}

/// From the gradient of the output to those of the inputs.
type Backward = dyn FnOnce(Gradient) -> Result<Vec<Option<Gradient>>> + Send;

/// The same, onto the sum of the first input's shares, if there is one that may be changed: what comes
/// back for that input is the sum then.
type AddingBackward = dyn FnOnce(Gradient, Option<Tensor>) -> Result<Vec<Option<Gradient>>> + Send;

/// Computes a value once more, this time with a record.
type Again = dyn FnOnce() -> Result<Value> + Send;

/// A gradient, and whether it may be changed in place.
pub(crate) enum Gradient {
    /// Nothing else refers to the tensor.
    Own(Tensor),
    /// The tensor is in use elsewhere, such as the output's own gradient handed on.
    Shared(Tensor),
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("number", &self.number).finish_non_exhaustive()
    }
}

impl From<Tensor> for Value {
    /// A constant.
    fn from(tensor: Tensor) -> Self {
        Self { tensor: tensor.detach(), node: None }
    }
}

impl Value {
    /// A variable: [`Value::backward`] finds its gradient, summed over all values of it.
    pub fn variable(var: &Var) -> Self {
        let node = Node::new(Vec::new(), Source::Variable(var.id()));
        Self { tensor: var.as_detached_tensor(), node: Some(node) }
    }

    /// The numbers.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The numbers, without the history.
    pub fn into_tensor(self) -> Tensor {
        self.tensor
    }

    /// Whether a variable is behind the value.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    /// The shape, which must have four axes.
    pub fn dims4(&self) -> Result<(usize, usize, usize, usize)> {
        self.tensor.dims4()
    }

    /// The result of an operation on `inputs`. `backward` gets the gradient of the result,
    /// contiguous, and returns one for each input, contiguous if owned; it may leave out those that
    /// are not tracked. What it owns is dropped as soon as it has run.
    pub(crate) fn of(
        tensor: Tensor,
        inputs: &[&Value],
        backward: impl FnOnce(Gradient) -> Result<Vec<Option<Gradient>>> + Send + 'static,
    ) -> Self {
        Self::made(tensor, inputs, || Source::Operation(Mutex::new(Some(Box::new(backward)))))
    }

    /// As [`Value::of`], for an operation whose gradient is added where it is computed: `backward` also
    /// gets the sum of the shares that the first input has got before, if it may be changed, and adds
    /// its own to it.
    #[cfg_attr(
        not(any(feature = "cuda", test)),
        expect(dead_code, reason = "GPUs alone do so, where memory is slow beside arithmetic")
    )]
    pub(crate) fn adding(
        tensor: Tensor,
        inputs: &[&Value],
        backward: impl FnOnce(Gradient, Option<Tensor>) -> Result<Vec<Option<Gradient>>>
        + Send
        + 'static,
    ) -> Self {
        Self::made(tensor, inputs, || Source::Adding(Mutex::new(Some(Box::new(backward)))))
    }

    fn made(tensor: Tensor, inputs: &[&Value], source: impl FnOnce() -> Source) -> Self {
        let inputs: Vec<_> = inputs.iter().map(|input| input.node.clone()).collect();
        let tracked = inputs.iter().any(Option::is_some);
        let node = tracked.then(|| Node::new(inputs, source()));
        Self { tensor, node }
    }

    /// The gradients of all variables behind this scalar, which is used up.
    ///
    /// ```
    /// use candle_core::{Device, Var};
    /// use canet_ops::Value;
    ///
    /// let var = Var::new(&[[[[2f32]]]], &Device::Cpu)?;
    /// let x = Value::variable(&var);
    /// let mut gradients = canet_ops::relu(&x)?.backward()?;
    /// assert_eq!(gradients.take(&var).unwrap().flatten_all()?.to_vec1::<f32>()?, [1.0]);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn backward(self) -> Result<Gradients> {
        if self.tensor.elem_count() != 1 {
            candle_core::bail!(
                "gradients are taken of one number, not of {:?}",
                self.tensor.dims()
            );
        }
        let seed = self.tensor.ones_like()?;
        self.backward_from(seed)
    }

    /// The gradients of `sum(self * gradient)`.
    pub fn backward_from(self, gradient: Tensor) -> Result<Gradients> {
        let mut found = Gradients::default();
        let mut waiting = Waiting::new();
        if let Some(node) = self.node {
            waiting.insert(node.number, (node, Gradient::Shared(gradient)));
        }
        drop(self.tensor);
        // No operation is younger than its result, so the youngest has got all its shares.
        while let Some((_, (node, gradient))) = waiting.pop_last() {
            let shares = match &node.source {
                Source::Variable(id) => {
                    found.add(*id, gradient)?;
                    continue;
                }
                Source::Operation(backward) => once(backward)?(gradient.in_order()?)?,
                Source::Adding(backward) => {
                    let first = node.inputs.first().and_then(Option::as_ref);
                    let sum = first.and_then(|first| Gradient::own(&mut waiting, first.number));
                    once(backward)?(gradient.in_order()?, sum)?
                }
                Source::Again(again) => {
                    // What was recorded now is younger than all that waits, so it comes next, in the
                    // order in which it would have come if it had been kept.
                    if let Some(node) = once(again)?()?.node {
                        gradient.wait(&mut waiting, &node)?;
                    }
                    continue;
                }
            };
            for (input, share) in node.inputs.iter().zip(shares) {
                let (Some(input), Some(share)) = (input, share) else { continue };
                share.wait(&mut waiting, input)?;
            }
        }
        Ok(found)
    }
}

impl Node {
    fn new(inputs: Vec<Option<Arc<Node>>>, source: Source) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { number, inputs, source })
    }
}

/// What runs once.
fn once<B>(backward: &Mutex<Option<B>>) -> Result<B> {
    match backward.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(backward) => Ok(backward),
        None => candle_core::bail!("gradients were already taken through this value"),
    }
}

/// The shares that nodes have got so far, by their numbers.
type Waiting = BTreeMap<u64, (Arc<Node>, Gradient)>;

impl Gradient {
    /// Adds a share to what a node has got so far.
    fn wait(self, waiting: &mut Waiting, node: &Arc<Node>) -> Result<()> {
        let sum = match waiting.remove(&node.number) {
            Some((_, sum)) => sum.plus(self)?,
            None => self,
        };
        waiting.insert(node.number, (Arc::clone(node), sum));
        Ok(())
    }

    /// Takes the sum of a node's shares out, if it may be changed.
    fn own(waiting: &mut Waiting, number: u64) -> Option<Tensor> {
        let is_own = matches!(waiting.get(&number), Some((_, Self::Own(_))));
        let (_, sum) = is_own.then(|| waiting.remove(&number)).flatten()?;
        Some(sum.into_tensor())
    }

    pub(crate) fn tensor(&self) -> &Tensor {
        match self {
            Self::Own(tensor) | Self::Shared(tensor) => tensor,
        }
    }

    fn into_tensor(self) -> Tensor {
        match self {
            Self::Own(tensor) | Self::Shared(tensor) => tensor,
        }
    }

    /// As operations take it: contiguous, but for GPUs, whose kernels see to the order themselves.
    fn in_order(self) -> Result<Self> {
        match self {
            Self::Shared(tensor) if !tensor.is_contiguous() && !tensor.device().is_cuda() => {
                tensor.contiguous().map(Self::Own)
            }
            other => Ok(other),
        }
    }

    /// The sum, in place where one of both may be changed.
    fn plus(self, other: Self) -> Result<Self> {
        let (sum, other) = match (self, other) {
            (Self::Own(sum), other) | (other, Self::Own(sum)) => (sum, other.into_tensor()),
            #[cfg(feature = "cuda")]
            (Self::Shared(a), Self::Shared(b)) if a.device().is_cuda() => {
                return crate::cuda::add(&a.into(), &b.into()).map(|sum| Self::Own(sum.tensor));
            }
            (Self::Shared(a), Self::Shared(b)) => return Ok(Self::Own((a + b)?)),
        };
        #[cfg(feature = "cuda")]
        if sum.device().is_cuda() {
            return crate::cuda::add_into(&sum, &other).map(Self::Own);
        }
        if !sum.device().is_cpu() {
            return Ok(Self::Own((sum + other)?));
        }
        let other = other.contiguous()?;
        by_dtype!(sum.dtype(), T => add_into::<T>(&sum, &other))?;
        Ok(Self::Own(sum))
    }
}

/// What [`Value::backward`] found.
#[derive(Default)]
pub struct Gradients(HashMap<TensorId, Gradient>);

impl Gradients {
    /// The gradient of a variable; `None` if it did not take part.
    pub fn take(&mut self, var: &Var) -> Option<Tensor> {
        self.0.remove(&var.id()).map(Gradient::into_tensor)
    }

    fn add(&mut self, id: TensorId, gradient: Gradient) -> Result<()> {
        let sum = match self.0.remove(&id) {
            Some(sum) => sum.plus(gradient)?,
            None => gradient,
        };
        self.0.insert(id, sum);
        Ok(())
    }
}

/// `a += b`.
fn add_into<T: Real>(a: &Tensor, b: &Tensor) -> Result<()> {
    with_elements([b], |[b]| {
        change(a, |a| {
            edit(a, |at, a| {
                simd::vectorised(
                    #[inline(always)]
                    || a.iter_mut().zip(&b[at..]).for_each(|(a, &b): (&mut T, _)| *a += b),
                );
            });
        })
    })
}

#[cfg(test)]
mod tests;
