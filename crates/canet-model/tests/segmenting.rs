//! Frames of every size get masks of their own size.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use canet_model::{
    Checkpoint, CheckpointMeta, Error, Fault, Options, Precision, Segmenter, Tensor, TestTime, Var,
};
use common::{assignment, build, frame, meta, small_canet};

#[test]
fn masks_have_the_frames_size() {
    for config in [assignment(5), small_canet(5)] {
        for input in [None, Some([1, 1]), Some([40, 24])] {
            let mut meta = meta(&config);
            meta.input = input;
            let segmenter = Segmenter::from_parts(build(&config, 4).0, meta).unwrap();
            for (width, height) in [(1, 1), (3, 200), (200, 3), (7, 7), (37, 53), (64, 48)] {
                let frame = frame(width, height);
                let result = segmenter.segment(&frame).unwrap();
                assert_eq!((result.mask.width(), result.mask.height()), (width, height));
                assert_eq!(result.mask.first_foreign(&result.classes), None);
                let total: f64 = result.shares().iter().sum();
                assert!((total - 1.0).abs() < 1e-9, "{total}");
                assert_eq!(result.shares().len(), 5);
                assert_eq!(result.overlay(&frame, 0.4).unwrap().dimensions(), (width, height));
                assert_eq!(result.color_image().dimensions(), (width, height));
            }
        }
    }
}

#[test]
fn what_cannot_be_segmented_is_refused() {
    let config = assignment(2);
    let (network, _) = build(&config, 4);
    let segmenter = Segmenter::from_parts(network.clone(), meta(&config)).unwrap();
    let error = segmenter.segment(&frame(0, 5)).unwrap_err().to_string();
    assert!(error.contains("no pixels"), "{error}");
    assert!(Segmenter::from_parts(network, meta(&assignment(3))).is_err());
}

/// Wherever it is that a number stopped being one, and although a ReLU may hide it from the scores.
#[test]
fn useless_weights_are_found_and_a_segmenter_is_a_snapshot() {
    let config = assignment(2);
    for (name, value) in [
        ("classifier.bias", f32::NAN),
        ("stem.conv.weight", f32::NAN),
        ("c3.conv_block.bn2.running_mean", f32::INFINITY),
        ("global_flow.bn.weight", f32::NAN),
        // A number, but not after some sums.
        ("classifier.weight", 3e38),
    ] {
        let (network, params) = build(&config, 4);
        let before = Segmenter::from_parts(network.clone(), meta(&config)).unwrap();
        let var: &Var = &params.get(name).unwrap().var;
        let values = Tensor::full(value, var.shape(), var.device()).unwrap();
        var.set(&values).unwrap();
        let segmenter = Segmenter::from_parts(network, meta(&config)).unwrap();
        let result = segmenter.segment(&frame(9, 9));
        assert!(matches!(result, Err(Error::NotFinite)), "{name}: {result:?}");
        before.segment(&frame(9, 9)).unwrap();
    }
}

fn test_time(scales: &[f64], flip: bool, tile: Option<&str>) -> TestTime {
    let tile = tile.map(|text| text.parse().unwrap());
    TestTime { scales: scales.to_vec(), flip, tile, ..TestTime::default() }
}

/// For frames at their own size and at one of the network's.
#[test]
fn one_whole_prediction_is_the_plain_one_bit_for_bit() {
    for config in [assignment(5), small_canet(5)] {
        for input in [None, Some([80, 56])] {
            let meta = CheckpointMeta { input, ..meta(&config) };
            let plain = Segmenter::from_parts(build(&config, 4).0, meta).unwrap();
            let frame = frame(75, 53);
            let scores = |segmenter: &Segmenter| -> Vec<f32> {
                segmenter.logits(&frame).unwrap().flatten_all().unwrap().to_vec1().unwrap()
            };
            let expected = scores(&plain);
            // A tile as large as the picture is the picture.
            for tile in [None, Some("80x56"), Some("400x300")] {
                let once = plain.clone().with_test_time(test_time(&[1.0], false, tile)).unwrap();
                assert!(scores(&once) == expected, "{input:?} {tile:?}");
                let masks = [&once, &plain].map(|s| s.segment(&frame).unwrap().mask);
                assert_eq!(masks[0], masks[1]);
            }
            let twice = plain.clone().with_test_time(test_time(&[1.0], true, None)).unwrap();
            assert!(scores(&twice) != expected);
        }
    }
}

#[test]
fn averaged_predictions_are_probabilities_of_the_frames_size() {
    for config in [assignment(4), small_canet(4)] {
        for input in [None, Some([40, 64])] {
            let meta = CheckpointMeta { input, ..meta(&config) };
            let plain = Segmenter::from_parts(build(&config, 4).0, meta).unwrap();
            let all = test_time(&[0.5, 1.5], true, Some("48x32"));
            let segmenter = plain.with_test_time(all).unwrap();
            for (width, height) in [(1, 1), (3, 50), (45, 33)] {
                let frame = frame(width, height);
                let (w, h) = (width as usize, height as usize);
                let scores = segmenter.logits(&frame).unwrap();
                assert_eq!(scores.dims4().unwrap(), (1, 4, h, w));
                let scores: Vec<f32> = scores.flatten_all().unwrap().to_vec1().unwrap();
                let mask = segmenter.segment(&frame).unwrap().mask;
                for pixel in 0..w * h {
                    let scores: Vec<f32> = (0..4).map(|c| scores[c * w * h + pixel]).collect();
                    let sum: f32 = scores.iter().map(|score| score.exp()).sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
                    let best = scores[usize::from(mask.ids()[pixel])];
                    assert!(scores.iter().all(|&score| score <= best));
                }
            }
            let error = segmenter.segment(&frame(0, 5)).unwrap_err().to_string();
            assert!(error.contains("no pixels"), "{error}");
        }
    }
}

