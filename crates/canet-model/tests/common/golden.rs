//! The networks of `goldens/make_goldens.py`, with its weights: a formula on both sides.

use std::collections::BTreeMap;
use std::path::Path;

use canet_model::{
    AssignmentConfig, CanetConfig, Device, ModelConfig, Network, Params, Tensor, serde_json,
};
use safetensors::SafeTensors;
use serde::Deserialize;

/// One network of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    network: String,
    classes: usize,
    rates: Vec<usize>,
    depth: Option<u32>,
    stem: Option<String>,
    pub(crate) aux: Option<bool>,
    pub(crate) batch: usize,
    pub(crate) size: [usize; 2],
    pub(crate) every: usize,
}

/// The share of a batch in running statistics, in the script.
const MOMENTUM: f64 = 0.1;

/// The bytes of the file of logits.
pub(crate) fn file() -> Vec<u8> {
    read("networks.safetensors")
}

/// The bytes of a file of goldens.
pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)).unwrap()
}

/// All networks of the file, by name.
pub(crate) fn cases() -> BTreeMap<String, Case> {
    let (_, header) = SafeTensors::read_metadata(&file()).unwrap();
    let cases: BTreeMap<_, _> = header
        .metadata()
        .iter()
        .flatten()
        .map(|(name, json)| (name.clone(), serde_json::from_str(json).unwrap()))
        .collect();
    assert_eq!(cases.len(), 6);
    cases
}

impl Case {
    fn config(&self) -> ModelConfig {
        let (classes, rates) = (self.classes, self.rates.clone());
        if self.network == "canet-assignment" {
            return ModelConfig::Assignment(AssignmentConfig {
                classes,
                rates,
                batch_norm_momentum: MOMENTUM,
                ..Default::default()
            });
        }
        ModelConfig::Canet(CanetConfig {
            depth: self.depth.unwrap().try_into().unwrap(),
            stem: serde_json::from_value(self.stem.clone().into()).unwrap(),
            aux: self.aux.unwrap(),
            classes,
            rates,
            batch_norm_momentum: MOMENTUM,
            dropout: 0.0,
            head_dropout: 0.0,
            ..Default::default()
        })
    }

    /// The network with the formula's weights and statistics.
    pub(crate) fn network(&self) -> Network {
        self.build().0
    }

    /// The network and its parameters.
    pub(crate) fn build(&self) -> (Network, Params) {
        let mut params = Params::blank(&Device::Cpu);
        let network = Network::new(&self.config(), &mut params).unwrap();
        for param in params.iter() {
            let values = parameter(&param.name, param.var.dims());
            let values = Tensor::from_vec(values, param.var.shape(), &Device::Cpu).unwrap();
            param.var.set(&values).unwrap();
        }
        (network, params)
    }
}

/// Pictures `(batch, 3, height, width)` by the formula.
pub(crate) fn pictures(batch: usize, [h, w]: [usize; 2]) -> Tensor {
    let x = uniform("input", batch * 3 * h * w).map(|u| (4.0 * u - 2.0) as f32).collect();
    Tensor::from_vec::<_, f32>(x, (batch, 3, h, w), &Device::Cpu).unwrap()
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
pub(crate) fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
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
