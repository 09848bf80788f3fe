//! How a trained network is used: where it computes, and what is done with a frame.

use candle_core::{DType, Device, Tensor};
use canet_core::MAX_SIDE;

use crate::device::best_device;
use crate::{Arithmetic, Error, Result, TestTime};

/// What [`crate::Segmenter::load`] is told. The default is the best device at hand, the weights as
/// they are, one prediction a frame, and a mask of the frame's size.
///
/// ```
/// use canet_model::{Device, Options, TestTime};
///
/// let mirrored = TestTime { flip: true, ..TestTime::default() };
/// let options = Options { device: Device::Cpu, test_time: mirrored, ..Options::default() };
/// options.check()?;
/// # Ok::<(), canet_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to compute; [`crate::parse_device`] understands people.
    pub device: Device,
    /// How exactly the weights are kept.
    pub precision: Precision,
    /// How exactly a GPU computes; the CPU computes in `f32`.
    pub arithmetic: Arithmetic,
    /// Scales, mirror images and tiles.
    pub test_time: TestTime,
    /// Width and height of the masks; `None` for those of each frame.
    pub output: Option<[u32; 2]>,
    /// Whether each [`crate::Segmentation`] tells how sure it is.
    pub confidence: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { device: best_device(), ..Self::cpu() }
    }
}

impl Options {
    /// The defaults, on the CPU.
    pub fn cpu() -> Self {
        Self {
            device: Device::Cpu,
            precision: Precision::F32,
            arithmetic: Arithmetic::F32,
            test_time: TestTime::default(),
            output: None,
            confidence: false,
        }
    }

    /// Refuses what cannot be meant, naming the bounds.
    pub fn check(&self) -> Result<()> {
        self.test_time.check()?;
        match self.output {
            Some([w, h]) if [w, h].iter().any(|side| !(1..=MAX_SIDE).contains(side)) => {
                Err(Error::Config(format!(
                    "masks of {w}x{h} are impossible; sides of 1 to {MAX_SIDE} are possible"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// How exactly weights are kept. How exactly is computed with them is [`Arithmetic`]'s affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As they were trained.
    #[default]
    F32,
    /// Those of convolutions rounded to half precision, which a file of half the size can hold.
    F16,
}

impl Precision {
    /// Whether a tensor is rounded: those of convolutions are, but for any that half precision
    /// cannot hold. Biases, batch norms and their statistics are few, and reach from the tiny to the
    /// huge; they are left as they are.
    pub(crate) fn rounds(self, tensor: &Tensor) -> Result<bool> {
        if self == Self::F32 || tensor.rank() < 2 || tensor.dtype() != DType::F32 {
            return Ok(false);
        }
        let rounded = tensor.to_dtype(DType::F16)?.to_dtype(DType::F32)?;
        let values = rounded.flatten_all()?.to_vec1::<f32>()?;
        Ok(values.iter().all(|value| value.is_finite()))
    }
}

/// `f32` or `f16`, as in file names of models.
impl std::str::FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            _ => Err(Error::Config(format!("precision {text:?} is not known; use f32 or f16"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_options_are_refused() {
        let scales = TestTime { scales: vec![], ..TestTime::default() };
        for (options, needle) in [
            (Options { output: Some([0, 5]), ..Options::cpu() }, "masks of 0x5 are impossible"),
            (Options { output: Some([5, MAX_SIDE + 1]), ..Options::cpu() }, "1 to 16384"),
            (Options { test_time: scales, ..Options::cpu() }, "0 scales"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
        Options::default().check().unwrap();
        assert!("f64".parse::<Precision>().unwrap_err().to_string().contains("use f32 or f16"));
        assert_eq!("f16".parse::<Precision>().unwrap(), Precision::F16);
    }

    #[test]
    fn only_what_half_precision_holds_is_rounded() {
        let tensor = |values: &[f32], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
        };
        for (tensor, expected) in [
            (tensor(&[1.0, -0.1], &[2, 1]), true),
            (tensor(&[1.0, -0.1], &[2]), false),
            (tensor(&[1.0, 70_000.0], &[1, 2]), false),
            (tensor(&[1.0, f32::NAN], &[1, 2]), false),
        ] {
            assert_eq!(Precision::F16.rounds(&tensor).unwrap(), expected, "{tensor}");
            assert!(!Precision::F32.rounds(&tensor).unwrap());
        }
    }
}
