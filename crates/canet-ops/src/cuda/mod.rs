//! The operations on NVIDIA GPUs.
//!
//! * Maps lie in memory as `(N, H, W, C)`, from the pictures to the loss, and are shown as
//!   `(N, C, H, W)` by their strides: the model does not know. [`stored`](map::stored) is the way in.
//! * The activations' type, `f32` or `bf16`, decides what is computed; parameters, statistics, losses
//!   and optimisers are `f32` in any case, and sums are taken in `f32` or `f64`. (bf16 has the range of
//!   f32, so nothing has to be scaled against underflow.)
//! * Convolutions are cuDNN's, those of a single tap also cuBLAS' products: whichever was measured to be
//!   faster, once a shape. All else is a kernel of `kernels/`, compiled by `build.rs`.
//! * Everything is queued on one stream, but for batches on their way ([`Uploads`]); nothing waits for the GPU
//!   but what reads a number from it, and whether a step of a training counts the GPU decides itself ([`Judge`]).
//!   Sums are cut by shape and added in order, so only convolutions could differ from run to run:
//!   see [`set_deterministic`].

mod conv;
mod cudnn;
mod depthwise;
mod elementwise;
mod frozen;
mod gemm;
mod gpu;
mod judge;
mod loss;
mod map;
mod norm;
mod profile;
mod replay;
mod spatial;
mod update;
mod uploads;

pub use cudnn::{set_deterministic, set_tf32};
pub use frozen::{FrozenAffine, FrozenConv};
pub use gpu::{memory, open, pool_peak, synchronise};
pub use judge::{Judge, Told, Verdict};
pub use loss::{NOT_FINITE, Targets, best_class, cross_entropy};
pub use map::{Pictures, cast};
pub use profile::{Spent, profile};
pub use replay::{Recorded, turn};
pub use update::{copies, put_back_if_refused};
pub use uploads::{Fill, Uploads, overwrite};

pub(crate) use conv::conv2d;
pub(crate) use elementwise::{
    add, add_into, add_relu, average_into, concat, drop, gate, relu, scale, sigmoid, to_f32,
};
pub(crate) use norm::{batch_norm_frozen, batch_norm_train};
pub(crate) use spatial::{average_pool, max_pool, resize};
pub(crate) use update::{Row, adam, average, sgd, sum_of_squares};
