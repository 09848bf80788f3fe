use super::*;
use canet_model::{AssignmentConfig, ModelConfig, Network};
use canet_ops::sum_of_squares;

fn assignment() -> ModelConfig {
    ModelConfig::Assignment(AssignmentConfig { classes: 2, ..Default::default() })
}

/// Two steps with gradient 1 everywhere, by hand.
#[test]
fn steps_follow_the_formulas() {
    let sgd = |w: f64| {
        let first = 1.0 + 0.1 * w;
        let w = w - 0.5 * first;
        w - 0.5 * (0.9 * first + 1.0 + 0.1 * w)
    };
    let nesterov = |w: f64| {
        let first = 1.0 + 0.1 * w;
        let w = w - 0.5 * 1.9 * first;
        let second = 1.0 + 0.1 * w;
        w - 0.5 * (second + 0.9 * (0.9 * first + second))
    };
    // With a constant gradient Adam's direction is 1 (but for eps).
    let adamw = |w: f64| (w * 0.95 - 0.5) * 0.95 - 0.5;
    let adam = |w: f64| {
        let first = 1.0 + 0.1 * w;
        let w = w - 0.5;
        let second = 1.0 + 0.1 * w;
        let [m, v] = [[0.8_f64, first, second], [0.9, first * first, second * second]]
            .map(|[beta, a, b]| (beta * a + b) / (1.0 + beta));
        w - 0.5 * m / v.sqrt()
    };
    for (kind, nesterov, expected) in [
        (OptimizerKind::Sgd, false, &sgd as &dyn Fn(f64) -> f64),
        (OptimizerKind::Sgd, true, &nesterov),
        (OptimizerKind::Adam, false, &adam),
        (OptimizerKind::AdamW, false, &adamw),
    ] {
        let mut params = Params::new(1, &Device::Cpu);
        Network::new(&assignment(), &mut params).unwrap();
        let param = params.get("stem.conv.weight").unwrap();
        let value = || param.var.flatten_all().unwrap().to_vec1::<f32>().unwrap()[5];
        let before = f64::from(value());
        let config = OptimizerConfig {
            kind,
            lr: 0.5,
            momentum: 0.9,
            nesterov,
            betas: [0.8, 0.9],
            weight_decay: 0.1,
            ..OptimizerConfig::default()
        };
        let mut optimizer = Optimizer::new(&config);
        let ones = param.var.ones_like().unwrap();
        let sums = BTreeMap::from([(param.name.clone(), ones)]);
        let gradients = Gradients { sums, ..Gradients::default() };
        optimizer.update(&params, &gradients, 1.0, 0, None).unwrap();
        // A checkpoint may hold what is not the optimiser's.
        let foreign = ("training.ema.stem.conv.weight".to_owned(), param.var.ones_like().unwrap());
        let kept = optimizer.tensors().into_iter().chain([foreign]).collect();
        let mut resumed = Optimizer::new(&config);
        resumed.restore(&kept, &Device::Cpu).unwrap();
        assert_eq!(resumed.tensors().len() + 1, kept.len());
        resumed.update(&params, &gradients, 1.0, 1, None).unwrap();
        assert!((f64::from(value()) - expected(before)).abs() < 1e-5, "{kind:?}");
    }
}

/// Three passes, clipped, move a parameter as their shortened mean does.
#[test]
fn passes_are_averaged_and_clipped() {
    let config = OptimizerConfig { kind: OptimizerKind::Sgd, ..OptimizerConfig::default() };
    let moved = |passes: &[f64], limit: f64| {
        let mut params = Params::new(1, &Device::Cpu);
        Network::new(&assignment(), &mut params).unwrap();
        let var = &params.get("classifier.bias").unwrap().var;
        let mut gradients = Gradients::default();
        for factor in passes {
            let ones = var.ones_like().unwrap();
            let value = canet_model::Value::variable(var);
            let found = value.backward_from((ones * *factor).unwrap()).unwrap();
            gradients.add(&params, found).unwrap();
        }
        let norm = gradients.norm().unwrap();
        gradients.clip(norm, limit);
        assert!((gradients.norm().unwrap() - norm.min(limit)).abs() < 1e-6 * norm);
        Optimizer::new(&config).update(&params, &gradients, 1.0, 0, None).unwrap();
        (norm, f64::from(var.to_vec1::<f32>().unwrap()[0]) / -config.lr)
    };
    let (norm, step) = moved(&[1.0, 4.0, -2.0], f64::INFINITY);
    assert!((step - 1.0).abs() < 1e-6, "{step}");
    let (same, clipped) = moved(&[1.0, 4.0, -2.0], norm / 4.0);
    assert!((same - norm).abs() < 1e-9 && (clipped - 0.25).abs() < 1e-6, "{clipped}");
}

