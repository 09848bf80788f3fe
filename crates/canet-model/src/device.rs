//! Where to compute: the one place that turns a user's word into a device.

use candle_core::Device;

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
    if !cfg!(feature = "cuda") {
        return Err(refuse(asked, "this program was built without CUDA; add --features cuda"));
    }
    Device::new_cuda(number).map_err(|e| refuse(asked, &e.to_string()))
}

fn metal(asked: &str) -> Result<Device> {
    if !cfg!(feature = "metal") {
        return Err(refuse(asked, "this program was built without Metal; add --features metal"));
    }
    Device::new_metal(0).map_err(|e| refuse(asked, &e.to_string()))
}

fn refuse(asked: &str, reason: &str) -> Error {
    Error::Device { asked: asked.to_owned(), reason: reason.to_owned() }
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
        if !cfg!(feature = "cuda") {
            assert!(parse_device("cuda:1").unwrap_err().to_string().contains("--features cuda"));
        }
        if !cfg!(feature = "metal") {
            assert!(parse_device("metal").unwrap_err().to_string().contains("--features metal"));
        }
    }
}
