//! CANet's networks as ONNX files, for engines that know nothing of this project.
//!
//! A file has everything that is between a frame and its scores:
//!
//! ```text
//! frame   f32 (N, 3, H, W)         red, green, blue, each 0 to 255
//!   |  the checkpoint's normalisation, the network, the resize to the frame's size
//! logits  f32 (N, classes, H, W)   one score a class and pixel; the highest is the pixel's class
//! labels  u8  (N, H, W)            that class, the first of equals (see [`Outputs`])
//! ```
//!
//! `N` is open, `H` and `W` are open or fixed ([`Size`]). Where a checkpoint wants frames of a certain
//! size (`input` in [`canet_model::CheckpointMeta`]), bringing them to it is up to the caller, as is
//! decoding them: `canet segment` resizes bilinearly with smoothing (`Triangle` of the image crate)
//! and enlarges the scores again.
//!
//! What is written is opset 17 of the standard operators, with the batch norms folded into the
//! convolutions. Metadata tell what the classes are: see [`export`]. Equal models give equal bytes.
//!
//! ```
//! use canet_model::{AssignmentConfig, Class, ClassSet, CheckpointMeta, Device, ModelConfig, Network,
//!     Params, Rgb};
//! use canet_onnx::{ExportOptions, Model, export};
//!
//! let config = ModelConfig::Assignment(AssignmentConfig { classes: 2, ..Default::default() });
//! let mut params = Params::new(42, &Device::Cpu);
//! let network = Network::new(&config, &mut params)?;
//! let class = |name: &str, v| Class { name: name.into(), color: Rgb([v; 3]) };
//! let classes = ClassSet { name: "two".into(), classes: vec![class("road", 0), class("sky", 255)] };
//! let model = Model::new(&network, &params, CheckpointMeta::new(config, classes))?;
//! let bytes = export(&model, &ExportOptions::default())?;
//! # assert!(bytes.len() > 1_000_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `check`, [`check::compare`] runs the bytes by another engine and compares.

#![forbid(unsafe_code)]

#[cfg(feature = "check")]
pub mod check;
mod error;
mod export;
mod graph;
mod metadata;
mod model;
mod operations;
mod options;
mod pooling;
mod proto;
mod sizes;

pub use error::{Error, Result};
pub use export::export;
pub use model::Model;
pub use options::{ExportOptions, Outputs, Size};
