//! Segmenting on an NVIDIA GPU: `cargo test -p canet-model --features cuda --test on_gpu -- --ignored --test-threads 1`, on a
//! machine that has one. (One at a time: what makes a network would be recorded by another test.)
#![cfg(feature = "cuda")]

use canet_model::{
    Arithmetic, AssignmentConfig, CheckpointMeta, Class, ClassSet, Device, ModelConfig, Network,
    Params, Rgb, Segmenter, parse_device,
};
use image::RgbImage;

fn segmenter(device: &Device, arithmetic: Arithmetic) -> Segmenter {
    let mut params = Params::new(7, device);
    let config = ModelConfig::Assignment(AssignmentConfig { classes: 5, ..Default::default() });
    let network = Network::new(&config, &mut params).unwrap().with_arithmetic(arithmetic).unwrap();
    let class = |id: u8| Class { name: format!("class {id}"), color: Rgb([id, 7, 9]) };
    let classes = ClassSet { name: "test".into(), classes: (0..5).map(class).collect() };
    Segmenter::from_parts(network, CheckpointMeta::new(config, classes)).unwrap()
}

fn frame(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let [a, b, c] = [x * 7 + seed * 31, (x + y) * 5, x * x / 9 + y * (11 + seed)];
        image::Rgb([a, b, c].map(|v| (v % 256) as u8))
    })
}

fn ids(segmenter: &Segmenter, frame: &RgbImage) -> Vec<u8> {
    segmenter.segment(frame).unwrap().mask.ids().to_vec()
}

/// The share of places that differ.
fn apart(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).filter(|(a, b)| a != b).count() as f64 / a.len() as f64
}

/// The first frame of a size is computed kernel by kernel, the second records, the others replay; three sizes are
/// more than are kept.
#[test]
#[ignore = "needs an NVIDIA GPU"]
fn replays_give_the_masks_of_the_cpu() {
    let device = parse_device("cuda:0").unwrap();
    let cpu = segmenter(&Device::Cpu, Arithmetic::F32);
    for (arithmetic, bound) in
        [(Arithmetic::F32, 1e-3), (Arithmetic::F16, 1e-2), (Arithmetic::Bf16, 5e-2)]
    {
        let gpu = segmenter(&device, arithmetic);
        let mut seen = Vec::new();
        for round in 0..4 {
            for (width, height) in [(96, 64), (64, 48), (80, 80)] {
                let frame = frame(width, height, round % 2);
                let (ours, truth) = (ids(&gpu, &frame), ids(&cpu, &frame));
                let off = apart(&ours, &truth);
                assert!(off <= bound, "{arithmetic} {width}x{height} round {round}: {off}");
                seen.push(ours);
            }
            let frame = frame(96, 64, round);
            let (first, again) = (ids(&gpu, &frame), ids(&gpu, &frame));
            assert_eq!(apart(&first, &again), 0.0, "{arithmetic}");
        }
        assert!(seen[0] != seen[3], "the frames have different masks");
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn frames_together_are_frames_one_by_one() {
    let device = parse_device("cuda:0").unwrap();
    let gpu = segmenter(&device, Arithmetic::F16);
    let sizes = [(96, 64); 11].into_iter().chain([(64, 48); 2]).chain([(96, 64)]);
    let frames: Vec<_> = (0..).zip(sizes).map(|(seed, (w, h))| frame(w, h, seed)).collect();
    let together = gpu.segment_batch(&frames);
    assert_eq!(together.len(), 14);
    for (frame, together) in frames.iter().zip(together) {
        let off = apart(together.unwrap().mask.ids(), &ids(&gpu, frame));
        assert!(off <= 1e-2, "{off}");
    }
}

/// One thread looks for algorithms, another records, others replay, and threads end in between.
#[test]
#[ignore = "needs an NVIDIA GPU"]
fn threads_share_a_segmenter() {
    let device = parse_device("cuda:0").unwrap();
    let gpu = segmenter(&device, Arithmetic::F32);
    let cpu = segmenter(&Device::Cpu, Arithmetic::F32);
    for round in 0..3 {
        let seeds: Vec<u32> = (0..4).map(|thread| 4 * round + thread).collect();
        let masks: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let one = |&seed: &u32| {
                let gpu = &gpu;
                scope.spawn(move || ids(gpu, &frame(96, 64, seed)))
            };
            let threads: Vec<_> = seeds.iter().map(one).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (seed, mask) in seeds.into_iter().zip(masks) {
            let off = apart(&mask, &ids(&cpu, &frame(96, 64, seed)));
            assert!(off <= 1e-3, "round {round}: {off}");
        }
    }
}
