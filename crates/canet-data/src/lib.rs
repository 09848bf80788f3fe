//! From polygon labels to training samples.
//!
//! ```text
//! raw tree --layout--> frames --annotation--> polygons --raster--> masks
//!                        |    \--label_image------------------------/
//!                        |                                          |
//!                        +--------- prepare: split by drive --------+
//!                                            |
//!                prepared folder: manifest.json, images/, masks/
//!                                            |
//!                dataset --> augment --> loader --> batches
//! ```
//!
//! A **raw tree** is what a download unpacks to. A data set file ([`dataset_spec`]) says in path
//! patterns where its frames and annotations lie, so that a new data set is a new file, not new code.
//! An **annotation** is a JSON file of polygons or a PNG of label values. It is checked once, on the
//! way in ([`annotation`], [`label_image`]); behind that edge there are only known classes. A **mask**
//! has one class id a pixel, by a fill rule that has a name ([`raster`]); floats never enter it.
//!
//! [`prepare`] turns a raw tree into a **prepared folder**: frames copied byte for byte, masks as
//! palette PNGs, and a [`manifest`] that is written last and holds a hash of it all. The same input
//! gives the same bytes, whatever the number of threads and however often the work was killed.
//!
//! Training reads nothing but prepared folders. What a **sample** looks like is a function of (seed,
//! epoch, sample, purpose) and nothing else ([`draw`]), so any thread may make it, in any order.
//!
//! What stands in files (folders, JSON, masks, manifest) is told to people in `data-spec/README.md`.

#![forbid(unsafe_code)]

pub mod annotation;
pub mod augment;
pub mod check;
pub mod dataset;
pub mod dataset_spec;
pub mod draft;
pub mod draw;
mod error;
pub mod findings;
pub mod format;
pub mod frame_file;
pub mod gathered;
pub mod hash;
pub mod label_image;
pub mod layout;
pub mod loader;
pub mod manifest;
pub mod names;
pub mod painting;
pub mod pattern;
mod prefetch;
pub mod prepare;
pub mod raster;
mod resize;
pub mod sample;
pub mod shard;
pub mod shrink;
pub mod split;
mod split_lists;
pub mod vector;
pub mod window;

pub use canet_core::Fault;
pub use error::Error;
