//! The differentiable operations CANet needs on candle tensors, each with a gradient that is right.
//!
//! candle 0.11 lacks several of these gradients (3x3 max-pool, bilinear resize) and gets others
//! silently wrong (max-pool, pooling of sizes that do not divide, batch norm on 1x1 maps), so no
//! network of this project calls candle's own. One file is one operation, and holds
//!
//! * the public function, which takes the kernel on the CPU and the reference elsewhere;
//! * the CPU kernel, forward and backward, generic over `f32` and `f64`: training runs in `f32`,
//!   finite differences are taken in `f64` on the same code.
//!
//! [`mod@reference`] has each operation once more in plain candle operations whose gradients are
//! right. It is what kernels are tested against, and what runs on devices without a kernel.
//!
//! Every kernel gives the same bits for any number of threads: work is cut by shape, never by
//! thread count, and partial sums are added in a fixed order.
//!
//! Layout is `(N, C, H, W)` throughout; inputs need not be contiguous.

#![expect(
    clippy::inline_always,
    reason = "kernels are compiled for the instruction set of their caller; see simd.rs"
)]

mod activation;
mod array;
mod average_pool;
mod concat;
pub(crate) mod conv;
#[cfg(feature = "cuda")]
pub mod cuda;
mod dropout;
mod elementwise;
mod fallback;
pub mod frozen;
mod gate;
mod geometry;
mod graph;
mod grid;
mod join;
mod lanes;
mod loss;
mod math;
mod max_pool;
mod norm;
mod peak;
mod pool;
pub mod process;
mod real;
mod recycling;
pub mod reference;
mod resize;
mod scratch;
mod separable;
mod simd;
mod tasks;
mod update;

pub use activation::{Activation, relu, sigmoid};
pub use average_pool::adaptive_avg_pool2d;
pub use concat::concat;
pub use conv::{conv_norm_pool, conv2d};
pub use dropout::{MaskKey, drop_samples, dropout};
pub use gate::gate;
pub use geometry::{Algorithm, ConvGeometry};
pub use graph::{Gradients, Run, Value, recomputed};
pub use grid::Corners;
pub use join::{add, add_relu, scale, with_zero_gradient};
pub use loss::{
    CCE_DICE_SMOOTH, CrossEntropy, Dice, DiceClasses, Focal, Ohem, cce_dice, cross_entropy, dice,
    focal, lovasz_softmax, ohem,
};
pub use max_pool::max_pool2d;
pub use norm::{BatchStats, batch_norm_frozen, batch_norm_train};
pub use peak::peak_gflops;
pub use pool::in_pool;
pub use recycling::Recycling;
pub use resize::{resize_bilinear, spread};
pub use simd::instruction_set;
pub use update::{
    AdamStep, Judge, Moved, SgdStep, add_in_place, average_all_in_place, average_in_place,
    sum_of_all_squares, sum_of_squares,
};
