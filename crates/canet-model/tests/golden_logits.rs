//! Both networks against an independent implementation: `goldens/make_goldens.py`.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::collections::BTreeMap;
use std::path::Path;

use canet_model::{
    AssignmentConfig, CanetConfig, Device, ModelConfig, Network, Params, Pass, Tensor, serde_json,
};
use safetensors::SafeTensors;
use serde::Deserialize;

/// Absolute; the logits are about 1 to 10.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    network: String,
    classes: usize,
    rates: Vec<usize>,
    depth: Option<u32>,
    stem: Option<String>,
    aux: Option<bool>,
    batch: usize,
    size: [usize; 2],
    every: usize,
}

impl Case {
    fn config(&self) -> ModelConfig {
        let (classes, rates) = (self.classes, self.rates.clone());
        if self.network == "canet-assignment" {
            return ModelConfig::Assignment(AssignmentConfig {
                classes,
                rates,
                ..Default::default()
            });
        }
        ModelConfig::Canet(CanetConfig {
            depth: self.depth.unwrap().try_into().unwrap(),
            stem: serde_json::from_value(self.stem.clone().into()).unwrap(),
            aux: self.aux.unwrap(),
            classes,
            rates,
            ..Default::default()
        })
    }
}

#[test]
fn logits_equal_the_independent_implementation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/networks.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let goldens = SafeTensors::deserialize(&bytes).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases: BTreeMap<_, _> = header.metadata().iter().flatten().collect();
    assert_eq!(cases.len(), 6);
    let mut compared = 0;
    for (name, json) in cases {
        let case: Case = serde_json::from_str(json).unwrap();
        for (output, logits) in outputs(&case) {
            let golden = goldens.tensor(&format!("{name}.{output}")).unwrap();
            let golden = golden.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            let ours = logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let ours = ours.into_iter().step_by(case.every);
            assert_eq!(golden.len(), ours.len(), "{name}.{output}");
            let difference = golden.zip(ours).map(|(g, o)| (g - o).abs()).fold(0.0, f32::max);
            println!("{name}.{output}: largest difference {difference:.2e}");
            assert!(difference <= TOLERANCE, "{name}.{output}: {difference}");
            compared += 1;
        }
    }
    assert_eq!(compared, 7);
}

fn outputs(case: &Case) -> Vec<(&'static str, Tensor)> {
    let mut params = Params::blank(&Device::Cpu);
    let network = Network::new(&case.config(), &mut params).unwrap();
    for param in params.iter() {
        let values = parameter(&param.name, param.var.dims());
        let values = Tensor::from_vec(values, param.var.shape(), &Device::Cpu).unwrap();
        param.var.set(&values).unwrap();
    }
    let [h, w] = case.size;
    let x = uniform("input", case.batch * 3 * h * w).map(|u| (4.0 * u - 2.0) as f32).collect();
    let x = Tensor::from_vec::<_, f32>(x, (case.batch, 3, h, w), &Device::Cpu).unwrap();
    let output = network.forward(&x, Pass::Eval).unwrap();
    assert_eq!(output.aux.is_some(), case.aux.unwrap_or(false));
    [("logits", Some(output.logits)), ("aux", output.aux)]
        .into_iter()
        .filter_map(|(name, tensor)| Some((name, tensor?.into_tensor())))
        .collect()
}

/// As `parameter` in the script: a parameter's name and shape tell what it is.
fn parameter(name: &str, shape: &[usize]) -> Vec<f32> {
    let u = uniform(name, shape.iter().product());
    if name.ends_with("weight") && shape.len() == 4 {
        let limit = (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
        u.map(|u| ((2.0 * u - 1.0) * limit) as f32).collect()
    } else if name.ends_with("weight") || name.ends_with("running_var") {
        u.map(|u| (0.5 + u) as f32).collect()
    } else {
        assert!(name.ends_with("bias") || name.ends_with("running_mean"), "{name}");
        u.map(|u| (0.1 * (2.0 * u - 1.0)) as f32).collect()
    }
}

/// As `uniform` in the script: splitmix64 started at the FNV-1a hash of the name.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (1..=count as u64).map(move |index| {
        let z = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    })
}
