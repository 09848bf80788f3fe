use canet_core::{Class, Rgb};
use canet_ops::ConvGeometry;

use super::*;
use crate::lowered::{Bins, Folding, GraphBuilder, Padding, ValueId};
use crate::{AssignmentConfig, ModelConfig, Tile};

#[test]
fn the_first_of_equal_scores_wins() {
    let scores = [0.0, 1.0, 2.0, -1.0, 0.0, 3.0, 2.0, -3.0, 0.0, 3.0, 9.0, -2.0];
    let mut ids = [9; 4];
    best_classes(&scores, &mut ids).unwrap();
    assert_eq!(ids, [0, 1, 2, 0]);
    assert!(matches!(best_classes(&[0.0, f32::NAN], &mut [0]), Err(Error::NotFinite)));
}

#[test]
fn segmenters_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Segmenter>();
}

/// Two 1x1 convolutions with a ReLU between them: a network that looks at single pixels.
fn local_segmenter(classes: usize) -> Segmenter {
    segmenter(classes, false)
}

/// With `global`, the second convolution is opened and shut by two global averages, one of which
/// depends on the other.
fn segmenter(classes: usize, global: bool) -> Segmenter {
    let mut g = GraphBuilder::new();
    let layer = |g: &mut GraphBuilder, x, inputs: usize, outputs: usize, relu| {
        let value = |i: usize| (i * 37 % 101) as f32 / 50.0 - 1.0;
        let values: Vec<f32> = (0..inputs * outputs).map(value).collect();
        let weight = Tensor::from_vec(values, (outputs, inputs, 1, 1), &Device::Cpu).unwrap();
        let padding = Padding::Fixed([[0; 2]; 2]);
        let folding = Folding::new(&weight, None, ConvGeometry::default(), padding).unwrap();
        g.conv(x, folding, relu).unwrap()
    };
    let mut hidden = layer(&mut g, ValueId::PICTURE, 3, 12, true);
    for _ in 0..if global { 2 } else { 0 } {
        let mean = g.average_pool(hidden, Bins::Global);
        hidden = g.gate(hidden, mean, true);
    }
    let logits = layer(&mut g, hidden, 12, classes, false);
    let frozen = Frozen::from_lowered(g.finish(logits, Corners::Aligned)).unwrap();
    let engine = Engine::Frozen(Arc::new(frozen));
    let class = |id: usize| Class { name: format!("class {id}"), color: Rgb([id as u8, 7, 9]) };
    let classes = ClassSet { name: "test".into(), classes: (0..classes).map(class).collect() };
    let model = AssignmentConfig { classes: classes.len(), ..Default::default() };
    let meta = CheckpointMeta::new(ModelConfig::Assignment(model), classes);
    let test_time = TestTime::default();
    let (classes, meta) = (Arc::new(meta.classes.clone()), Arc::new(meta));
    Segmenter { engine, meta, classes, test_time, output: None, confidence: false }
}

fn frame(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([x * 7 % 256, (x + y) * 5 % 256, (x * x + y * 11) % 251].map(|v| v as u8))
    })
}

#[test]
fn tiled_is_whole_for_a_network_of_single_pixels() {
    let plain = local_segmenter(5);
    // The same prediction twice: its mean is that of one whole frame.
    let twice = TestTime { scales: vec![1.0, 1.0], ..TestTime::default() };
    let averaged = plain.clone().with_test_time(twice).unwrap();
    for (width, height) in [(200, 133), (97, 64), (65, 35), (20, 90)] {
        let frame = frame(width, height);
        let scores = |segmenter: &Segmenter| -> Vec<f32> {
            segmenter.logits(&frame).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        let (mask, whole) = (plain.segment(&frame).unwrap().mask, scores(&averaged));
        for (score, expected) in whole.iter().zip(softmax(&scores(&plain), 5)) {
            assert!((f64::from(*score).exp() - expected).abs() < 1e-6, "{score} {expected}");
        }
        for (tile, overlap) in [("32x32", 0.25), ("64x40", 0.5), ("41x57", 0.0)] {
            let tile = Some(Tile { overlap, ..tile.parse().unwrap() });
            let tiles = TestTime { tile, ..TestTime::default() };
            let tiled = plain.clone().with_test_time(tiles).unwrap();
            let in_tiles = tiled.segment(&frame).unwrap().mask;
            let differing = in_tiles.ids().iter().zip(mask.ids()).filter(|(a, b)| a != b).count();
            assert_eq!(differing, 0, "{width}x{height} {tile:?}");
            assert!(scores(&tiled) == whole, "{width}x{height} {tile:?}");
        }
    }
}

/// Per pixel, in double precision.
fn softmax(logits: &[f32], classes: usize) -> Vec<f64> {
    let pixels = logits.len() / classes;
    let exp = |i: usize| f64::from(logits[i]).exp();
    let sum = |pixel| (0..classes).map(|class| exp(class * pixels + pixel)).sum::<f64>();
    (0..logits.len()).map(|i| exp(i) / sum(i % pixels)).collect()
}

/// Tiles of a network that learns nothing but averages from the rest of the picture.
#[test]
fn tiles_that_share_their_context_are_parts_of_the_whole() {
    let whole = segmenter(4, true);
    for (width, height) in [(200, 136), (97, 64), (65, 40)] {
        let frame = frame(width, height);
        let scores = |test_time: TestTime| -> Vec<f32> {
            let segmenter = whole.clone().with_test_time(test_time).unwrap();
            segmenter.logits(&frame).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        let expected = scores(TestTime { scales: vec![1.0, 1.0], ..TestTime::default() });
        let off = |share_context, flip| {
            let tile = Some(Tile { overlap: 0.5, .."48x32".parse().unwrap() });
            let found = scores(TestTime { flip, tile, share_context, ..TestTime::default() });
            found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert!(off(true, false) < 1e-4 && off(true, true) < 1e-4, "{width}x{height}");
        assert!(off(false, false) > 1e-2, "{width}x{height}");
    }
}
