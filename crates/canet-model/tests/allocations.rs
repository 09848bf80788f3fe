//! After the first picture of a size, a frozen network allocates next to nothing.
//!
//! Counted are all allocations of the process, also those of the pool of threads, which now and
//! then makes room for its queues. Those of convolutions are counted apart.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]
#![expect(unsafe_code, reason = "a global allocator is unsafe by nature")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use canet_model::{CheckpointMeta, Frozen, Segmenter, Sizes};
use common::{assignment, build, frame, meta, small_canet};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it comes.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of ten pictures after some: those of convolutions, and those of all other steps.
fn allocations(frozen: &Frozen, size: [usize; 2]) -> [usize; 2] {
    let mut ids = vec![0; size[0] * size[1]];
    let mut counts = [0; 2];
    for picture in 0..13 {
        if picture == 3 {
            counts = [0; 2];
        }
        let mut last = ALLOCATIONS.load(Ordering::Relaxed);
        let mut watch = |name: &str, _| {
            let now = ALLOCATIONS.load(Ordering::Relaxed);
            counts[usize::from(!name.contains("convolution"))] += now - last;
            last = now;
        };
        let fill = |planes: &mut [f32]| planes.fill(0.5);
        frozen.mask_watched(Sizes::same(size), fill, &mut ids, &mut watch).unwrap();
        let rest = ALLOCATIONS.load(Ordering::Relaxed) - last;
        counts[1] += rest;
    }
    counts
}

/// Allocations of ten whole segmentations after some, from frames to masks: a mask each, the frame
/// at the network's size, and the tables by which it is brought there.
fn allocations_of_frames(segmenter: &Segmenter, size: [u32; 2]) -> usize {
    let frame = frame(size[0], size[1]);
    (0..3).for_each(|_| drop(segmenter.segment(&frame).unwrap()));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..10).for_each(|_| drop(segmenter.segment(&frame).unwrap()));
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// Ten pictures may not cost more than this.
const FEW: usize = 10;
/// Nor a frame more than this, besides.
const A_FRAME: usize = 5;

fn networks() -> [Frozen; 2] {
    [small_canet(5), assignment(5)].map(|config| Frozen::new(&build(&config, 4).0).unwrap())
}

// One test alone in its file: another would allocate at the same time.
#[test]
fn a_picture_allocates_next_to_nothing() {
    for frozen in networks() {
        for size in [[40, 56], [200, 260]] {
            let [convolutions, others] = allocations(&frozen, size);
            println!("{size:?}: {convolutions} in convolutions, {others} elsewhere");
            assert!(others <= FEW, "{others} allocations");
        }
    }
    for config in [small_canet(5), assignment(5)] {
        for input in [None, Some([64, 48])] {
            let meta = CheckpointMeta { input, ..meta(&config) };
            let segmenter = Segmenter::from_parts(build(&config, 4).0, meta).unwrap();
            let count = allocations_of_frames(&segmenter, [90, 70]);
            println!("ten frames for {input:?}: {count}");
            assert!(count <= 10 * A_FRAME + FEW, "{count} allocations");
        }
    }
}
