//! A GPU's memory that does not suffice for what a plan tries, in one sentence.

use super::advice::Footprint;
use super::gauge::Reading;
use crate::Error;
use crate::config::Config;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Tried<'a> {
    /// The weights were laid out.
    Weights,
    /// A step, or a pass of it, on one frame.
    Frame,
    /// A validation frame was predicted.
    Validation,
    /// A step on whole batches, after what one frame has told.
    Step(Option<&'a Footprint>),
}

impl Tried<'_> {
    /// `error` with what to do, if the GPU is full; `start` is what the GPU had before.
    pub(super) fn full(self, error: Error, start: Option<Reading>, config: &Config) -> Error {
        if !error.is_full_device() {
            return error;
        }
        let free = match start {
            Some(Reading { free, total, .. }) => {
                format!(" ({free:.0} of {total:.0} MiB were free)")
            }
            None => String::new(),
        };
        let (batch, passes) = (config.data.batch, config.optimizer.accumulate);
        let smaller =
            "a smaller model (model.depth, model.capacity, or network = \"canet-assignment\")";
        let (what, advice) = match self {
            Self::Weights => ("the network".to_owned(), format!("choose {smaller}")),
            Self::Frame => (
                format!("a step on 1 frame, and so on data.batch = {batch},"),
                format!("lower data.augment.crop, or choose {smaller}"),
            ),
            Self::Validation => (
                "the prediction of a whole validation frame, beside what training keeps,".into(),
                format!(
                    "lower data.augment.base, data.batch, which is {batch}, or choose {smaller}"
                ),
            ),
            Self::Step(_) if batch == 1 => (
                "a step on data.batch = 1 frame".to_owned(),
                format!("lower data.augment.crop, or choose {smaller}"),
            ),
            Self::Step(footprint) => {
                let room = start.map(|start| start.free as u64);
                let predicted = footprint.zip(room).map(|(print, room)| print.fitting(room));
                // Whatever was predicted, the whole batch was tried.
                let fewer = predicted.unwrap_or(batch).clamp(1, batch / 2);
                let passes = (batch * passes).div_ceil(fewer);
                (
                    format!("a step on data.batch = {batch} frames"),
                    format!(
                        "try --set recompute=true, if the network is canet, --set 'data.batch={fewer}' --set 'optimizer.accumulate={passes}', or lower data.augment.crop"
                    ),
                )
            }
        };
        let message = format!("{what} does not fit into the GPU's memory{free}: {advice}");
        Error::DoesNotFit { message, source: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver(words: &str) -> Error {
        candle_core::Error::Msg(words.to_owned()).into()
    }

    const OUT: &str = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";

    #[test]
    fn a_full_gpu_is_one_sentence_with_what_to_do_and_exit_code_5() {
        let start = Reading { free: 9_000.4, total: 10_000.0, tensors: 0.0 };
        // 200 last, and a frame takes 1000: 7 of them are 7200 and a tenth.
        let footprint =
            Footprint::of_one_frame([100.0, 1_200.0, 300.0], [0.0, 0.0, 100.0, 0.0], 32);
        let step = Tried::Step(Some(&footprint));
        for (tried, batch, parts) in [
            (Tried::Weights, 8, ["the network does not fit", "9000 of 10000 MiB", "smaller model"]),
            (Tried::Frame, 8, ["data.batch = 8,", "9000 of 10000 MiB", "data.augment.crop"]),
            (Tried::Validation, 8, ["validation frame", "which is 8", "data.augment.base"]),
            (step, 1, ["data.batch = 1 frame", "9000 of", "crop"]),
            (step, 32, ["data.batch = 32 frames", "data.batch=7'", "accumulate=10'"]),
            // What was predicted to fit did not.
            (step, 8, ["data.batch = 8 frames", "data.batch=4'", "accumulate=4'"]),
            (Tried::Step(None), 2, ["data.batch = 2 frames", "data.batch=1'", "accumulate=4'"]),
        ] {
            let mut config = Config::default();
            config.data.batch = batch;
            config.optimizer.accumulate = 2;
            let error = tried.full(driver(OUT), Some(start), &config);
            let text = error.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{tried:?} {batch}: {text}");
            assert_eq!((error.exit_code(), text.lines().count()), (5, 1), "{text}");
        }
        let text = step.full(driver(OUT), None, &Config::default()).to_string();
        assert!(!text.contains("MiB"), "{text}");
    }

    #[test]
    fn other_errors_stay_what_they_are() {
        let error = Tried::Frame.full(driver("shape mismatch"), None, &Config::default());
        assert_eq!(
            (error.exit_code(), error.to_string().as_str()),
            (1, "computing failed: shape mismatch")
        );
    }
}
