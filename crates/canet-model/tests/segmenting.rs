//! Frames of every size get masks of their own size.

mod common;

use canet_model::{Error, Segmenter, Tensor, Var};
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
