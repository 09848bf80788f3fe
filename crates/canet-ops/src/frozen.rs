//! Operations of networks that only predict: one picture at a time, `f32` planes `(C, H, W)` in
//! plain slices, weights packed once, tables made once a size, nothing allocated in a run.
//!
//! NaN stays NaN in all of them: whether a network's scores are finite tells whether all that led
//! to them was.

mod average_pool;
mod best_class;
mod confidence;
mod conv;
mod elementwise;
mod max_pool;
mod pixels;
mod resize;
mod sigmoid;

pub use crate::tasks::side_by_side;
pub use average_pool::AveragePool;
pub use best_class::best_class;
pub use confidence::confidence;
pub use conv::{After, ConvPlan, FrozenConv, PooledConvPlan};
pub use elementwise::{add, affine, copy_rows, gate, spread};
pub use max_pool::MaxPool;
pub(crate) use max_pool::larger;
pub use pixels::look_up;
pub use resize::Resize;
