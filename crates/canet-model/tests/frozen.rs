//! Frozen networks against the networks that they were made from.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use canet_model::{Frozen, Network, Pass, Sizes, Tensor};
use common::golden::{self, Case};

/// Of the largest logit: folding and other orders of the sums move the last digits.
const TOLERANCE: f32 = 1e-4;

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn logits(frozen: &Frozen, x: &Tensor) -> Vec<f32> {
    let (_, _, h, w) = x.dims4().unwrap();
    let mut logits = vec![f32::NAN; frozen.classes() * h * w];
    let x = values(x);
    frozen.logits(Sizes::same([h, w]), |planes| planes.copy_from_slice(&x), &mut logits).unwrap();
    logits
}

fn mask(frozen: &Frozen, x: &[f32], sizes: Sizes) -> Vec<u8> {
    let mut ids = vec![u8::MAX; sizes.frame.iter().product()];
    frozen.mask(sizes, |planes| planes.copy_from_slice(x), &mut ids).unwrap();
    ids
}

/// The first of the largest scores at each pixel of `(classes, H, W)`.
fn best(logits: &[f32], classes: usize) -> Vec<u8> {
    let pixels = logits.len() / classes;
    let score = |class: usize, pixel: usize| logits[class * pixels + pixel];
    let best_at =
        |pixel| {
            (1..classes).fold(0, |best, class| {
                if score(class, pixel) > score(best, pixel) { class } else { best }
            })
        };
    (0..pixels).map(|pixel| best_at(pixel) as u8).collect()
}

fn compare(name: &str, network: &Network, frozen: &Frozen, size: [usize; 2]) {
    let x = golden::pictures(1, size);
    let theirs = values(network.forward(&x, Pass::Eval).unwrap().logits.tensor());
    let ours = logits(frozen, &x);
    let largest = theirs.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off <= TOLERANCE * largest, "{name} {size:?}: off by {off} of {largest}");
    let ids = mask(frozen, &values(&x), Sizes::same(size));
    assert!(
        ids == best(&ours, frozen.classes()),
        "{name} {size:?}: the mask is not the best class"
    );
}

#[test]
fn every_golden_network_gives_the_same_logits_frozen() {
    for (name, case) in golden::cases() {
        let network = case.network();
        let frozen = Frozen::new(&network).unwrap();
        let least = network.least_side();
        let deep = name.contains("r101") || name.contains("r50");
        let mut sizes = vec![[least, least], [8, 8], [33, 47]];
        if !deep || name.contains("r50") {
            sizes.push([65, 129]);
        }
        for size in sizes {
            compare(&name, &network, &frozen, size);
        }
    }
}

fn case(name: &str) -> Case {
    golden::cases().remove(name).unwrap()
}

/// The frame was resized for the network: two resizes follow each other, and nothing else changes.
#[test]
fn results_have_another_size_than_the_picture_if_asked_to() {
    let frozen = Frozen::new(&case("assignment_45x75").network()).unwrap();
    let x = golden::pictures(1, [24, 40]);
    let plain = Tensor::from_vec(logits(&frozen, &x), (1, 21, 24, 40), x.device()).unwrap();
    for frame in [[1, 1], [7, 90], [48, 80], [23, 41], [24, 40]] {
        let sizes = Sizes { network: [24, 40], frame };
        let resized =
            canet_ops::resize_bilinear(&plain.clone().into(), frame, canet_ops::Corners::HalfPixel);
        let expected = values(resized.unwrap().tensor());
        let mut ours = vec![f32::NAN; expected.len()];
        frozen.logits(sizes, |planes| planes.copy_from_slice(&values(&x)), &mut ours).unwrap();
        let off = ours.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-4, "{frame:?}: {off}");
        assert_eq!(mask(&frozen, &values(&x), sizes), best(&ours, 21), "{frame:?}");
    }
}

#[test]
fn threads_share_a_frozen_network_and_sizes_may_alternate() {
    let frozen = Frozen::new(&case("canet_r18_classic").network()).unwrap();
    let sizes = [[40, 56], [17, 90], [64, 8], [8, 8], [33, 47], [56, 40]];
    let pictures = sizes.map(|size| values(&golden::pictures(1, size)));
    let masks = || -> Vec<Vec<u8>> {
        let runs = sizes.iter().zip(&pictures);
        runs.map(|(&size, x)| mask(&frozen, x, Sizes::same(size))).collect()
    };
    let alone = masks();
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..3).map(|_| scope.spawn(|| [masks(), masks()])).collect();
        for other in others {
            assert!(other.join().unwrap().iter().all(|masks| *masks == alone));
        }
    });
}

#[test]
fn threads_do_not_change_a_bit() {
    let frozen = Frozen::new(&case("canet_r34_v1s_aux").network()).unwrap();
    let x = golden::pictures(1, [65, 97]);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| logits(&frozen, &x))
    };
    let one = on(1);
    assert!(one == on(2) && one == on(5));
}

#[test]
fn what_does_not_fit_is_refused() {
    let frozen = Frozen::new(&case("assignment_64x64").network()).unwrap();
    let refuse = |sizes, room: usize| {
        frozen.mask(sizes, |_| {}, &mut vec![0; room]).unwrap_err().to_string()
    };
    assert!(refuse(Sizes::same([1, 9]), 9).contains("at least 2"));
    assert!(refuse(Sizes { network: [8, 8], frame: [0, 3] }, 0).contains("sides"));
    assert!(refuse(Sizes::same([8, 8]), 63).contains("64 values"));
}
