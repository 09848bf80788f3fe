use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor, Var};

use super::*;
use crate::graph::{Gradient, Gradients};
use crate::{add, relu, scale};

fn var(values: &[f32]) -> Var {
    Var::new(values, &Device::Cpu).unwrap()
}

fn bits(gradients: &mut Gradients, var: &Var) -> Option<Vec<u32>> {
    let values = gradients.take(var)?.to_vec1::<f32>().unwrap();
    Some(values.into_iter().map(f32::to_bits).collect())
}

/// `relu(x + a) + 3 x`, with `a` behind a variable if the run asks for gradients.
fn block(x: &Value, a: &Var, run: Run) -> Result<Value> {
    let a = match run {
        Run::First => Value::from(a.as_detached_tensor()),
        Run::Again => Value::variable(a),
    };
    add(&relu(&add(x, &a)?)?, &scale(x, 3.0)?)
}

/// Sums whose order would show in the last bits: values of different sizes, each used several times,
/// within the blocks and outside.
#[test]
fn gradients_are_those_of_what_is_kept_to_the_bit() {
    let values = |factor: f32| -> Vec<f32> {
        (0..200_u8).map(|i| (f32::from(i) * factor).sin() * 10f32.powi(i32::from(i % 7))).collect()
    };
    let [x, a, b] = [0.7, 1.3, 2.1].map(|factor| var(&values(factor)));
    let seed = Tensor::new(&values(0.9)[..], &Device::Cpu).unwrap();
    let run = |again: bool, tracked: bool| {
        let apply = |x: &Value, a: &Var| {
            let a = a.clone();
            let work = move |x: &Value, run| block(x, &a, run);
            if again { recomputed(x, work) } else { work(x, Run::Again) }.unwrap()
        };
        let start = if tracked { Value::variable(&x) } else { Value::from(x.as_detached_tensor()) };
        let first = apply(&scale(&start, 0.3).unwrap(), &a);
        // The same variable behind two blocks, and a value that three things are made of.
        let second = apply(&apply(&first, &b), &a);
        let sum = add(&add(&second, &relu(&first).unwrap()).unwrap(), &first).unwrap();
        assert!(sum.is_tracked());
        let result = sum.tensor().to_vec1::<f32>().unwrap();
        let mut found = sum.backward_from(seed.clone()).unwrap();
        (result, [&x, &a, &b].map(|var| bits(&mut found, var)))
    };
    for tracked in [true, false] {
        let (kept, again) = (run(false, tracked), run(true, tracked));
        assert_eq!(kept.1.each_ref().map(Option::is_some), [tracked, true, true]);
        assert_eq!(kept, again, "tracked: {tracked}");
    }
    assert_eq!(seed.to_vec1::<f32>().unwrap(), values(0.9), "the seed was changed");
}

/// Counts the operations of its kind that hold something.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An operation that holds a token until it has run, and tells then how many there are.
fn holding(x: &Value, count: &Arc<AtomicUsize>, most: &Arc<AtomicUsize>) -> Value {
    let (held, count, most) = (Held::new(count), Arc::clone(count), Arc::clone(most));
    Value::of(x.tensor().clone(), &[x], move |gy| {
        most.fetch_max(count.load(Ordering::Relaxed), Ordering::Relaxed);
        drop(held);
        Ok(vec![Some(gy)])
    })
}

#[test]
fn the_inside_of_one_work_at_a_time_is_held() {
    let x = var(&[1.0]);
    for (again, [after_forward, at_most]) in [(false, [12, 12]), (true, [0, 4])] {
        let [count, most] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let mut y = Value::variable(&x);
        for _ in 0..3 {
            let (count, most) = (count.clone(), most.clone());
            let work =
                move |x: &Value, _| Ok((0..4).fold(x.clone(), |x, _| holding(&x, &count, &most)));
            y = if again { recomputed(&y, work) } else { work(&y, Run::Again) }.unwrap();
        }
        assert_eq!(count.load(Ordering::Relaxed), after_forward);
        y.backward().unwrap();
        assert_eq!(most.load(Ordering::Relaxed), at_most);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_work_may_be_nothing_or_a_constant_or_fail() {
    let x = var(&[1.0]);
    let ones = |found: &mut Gradients| bits(found, &x) == Some(vec![1f32.to_bits()]);
    let mut found =
        recomputed(&Value::variable(&x), |x, _| Ok(x.clone())).unwrap().backward().unwrap();
    assert!(ones(&mut found));
    // Beside another way, whose gradient waits there, and is in use elsewhere.
    let value = Value::variable(&x);
    let same = recomputed(&value, |x, _| Ok(x.clone())).unwrap();
    let both = add(&same, &value).unwrap().backward().unwrap().take(&x).unwrap();
    assert_eq!(both.to_vec1::<f32>().unwrap(), [2.0]);
    let constant = |x: &Value, _| Ok(Value::from(x.tensor().clone()));
    assert!(recomputed(&value, constant).unwrap().backward().unwrap().take(&x).is_none());
    let fails = |x: &Value, run| match run {
        Run::First => Ok(x.clone()),
        Run::Again => candle_core::bail!("the second run"),
    };
    let error = recomputed(&value, fails).unwrap().backward().err().unwrap();
    assert!(error.to_string().contains("the second run"), "{error}");
    let y = recomputed(&value, |x, _| Ok(x.clone())).unwrap();
    y.clone().backward().unwrap();
    assert!(y.backward().err().unwrap().to_string().contains("already taken"));
}

/// A work within a work, whose inside is held even shorter.
#[test]
fn works_nest() {
    let (x, a) = (var(&[1.0, -3.0]), var(&[1.0, 1.0]));
    let inner = |x: &Value, a: &Var, run| {
        let a = a.clone();
        match run {
            Run::First => block(x, &a, run),
            Run::Again => recomputed(x, move |x, run| block(x, &a, run)),
        }
    };
    let a_again = a.clone();
    let work = move |x: &Value, run| relu(&inner(x, &a_again, run)?);
    let mut found = recomputed(&Value::variable(&x), work)
        .unwrap()
        .backward_from(Tensor::new(&[1f32, 1.0], &Device::Cpu).unwrap());
    let found = found.as_mut().unwrap();
    // relu(x + 1) + 3 x is 5 and -9.
    assert_eq!(found.take(&x).unwrap().to_vec1::<f32>().unwrap(), [4.0, 0.0]);
    assert_eq!(found.take(&a).unwrap().to_vec1::<f32>().unwrap(), [1.0, 0.0]);
}

/// A gradient that may be changed in place stays so on its way into the second run.
#[test]
fn own_gradients_stay_own() {
    let x = var(&[1.0]);
    let work = |x: &Value, _| {
        Ok(Value::of(x.tensor().clone(), &[x], |gy| {
            assert!(matches!(gy, Gradient::Own(_)));
            Ok(vec![Some(gy)])
        }))
    };
    let y = scale(&recomputed(&Value::variable(&x), work).unwrap(), 2.0).unwrap();
    assert_eq!(y.backward().unwrap().take(&x).unwrap().to_vec1::<f32>().unwrap(), [2.0]);
}
