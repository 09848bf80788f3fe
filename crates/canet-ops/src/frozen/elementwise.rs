//! What is done to each value of a map on its own, in place; and copies.

use std::ops::Range;

use super::sigmoid::sigmoid;
use crate::simd;
use crate::tasks::{TASK, for_chunks, for_rows};

/// `y += x`.
pub fn add(y: &mut [f32], x: &[f32]) {
    pairs(
        y,
        x,
        #[inline(always)]
        |y, x| y + x,
    );
}

/// `y *= sigmoid(factors)`, and `+ y` on top where `keep` is set. `factors` is of the shape of `y`
/// `(C, H, W)`, or `(C)`.
pub fn gate(y: &mut [f32], factors: &[f32], keep: bool) {
    let kept = if keep { 1.0 } else { 0.0 };
    if y.len() == factors.len() {
        return pairs(
            y,
            factors,
            #[inline(always)]
            |y, factor| y * sigmoid(factor) + kept * y,
        );
    }
    for_rows(
        y,
        factors_apart(y, factors),
        1,
        #[inline(always)]
        |channel, y| {
            let factor = sigmoid(factors[channel]) + kept;
            for y in y {
                *y *= factor;
            }
        },
    );
}

/// `y = activation(y * scale + offset)` for `y` `(C, H, W)`, `scale` and `offset` `(C)`; the
/// activation is ReLU or nothing.
pub fn affine(y: &mut [f32], scale: &[f32], offset: &[f32], relu: bool) {
    for_rows(
        y,
        factors_apart(y, scale),
        1,
        #[inline(always)]
        |channel, y| {
            let (scale, offset) = (scale[channel], offset[channel]);
            for y in y {
                let v = y.mul_add(scale, offset);
                *y = if relu && v < 0.0 { 0.0 } else { v };
            }
        },
    );
}

/// Repeats `x` `(C)` over the planes of `y` `(C, H, W)`.
pub fn spread(x: &[f32], y: &mut [f32]) {
    for_rows(
        y,
        factors_apart(y, x),
        1,
        #[inline(always)]
        |channel, y| y.fill(x[channel]),
    );
}

/// Values of `y` that one of `factors` stands for.
fn factors_apart(y: &[f32], factors: &[f32]) -> usize {
    y.len() / factors.len()
}

/// `y = f(y, x)`.
fn pairs(y: &mut [f32], x: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    for_chunks(y, TASK, 1, |i, y| {
        simd::vectorised(
            #[inline(always)]
            || y.iter_mut().zip(&x[i * TASK..]).for_each(|(y, &x)| *y = f(*y, x)),
        );
    });
}

/// Copies `rows` of maps `x` `(C, H, W)` with `[H, W] = size` to `y` `(C, rows, W)`.
pub fn copy_rows(x: &[f32], [h, w]: [usize; 2], rows: Range<usize>, y: &mut [f32]) {
    let band = rows.start * w..rows.end * w;
    let least = (TASK / band.len()).max(1);
    for_chunks(y, band.len(), least, |i, y| y.copy_from_slice(&x[i * h * w..][band.clone()]));
}
