use std::sync::{Arc, Weak};

use candle_core::{DType, Device};

use super::*;

fn var(values: &[f32]) -> Var {
    Var::new(values, &Device::Cpu).unwrap()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.to_vec1().unwrap()
}

/// An operation that hands on what it gets, to each input once a copy of its own.
fn copies(inputs: &[&Value]) -> Value {
    let count = inputs.len();
    Value::of(inputs[0].tensor().clone(), inputs, move |gy| {
        (0..count).map(|_| Ok(Some(Gradient::Own(gy.tensor().copy()?)))).collect()
    })
}

/// An operation that hands on `gradient`, which stays in use elsewhere.
fn hands_on(input: &Value, gradient: &Tensor) -> Value {
    let gradient = gradient.clone();
    Value::of(input.tensor().clone(), &[input], move |_| Ok(vec![Some(Gradient::Shared(gradient))]))
}

#[test]
fn a_value_used_twice_gets_the_sum() {
    let elsewhere = Tensor::new(&[10f32, 20.0], &Device::Cpu).unwrap();
    let seed = Tensor::new(&[1f32, 2.0], &Device::Cpu).unwrap();
    let own = |x: &Value| copies(&[x]);
    let shared = |x: &Value| hands_on(x, &elsewhere);
    #[expect(clippy::type_complexity, reason = "a table of operations")]
    let ops: [(&str, [&dyn Fn(&Value) -> Value; 2], [f32; 2]); 4] = [
        ("own, own", [&own, &own], [2.0, 4.0]),
        ("own, shared", [&own, &shared], [11.0, 22.0]),
        ("shared, own", [&shared, &own], [11.0, 22.0]),
        ("shared, shared", [&shared, &shared], [20.0, 40.0]),
    ];
    for (name, [first, second], expected) in ops {
        let x = var(&[0.0, 0.0]);
        // The variable itself, and a result that is used twice.
        let leaf = Value::variable(&x);
        let inner = copies(&[&leaf]);
        for value in [leaf, inner] {
            let y = copies(&[&first(&value), &second(&value)]);
            let mut gradients = y.backward_from(seed.clone()).unwrap();
            assert_eq!(numbers(&gradients.take(&x).unwrap()), expected, "{name}");
            assert!(gradients.take(&x).is_none());
        }
        assert_eq!(numbers(&elsewhere), [10.0, 20.0], "{name}: a shared gradient was changed");
        assert_eq!(numbers(&seed), [1.0, 2.0], "{name}: the seed was changed");
    }
}

/// An operation that adds its share to what its input has got before, if it may change that.
fn adds(input: &Value) -> Value {
    Value::adding(input.tensor().clone(), &[input], |gy, sum| {
        let share = match sum {
            Some(sum) => (sum + gy.tensor())?,
            None => gy.tensor().copy()?,
        };
        Ok(vec![Some(Gradient::Own(share))])
    })
}

#[test]
fn what_adds_gets_only_sums_that_may_change() {
    let elsewhere = Tensor::new(&[10f32, 20.0], &Device::Cpu).unwrap();
    let seed = Tensor::new(&[1f32, 2.0], &Device::Cpu).unwrap();
    // The younger operation's gradient comes first: the one that adds is the older.
    #[expect(clippy::type_complexity, reason = "a table of operations")]
    let ops: [(&str, &dyn Fn(&Value) -> Value, [f32; 2]); 3] = [
        ("own", &|x| copies(&[x]), [2.0, 4.0]),
        ("shared", &|x| hands_on(x, &elsewhere), [11.0, 22.0]),
        ("another that adds", &adds, [2.0, 4.0]),
    ];
    for (name, other, expected) in ops {
        let x = var(&[0.0, 0.0]);
        let inner = copies(&[&Value::variable(&x)]);
        let first = adds(&inner);
        let y = copies(&[&first, &other(&inner)]);
        let mut gradients = y.backward_from(seed.clone()).unwrap();
        assert_eq!(numbers(&gradients.take(&x).unwrap()), expected, "{name}");
        assert_eq!(numbers(&elsewhere), [10.0, 20.0], "{name}: a shared gradient was changed");
    }
}

