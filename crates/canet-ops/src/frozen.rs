//! Operations of networks that only predict: one picture at a time, `f32` planes `(C, H, W)` in
//! plain slices, weights packed once, tables made once a size, nothing allocated in a run.

mod conv;

pub use conv::{After, ConvPlan, FrozenConv};
