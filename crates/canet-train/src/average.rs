//! An exponential moving average of the weights: often better than the weights themselves, which
//! still jump about while the learning rate is high (Polyak and Juditsky 1992).

use std::collections::BTreeMap;

use canet_model::{Arithmetic, ModelConfig, Network, Params, TRAINING_PREFIX, Tensor};
use canet_ops::{Judge, average_all_in_place};

use crate::Result;
use crate::config::EmaConfig;

/// What the names of the averages in a checkpoint start with, behind [`TRAINING_PREFIX`].
const PREFIX: &str = "ema.";

/// A second network, whose parameters and batch norm statistics are averages of the first's, in
/// `f32`.
pub(crate) struct Average {
    decay: f64,
    warmup: bool,
    /// The network of the averages.
    pub(crate) network: Network,
    /// The averages.
    pub(crate) params: Params,
}

impl Average {
    /// An average that starts as a copy of `params`, the parameters of `model`; `None` if the
    /// configuration asks for none.
    pub(crate) fn new(
        config: &EmaConfig,
        model: &ModelConfig,
        params: &Params,
    ) -> Result<Option<Self>> {
        let Some(decay) = config.decay else { return Ok(None) };
        let mut averages = Params::blank(params.device());
        let network = Network::new(model, &mut averages)?;
        let copies =
            params.iter().map(|param| (param.name.clone(), param.var.as_detached_tensor()));
        averages.load(&copies.collect(), "the network")?;
        Ok(Some(Self { decay, warmup: config.warmup, network, params: averages }))
    }

    /// The same, whose network computes as `arithmetic` says.
    pub(crate) fn with_arithmetic(self, arithmetic: Arithmetic) -> Result<Self> {
        Ok(Self { network: self.network.with_arithmetic(arithmetic)?, ..self })
    }

    /// Takes in what `params` are after optimiser step `step`, which counts from 0; with a judge, if that step counts.
    pub(crate) fn update(&self, params: &Params, step: u64, judge: Option<&Judge>) -> Result<()> {
        let share = 1.0 - self.decay_at(step);
        let pairs = self.params.iter().zip(params.iter());
        let pairs = pairs.map(|(average, param)| (&average.var, param.var.as_detached_tensor()));
        Ok(average_all_in_place(&pairs.collect::<Vec<_>>(), share, judge)?)
    }

    /// What step `step` leaves of the average.
    fn decay_at(&self, step: u64) -> f64 {
        let early = (1 + step) as f64 / (10 + step) as f64;
        if self.warmup { self.decay.min(early) } else { self.decay }
    }

    /// What a checkpoint has to keep, under names that inference ignores.
    pub(crate) fn tensors(&self) -> Vec<(String, Tensor)> {
        let of = |name: &str| format!("{TRAINING_PREFIX}{PREFIX}{name}");
        self.params.iter().map(|p| (of(&p.name), p.var.as_detached_tensor())).collect()
    }

    /// Goes on from a checkpoint's tensors for the training, as [`Self::tensors`] gave them;
    /// `origin` names them in errors.
    pub(crate) fn restore(&self, tensors: &BTreeMap<String, Tensor>, origin: &str) -> Result<()> {
        let prefix = format!("{TRAINING_PREFIX}{PREFIX}");
        let ours = tensors.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
        });
        Ok(self.params.load(&ours.collect(), &format!("{origin}: the average of the weights"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_model::{AssignmentConfig, Device};

    fn model() -> ModelConfig {
        ModelConfig::Assignment(AssignmentConfig { classes: 2, ..Default::default() })
    }

    fn network() -> Params {
        let mut params = Params::new(1, &Device::Cpu);
        Network::new(&model(), &mut params).unwrap();
        params
    }

    fn first(params: &Params, name: &str) -> f64 {
        let values = params.get(name).unwrap().var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        f64::from(values[0])
    }

    #[test]
    fn weights_and_statistics_are_averaged_and_kept() {
        let names = ["stem.conv.weight", "stem.bn.running_mean", "stem.bn.running_var"];
        for (config, decays) in [
            (EmaConfig { decay: Some(0.15), warmup: true }, [0.1, 0.15, 0.15]),
            (EmaConfig { decay: Some(0.9), warmup: true }, [0.1, 2.0 / 11.0, 0.25]),
            (EmaConfig { decay: Some(0.9), warmup: false }, [0.9, 0.9, 0.9]),
        ] {
            let params = network();
            let average = Average::new(&config, &model(), &params).unwrap().unwrap();
            let mut expected = names.map(|name| first(&params, name));
            for (step, decay) in (0..).zip(decays) {
                for name in names {
                    let var = &params.get(name).unwrap().var;
                    var.set(&(var.as_detached_tensor() + 1.5).unwrap()).unwrap();
                }
                average.update(&params, step, None).unwrap();
                for (expected, name) in expected.iter_mut().zip(names) {
                    *expected = decay * *expected + (1.0 - decay) * first(&params, name);
                    let ours = first(&average.params, name);
                    assert!((ours - *expected).abs() < 1e-5, "{name} {step}: {ours} {expected}");
                }
            }
            let kept = average.tensors().into_iter().collect();
            let resumed = Average::new(&config, &model(), &network()).unwrap().unwrap();
            resumed.restore(&kept, "a file").unwrap();
            for name in names {
                assert_eq!(
                    first(&resumed.params, name).to_bits(),
                    first(&average.params, name).to_bits()
                );
            }
            let error = resumed.restore(&BTreeMap::new(), "a file").unwrap_err().to_string();
            assert!(error.contains("a file: the average"), "{error}");
        }
        let off = Average::new(&EmaConfig::default(), &model(), &network()).unwrap();
        assert!(off.is_none());
    }
}
