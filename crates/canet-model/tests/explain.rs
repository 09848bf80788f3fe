//! What an explanation says is what the network does.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use canet_model::{CanetConfig, Confidence, Fault, ModelConfig, Network, Pass, Segmenter, Tensor};
use common::{frame, golden, meta};

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn close(a: &[f32], b: &[f32], tolerance: f32) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

fn networks() -> impl Iterator<Item = (String, Network)> {
    golden::cases().into_iter().map(|(name, case)| (name, case.network()))
}

#[test]
fn explained_logits_are_the_segmenters() {
    for (name, network) in networks() {
        let segmenter = Segmenter::from_parts(network.clone(), meta(network.config())).unwrap();
        let frame = frame(75, 53);
        let x = segmenter.meta().normalisation.tensor(&frame, network.device()).unwrap();
        let explanation = network.explain(&x).unwrap();
        let [logits, frozen] =
            [&explanation.logits, &segmenter.logits(&frame).unwrap()].map(numbers);
        let largest = frozen.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        assert!(close(&logits, &frozen, 1e-4 * largest.max(1.0)), "{name}");
        let forward = network.forward(&x, Pass::Eval).unwrap().logits.into_tensor();
        assert_eq!(logits, numbers(&forward), "{name}");

        let ranking = explanation.ranking().unwrap();
        let segmentation = segmenter.with_confidence(true).segment(&frame).unwrap();
        let same = ranking.best.ids().iter().zip(segmentation.mask.ids()).filter(|(a, b)| a == b);
        assert!(same.count() * 1000 >= 999 * 75 * 53, "{name}");
        let segmented = segmentation.confidence.unwrap();
        let sure = [&ranking.confidence, &segmented].map(Confidence::values);
        assert!(close(sure[0], sure[1], 1e-3), "{name}");
        let pairs = ranking.best.ids().iter().zip(ranking.second.ids());
        let classes = network.config().classes() as u8;
        assert!(pairs.clone().all(|(best, next)| best != next && *next < classes), "{name}");
    }
}

#[test]
fn flows_are_what_the_sum_is_made_of() {
    for (name, network) in networks() {
        let frame = frame(75, 53);
        let meta = meta(network.config());
        let x = meta.normalisation.tensor(&frame, network.device()).unwrap();
        let explanation = network.explain(&x).unwrap();
        let flows = &explanation.flows;
        let rates: Vec<_> = flows.iter().filter_map(|flow| flow.rate).collect();
        assert_eq!(rates, network.config().rates(), "{name}");
        assert_eq!((flows.len(), flows[0].rate), (rates.len() + 1, None), "{name}");
        let mut sum = vec![0.0; explanation.sum.elem_count()];
        for flow in flows {
            sum.iter_mut().zip(numbers(&flow.response)).for_each(|(sum, v)| *sum += v);
        }
        assert!(close(&sum, &numbers(&explanation.sum), 1e-3), "{name}");
        let shares: f64 = flows.iter().map(|flow| flow.share).sum();
        assert!((shares - 1.0).abs() < 1e-4, "{name}: {shares}");
        // The global flow is the same everywhere, the others are not.
        let varies = |response: &Tensor| {
            let rows = response.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
            rows.iter().any(|row| row.iter().any(|v| (v - row[0]).abs() > 1e-6))
        };
        assert!(!varies(&flows[0].response), "{name}");
        assert!(flows[1..].iter().any(|flow| varies(&flow.response)), "{name}");
        // Each flow is needed for something.
        let best = explanation.ranking().unwrap().best;
        assert!(flows.iter().any(|flow| flow.without != best), "{name}");
        assert!(flows.iter().all(|flow| (flow.without.width(), flow.without.height()) == (75, 53)));
        assert_ne!(explanation.without_context, best, "{name}");
        let gates = explanation.gates.unwrap();
        assert_eq!(gates.len(), explanation.context.dim(0).unwrap(), "{name}");
        assert!(gates.iter().all(|gate| (0.0..=1.0).contains(gate)), "{name}");
        let finer = explanation.detail.dims()[1] > explanation.context.dims()[1];
        assert!(finer, "{name}: {:?}", explanation.detail);
    }
}

/// (The goldens' gates are pushed to the ends, where `f32` rounds them to 0 and 1.)
#[test]
fn gates_are_neither_open_nor_shut() {
    for config in [common::assignment(3), common::small_canet(3)] {
        let (network, _) = common::build(&config, 7);
        let gates = network.explain(&golden::pictures(1, [40, 56])).unwrap().gates.unwrap();
        assert!(gates.iter().all(|&gate| gate > 0.0 && gate < 1.0), "{gates:?}");
        assert!(gates.iter().any(|&gate| (gate - gates[0]).abs() > 1e-3), "{gates:?}");
    }
    let ModelConfig::Canet(config) = common::small_canet(3) else { unreachable!() };
    let config = ModelConfig::Canet(CanetConfig { feature_selection: false, ..config });
    let explanation = common::build(&config, 7).0.explain(&golden::pictures(1, [24, 24]));
    assert_eq!(explanation.unwrap().gates, None);
}

/// A network of one flow less has what the longer one has without its last.
#[test]
fn a_flow_left_out_is_one_that_is_not_there() {
    let case = golden::cases().remove("assignment_64x64").expect("the goldens have it");
    let network = case.network();
    let (shorter, params) = {
        let mut config = network.config().clone();
        if let ModelConfig::Assignment(config) = &mut config {
            config.rates.pop();
        }
        common::build(&config, 1)
    };
    let (_, all) = case.build();
    let mut tensors = all.tensors();
    tensors.retain(|name, _| params.get(name).is_some());
    params.load(&tensors, "the shorter network").unwrap();
    let x = golden::pictures(1, [40, 56]);
    let without = &network.explain(&x).unwrap().flows.last().unwrap().without.clone();
    assert_eq!(*without, shorter.explain(&x).unwrap().ranking().unwrap().best);
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let (_, network) = networks().next().unwrap();
    for shape in [(2, 3, 20, 20), (1, 1, 20, 20), (1, 3, 0, 20)] {
        let x = Tensor::zeros(shape, canet_model::DType::F32, network.device()).unwrap();
        assert_eq!(network.explain(&x).unwrap_err().fault(), Fault::Usage, "{shape:?}");
    }
}
