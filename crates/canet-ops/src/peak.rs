//! What the processor can do at most: the yardstick for all kernels.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::conv::tile::{MOST_COLUMNS, MOST_ROWS, Sums, TileShape, Used};
use crate::real::Real;
use crate::simd;

/// Steps of a product: band and panel stay in the first-level cache.
const STEPS: usize = 128;
/// How long is measured.
const TIME: Duration = Duration::from_millis(400);

/// Multiply-adds in registers, in GFLOP/s (two operations each), on `threads` threads at once: the
/// matrix product's tile over operands in the first-level cache.
pub fn peak_gflops(threads: usize) -> f64 {
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one_thread)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

fn one_thread() -> f64 {
    let TileShape { rows, columns, .. } = TileShape::of::<f32>();
    let (band, panel) = (vec![0.5; STEPS * rows], vec![0.25; STEPS * columns]);
    let mut sums: Sums<f32> = [0.0; MOST_ROWS * MOST_COLUMNS];
    let (start, mut tiles) = (Instant::now(), 0_u64);
    while start.elapsed() < TIME {
        simd::vectorised(
            #[inline(always)]
            || {
                for _ in 0..256 {
                    let used = Used { rows, columns };
                    f32::product::<false>(black_box(&band), &panel, used, &mut sums);
                }
            },
        );
        tiles += 256;
    }
    black_box(sums);
    let products = tiles as f64 * (STEPS * rows * columns) as f64;
    2e-9 * products / start.elapsed().as_secs_f64()
}