#[test]
fn operations_leave_shared_gradients_alone() {
    let x = var(&[1.0, -1.0]);
    let seed = Tensor::new(&[3f32, 4.0], &Device::Cpu).unwrap();
    let mut gradients =
        crate::relu(&Value::variable(&x)).unwrap().backward_from(seed.clone()).unwrap();
    assert_eq!(numbers(&gradients.take(&x).unwrap()), [3.0, 0.0]);
    assert_eq!(numbers(&seed), [3.0, 4.0]);
    // `add` shares one gradient among two scalings, each of which would rather work in place.
    let (a, b) = (var(&[1.0, 1.0]), var(&[1.0, 1.0]));
    let scaled = |var: &Var, factor| crate::scale(&Value::variable(var), factor).unwrap();
    let sum = crate::add(&scaled(&a, 2.0), &scaled(&b, 3.0)).unwrap();
    let mut gradients = crate::scale(&sum, 1.0).unwrap().backward_from(seed).unwrap();
    assert_eq!(numbers(&gradients.take(&a).unwrap()), [6.0, 8.0]);
    assert_eq!(numbers(&gradients.take(&b).unwrap()), [9.0, 12.0]);
}

#[test]
fn a_view_as_gradient_is_made_contiguous() {
    let x = Var::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    let rows = Tensor::new(&[[0f32, 1.0], [2.0, 3.0], [4.0, 5.0]], &Device::Cpu).unwrap();
    let seed = rows.t().unwrap();
    let y = crate::scale(&Value::variable(&x), 2.0).unwrap();
    let gradient = y.backward_from(seed).unwrap().take(&x).unwrap();
    assert_eq!(gradient.to_vec2::<f32>().unwrap(), [[0.0, 4.0, 8.0], [2.0, 6.0, 10.0]]);
}

/// An operation that owns a token until it has run.
fn with_token(input: &Value) -> (Value, Weak<()>) {
    let token = Arc::new(());
    let weak = Arc::downgrade(&token);
    let value = Value::of(input.tensor().clone(), &[input], move |gy| {
        drop(token);
        Ok(vec![Some(gy)])
    });
    (value, weak)
}

#[test]
fn what_an_operation_keeps_is_freed_as_soon_as_it_ran() {
    let x = var(&[1.0]);
    let later = Arc::new(Mutex::new(Weak::new()));
    let was_free = Arc::new(Mutex::new(None));
    let leaf = Value::variable(&x);
    let first = Value::of(leaf.tensor().clone(), &[&leaf], {
        let (later, was_free) = (later.clone(), was_free.clone());
        move |gy| {
            *was_free.lock().unwrap() = Some(later.lock().unwrap().upgrade().is_none());
            Ok(vec![Some(gy)])
        }
    });
    let (second, token) = with_token(&first);
    *later.lock().unwrap() = token.clone();
    assert!(token.upgrade().is_some());
    second.clone().backward().unwrap();
    assert_eq!(*was_free.lock().unwrap(), Some(true));
    // `second` is still there, what its operation kept is not.
    assert!(token.upgrade().is_none());
}

#[test]
fn constants_record_nothing() {
    let constant = Value::from(Tensor::new(&[1f32], &Device::Cpu).unwrap());
    let (y, token) = with_token(&constant);
    assert!(!y.is_tracked());
    assert!(token.upgrade().is_none());
    // A variable's tensor is a constant, too, whatever candle thinks of it.
    let x = var(&[1.0]);
    assert!(!Value::from(x.as_tensor().clone()).is_tracked());
    assert!(Value::variable(&x).is_tracked());
    assert!(y.backward().unwrap().take(&x).is_none());
}

#[test]
fn gradients_are_taken_once_and_of_one_number() {
    let x = var(&[1.0]);
    let y = copies(&[&Value::variable(&x)]);
    y.clone().backward().unwrap();
    let error = y.backward().err().unwrap().to_string();
    assert!(error.contains("already taken"), "{error}");
    let error = Value::variable(&var(&[1.0, 2.0])).backward().err().unwrap().to_string();
    assert!(error.contains("of one number"), "{error}");
}