#[test]
fn impossible_settings_are_refused() {
    let config = assignment(2);
    let segmenter = Segmenter::from_parts(build(&config, 4).0, meta(&config)).unwrap();
    let error = segmenter.with_test_time(test_time(&[9.0], false, None)).unwrap_err();
    assert!(error.to_string().contains("scale 9 is impossible"), "{error}");
    assert_eq!(error.fault(), Fault::Usage);
}

/// One whole prediction and the mean of two equal ones go different ways to the same confidence.
#[test]
fn confidence_is_the_probability_of_the_class() {
    for config in [assignment(5), small_canet(5)] {
        for input in [None, Some([80, 56])] {
            let meta = CheckpointMeta { input, ..meta(&config) };
            let plain = Segmenter::from_parts(build(&config, 4).0, meta).unwrap();
            assert!(plain.segment(&frame(9, 9)).unwrap().confidence.is_none());
            let plain = plain.with_confidence(true);
            let twice = plain.clone().with_test_time(test_time(&[1.0, 1.0], false, None)).unwrap();
            let frame = frame(75, 53);
            let [once, mean] = [&plain, &twice].map(|s| s.segment(&frame).unwrap());
            let scores = twice.logits(&frame).unwrap();
            let scores: Vec<f32> = scores.flatten_all().unwrap().to_vec1().unwrap();
            let [once_sure, mean_sure] = [once.confidence.unwrap(), mean.confidence.unwrap()];
            let mut off = 0.0_f32;
            for (pixel, &id) in mean.mask.ids().iter().enumerate() {
                let expected = scores[usize::from(id) * 75 * 53 + pixel].exp();
                off = off.max((mean_sure.values()[pixel] - expected).abs());
                // At another size than the network's, logits are enlarged on one way and
                // probabilities on the other.
                if input.is_none() {
                    off = off.max((once_sure.values()[pixel] - expected).abs());
                }
            }
            assert!(off < 1e-5, "{off}");
            assert!(once_sure.mean() > 0.2 && once_sure.mean() <= 1.0, "{}", once_sure.mean());
        }
    }
}

#[test]
fn masks_have_the_size_that_is_asked_for() {
    let config = assignment(3);
    let bytes = Checkpoint::to_bytes(&build(&config, 4).1, &meta(&config), &[]).unwrap();
    for test_time in [test_time(&[1.0], false, None), test_time(&[0.5, 1.0], true, Some("32x32"))] {
        let options = Options {
            output: Some([31, 17]),
            confidence: true,
            test_time: test_time.clone(),
            ..Options::cpu()
        };
        let checkpoint = Checkpoint::from_bytes(&bytes, "built in").unwrap();
        let segmenter = Segmenter::from_checkpoint(checkpoint, options).unwrap();
        for (width, height) in [(1, 1), (31, 17), (50, 70)] {
            let result = segmenter.segment(&frame(width, height)).unwrap();
            assert_eq!((result.mask.width(), result.mask.height()), (31, 17), "{test_time:?}");
            assert_eq!(result.confidence.unwrap().to_gray().dimensions(), (31, 17));
            assert!(segmenter.memory(width, height).unwrap() > 5 * 31 * 17);
        }
    }
}

#[test]
fn frames_side_by_side_are_what_they_are_alone() {
    let config = small_canet(5);
    let segmenter = Segmenter::from_parts(build(&config, 4).0, meta(&config)).unwrap();
    let frames: Vec<_> = [(40, 30), (0, 3), (33, 8), (1, 1), (40, 30), (64, 64), (9, 90)]
        .map(|(width, height)| frame(width, height))
        .into();
    let batch = segmenter.segment_batch(&frames);
    assert_eq!(batch.len(), frames.len());
    for (frame, result) in frames.iter().zip(batch) {
        match segmenter.segment(frame) {
            Ok(alone) => assert_eq!(result.unwrap().mask, alone.mask),
            Err(error) => assert_eq!(result.unwrap_err().to_string(), error.to_string()),
        }
    }
}

/// A file in half precision is the network whose weights were rounded, and has half the size.
#[test]
fn half_precision_is_rounded_once() {
    let (config, frame) = (small_canet(4), frame(40, 30));
    let (_, params) = build(&config, 4);
    let bytes = Checkpoint::to_bytes(&params, &meta(&config), &[]).unwrap();
    let read = |bytes: &[u8]| Checkpoint::from_bytes(bytes, "built in").unwrap();
    let half = read(&bytes).to_lean_bytes(Precision::F16).unwrap();
    assert!(half.len() < bytes.len() * 55 / 100, "{} of {}", half.len(), bytes.len());
    assert_eq!(read(&half).to_lean_bytes(Precision::F16).unwrap(), half);
    assert!(read(&half).meta.training == read(&bytes).meta.training);
    let logits = |bytes: &[u8], precision| -> Vec<f32> {
        let options = Options { precision, ..Options::cpu() };
        let segmenter = Segmenter::from_checkpoint(read(bytes), options).unwrap();
        segmenter.logits(&frame).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let rounded = logits(&bytes, Precision::F16);
    assert!(logits(&half, Precision::F32) == rounded && logits(&half, Precision::F16) == rounded);
    assert!(logits(&bytes, Precision::F32) != rounded);
    let lean = read(&bytes).to_lean_bytes(Precision::F32).unwrap();
    assert!(logits(&lean, Precision::F32) == logits(&bytes, Precision::F32));
}
