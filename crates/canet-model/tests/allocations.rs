//! After the first picture of a size, a frozen network allocates next to nothing.
//!
//! Counted are all allocations of the process, also those of the pool of threads, which now and
//! then makes room for its queues. Those of convolutions are counted apart.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]
#![expect(unsafe_code, reason = "a global allocator is unsafe by nature")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use canet_model::{Frozen, Sizes};
use common::{assignment, build, small_canet};

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

/// Ten pictures may not cost more than this.
const FEW: usize = 10;

fn networks() -> [Frozen; 2] {
    [small_canet(5), assignment(5)].map(|config| Frozen::new(&build(&config, 4).0).unwrap())
}

// One test alone in its file: another would allocate at the same time.
#[test]
fn a_picture_allocates_next_to_nothing() {
    for frozen in networks() {
        for size in [[40, 56], [200, 260]] {
            let [_, others] = allocations(&frozen, size);
            println!("{size:?}: {others}");
            assert!(others <= FEW, "{others} allocations");
        }
    }
}
