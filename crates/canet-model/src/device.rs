//! Where and how exactly to compute: the one place that turns a user's words into a device and its
//! arithmetic.

use std::str::FromStr;

use candle_core::{DType, Device};

use crate::{Error, Result};

/// The device of a name: `cpu`, `cuda:N` (or `cuda` for the first), `metal`, or `auto` for the best
/// that this program was built for and this machine has.
///
/// ```
/// use canet_model::parse_device;
///
/// assert!(parse_device("cpu")?.is_cpu());
/// assert!(parse_device("gpu").is_err());
/// # Ok::<(), canet_model::Error>(())
/// ```
pub fn parse_device(text: &str) -> Result<Device> {
    match text {
        "auto" => Ok(best_device()),
        "cpu" => Ok(Device::Cpu),
        "metal" => metal(text),
        "cuda" => cuda(text, 0),
        _ => match text.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(number)) => cuda(text, number),
            _ => Err(refuse(
                text,
                "is not known; use auto, cpu, cuda:0 (or another number) or metal",
            )),
        },
    }
}

/// The best that this program was built for and this machine has.
pub(crate) fn best_device() -> Device {
    cuda("auto", 0).or_else(|_| metal("auto")).unwrap_or(Device::Cpu)
}

fn cuda(asked: &str, number: usize) -> Result<Device> {
    #[cfg(feature = "cuda")]
    {
        canet_ops::cuda::open(number).map_err(|e| absent(asked, &e))
    }
    #[cfg(not(feature = "cuda"))]
    {
        let _ = number;
        Err(refuse(asked, "this program was built without CUDA; add --features cuda"))
    }
}

fn metal(asked: &str) -> Result<Device> {
    if !cfg!(feature = "metal") {
        return Err(refuse(asked, "this program was built without Metal; add --features metal"));
    }
    Device::new_metal(0).map_err(|e| absent(asked, &e))
}

/// In one sentence: what may follow on more lines is where in the program it happened.
fn absent(asked: &str, error: &candle_core::Error) -> Error {
    let words = error.to_string();
    let reason = words.lines().next().unwrap_or_default().to_owned();
    Error::NoDevice { asked: asked.to_owned(), reason }
}

fn refuse(asked: &str, reason: &str) -> Error {
    Error::Device { asked: asked.to_owned(), reason: reason.to_owned() }
}

/// How exactly activations are kept and convolutions computed. Parameters, statistics, losses and
/// optimisers are `f32` in any case.
///
/// ```
/// use canet_model::{Arithmetic, Device};
///
/// assert_eq!(Arithmetic::best(&Device::Cpu), Arithmetic::F32);
/// assert_eq!("bf16".parse(), Ok(Arithmetic::Bf16));
/// assert!(Arithmetic::Bf16.check(&Device::Cpu).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arithmetic {
    /// 24 bits of mantissa throughout.
    #[default]
    F32,
    /// `f32`, but for the factors of convolutions, which are rounded to 11 bits. On GPUs only.
    Tf32,
    /// Activations and factors of 8 bits, with the range of `f32`: gradients need no scaling to stay
    /// above 0, as they do in `f16`. On GPUs only.
    Bf16,
    /// Activations and factors of 11 bits up to 65,504, for predictions only: nearer to `f32` than bf16, as
    /// fast, and too short for gradients. On GPUs only.
    F16,
}

impl Arithmetic {
    /// What a device is best at: bf16 on GPUs with kernels of our own, else `f32`.
    pub fn best(device: &Device) -> Self {
        if device.is_cuda() { Self::Bf16 } else { Self::F32 }
    }

    /// The type of activations.
    pub fn activations(self) -> DType {
        match self {
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
            Self::F32 | Self::Tf32 => DType::F32,
        }
    }

    /// Refuses what a device cannot do.
    pub fn check(self, device: &Device) -> Result<()> {
        if self == Self::F32 || device.is_cuda() {
            return Ok(());
        }
        Err(Error::Config(format!("{self} is for GPUs (--device cuda:0); here it is f32")))
    }

    /// Refuses what gradients cannot be computed in.
    pub fn check_training(self) -> Result<()> {
        if self == Self::F16 {
            let reason = "f16 is for predictions: small gradients would be 0 in it; train in bf16";
            return Err(Error::Config(reason.into()));
        }
        Ok(())
    }
}

impl std::fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

impl FromStr for Arithmetic {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let all = [Self::F32, Self::Tf32, Self::Bf16, Self::F16];
        let found = all.into_iter().find(|one| one.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is not known; use f32, tf32, bf16 or f16"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_or_refused() {
        parse_device("auto").unwrap();
        for text in ["", "CPU", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "tpu"] {
            let error = parse_device(text).unwrap_err().to_string();
            assert!(error.contains("use auto"), "{error}");
        }
        for (text, trains) in [("f32", true), ("tf32", true), ("bf16", true), ("f16", false)] {
            let arithmetic: Arithmetic = text.parse().unwrap();
            assert_eq!(arithmetic.to_string(), text);
            assert_eq!(arithmetic.check_training().is_ok(), trains, "{text}");
        }
        if !cfg!(feature = "cuda") {
            assert!(parse_device("cuda:1").unwrap_err().to_string().contains("--features cuda"));
        }
        if !cfg!(feature = "metal") {
            assert!(parse_device("metal").unwrap_err().to_string().contains("--features metal"));
        }
    }
}
