//! Frames of every size get masks of their own size.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use canet_model::{CheckpointMeta, Error, Fault, Segmenter, Tensor, TestTime, Var};
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
    TestTime { scales: scales.to_vec(), flip, tile }
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