/// Heads learn at their own rate; norms and biases decay only where that is asked for.
#[test]
fn rates_and_decays_depend_on_the_parameter() {
    let mut params = Params::new(1, &Device::Cpu);
    Network::new(&assignment(), &mut params).unwrap();
    let config = |decay_norms| OptimizerConfig {
        lr: 0.5,
        head_lr_factor: 10.0,
        weight_decay: 0.1,
        decay_norms,
        ..OptimizerConfig::default()
    };
    for (name, lr, decay, decay_of_all) in [
        ("stem.conv.weight", 0.25, 0.1, 0.1),
        ("stem.conv.bias", 0.25, 0.0, 0.1),
        ("stem.bn.weight", 0.25, 0.0, 0.1),
        ("classifier.weight", 2.5, 0.1, 0.1),
        ("classifier.bias", 2.5, 0.0, 0.1),
        ("stem.bn.running_mean", 0.0, 0.0, 0.0),
    ] {
        let param = params.get(name).unwrap();
        for (decay_norms, decay) in [(false, decay), (true, decay_of_all)] {
            let (rate, decays) = rates(&config(decay_norms), param, 0.5);
            assert!((rate - lr).abs() < 1e-12 && (decays - decay).abs() < 1e-12, "{name}");
        }
    }
}

/// Where nothing looks at the batch as a whole (batch norms are frozen), the gradient of four
/// frames at once is that of four passes of a frame each.
#[test]
fn accumulated_passes_are_one_large_batch() {
    let mut params = Params::new(1, &Device::Cpu).with_frozen_norms(canet_model::FrozenNorms::All);
    let network = Network::new(&assignment(), &mut params).unwrap();
    let wave = Tensor::arange(0f32, (4 * 3 * 24 * 32) as f32, &Device::Cpu).unwrap();
    let frames = wave.sin().unwrap().reshape((4, 3, 24, 32)).unwrap();
    let ids = (0..4 * 24 * 32).map(|i| u8::from(i % 7 > 3)).collect();
    let targets = Tensor::from_vec(ids, (4, 24, 32), &Device::Cpu).unwrap();
    let gradients = |size: usize| {
        let mut gradients = Gradients::default();
        for first in (0..4).step_by(size) {
            let part = |t: &Tensor| t.narrow(0, first, size).unwrap();
            let pass = canet_model::Pass::Train { draw: 0 };
            let output = network.forward(&part(&frames), pass).unwrap();
            let options = canet_ops::CrossEntropy::default();
            let loss = canet_ops::cross_entropy(&output.logits, &part(&targets), &options).unwrap();
            gradients.add(&params, loss.backward().unwrap()).unwrap();
        }
        gradients
    };
    let [whole, parts] = [4, 1].map(gradients);
    assert!((whole.norm().unwrap() / parts.norm().unwrap() - 1.0).abs() < 1e-4);
    assert!(whole.sums.len() > 50 && whole.sums.keys().eq(parts.sums.keys()));
    for (name, whole) in &whole.sums {
        let off = (whole - (&parts.sums[name] * parts.scale()).unwrap()).unwrap();
        let [off, norm] = [&off, whole].map(|tensor| sum_of_squares(tensor).unwrap().sqrt());
        assert!(off <= 1e-3 * norm + 1e-6, "{name}: off by {off} of {norm}");
    }
}
