//! CANet on candle: the networks, their checkpoints, and inference.
//!
//! CANet (Tang et al., arXiv 2002.12041) labels every pixel of a picture. What a pixel is depends
//! on what is around it, near and far; CANet collects that *context* in a chain of *flows*, each of
//! which sees the features and the flow before it at a coarser scale:
//!
//! ```text
//!              frame (N, 3, H, W)
//!                |
//!      dilated ResNet ----------------- C1 at 1/4 --------------------+
//!                |                                                    |
//!                C4 at 1/8                                            |
//!                |                                                    |
//!                +--- global flow G ------------+                     |
//!                |         |                    |                     |
//!                +--- context flow F1, 1/2 -----+                     |
//!                |         |                    |                     |
//!                +--- context flow F2, 1/4 -----+                     |
//!                |         |                    |                     |
//!                +--- context flow F3, 1/8 -----+                     |
//!                |         |                    |                     |
//!                +--- context flow F4, 1/16 ----+                     |
//!                                               |                     |
//!                               sum, feature selection             3x3, 48
//!                                               |                     |
//!                                             x 2 ------ concat ------+
//!                                                          |
//!                                                     3x3, 3x3, 1x1
//!                                                          |
//!                                               logits (N, classes, H, W)
//! ```
//!
//! [`ModelConfig::Canet`] is this network; [`ModelConfig::Assignment`] is a small relative of it.
//! Segmenting takes a checkpoint and nothing else:
//!
//! ```no_run
//! use canet_model::{Options, Segmenter, image};
//!
//! let segmenter = Segmenter::load("model.safetensors", Options::default())?;
//! let frame = image::open("frame.jpg")?.into_rgb8();
//! let segmentation = segmenter.segment(&frame)?;
//! for (class, share) in segmentation.classes.classes.iter().zip(segmentation.shares()) {
//!     println!("{:5.1} % {}", 100.0 * share, class.name);
//! }
//! segmentation.overlay(&frame, 0.5)?.save("overlay.png")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The other way in is the training's: [`Params`] and [`Network`] are built from a [`ModelConfig`],
//! [`load_backbone`] or [`fine_tune`] gives them a start, and a [`Checkpoint`] keeps what they have learnt.

#![forbid(unsafe_code)]

mod assignment;
mod backbone;
mod canet;
mod checkpoint;
mod config;
mod container;
mod decoder;
mod device;
mod error;
mod explain;
mod fine_tune;
mod flow;
mod frozen;
#[cfg(feature = "cuda")]
mod gpu;
mod init;
mod layers;
pub mod lowered;
mod network;
mod normalisation;
mod options;
mod params;
mod pass;
pub mod picture;
mod pretrained;
mod report;
mod seal;
mod segmentation;
mod segmenter;
mod select;
mod stages;
mod test_time;
mod text;
mod weight_hash;

pub use checkpoint::{Checkpoint, CheckpointMeta, TRAINING_PREFIX};
pub use config::{AssignmentConfig, BackboneStage, CanetConfig, Depth, ModelConfig, Stem};
pub use device::{Arithmetic, parse_device};
pub use error::{Error, Result};
pub use explain::{Explanation, Flow, Ranking};
pub use fine_tune::fine_tune;
pub use frozen::{Frozen, Sizes, Watch};
#[cfg(feature = "cuda")]
pub use gpu::FrozenGpu;
pub use network::{Network, Output};
pub use normalisation::Normalisation;
pub use options::{Options, Precision};
pub use params::{FrozenNorms, Kind, Param, Params, Part};
pub use pass::Pass;
pub use pretrained::load_backbone;
pub use report::LoadReport;
pub use segmentation::{Confidence, Segmentation};
pub use segmenter::Segmenter;
pub use test_time::{TestTime, Tile};
pub use weight_hash::weight_hash;

pub use candle_core::{DType, Device, Tensor, Var};
pub use canet_core::{Class, ClassId, ClassSet, Fault, Mask, Rgb};
pub use canet_ops::{Gradients, Value, instruction_set};
pub use image;
pub use serde_json;
