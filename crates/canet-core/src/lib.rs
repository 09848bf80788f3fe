//! What CANet's data side and model side must agree on, and nothing else.
//!
//! * [`ClassSet`]: the classes a mask or a checkpoint speaks of, with names and colours;
//! * [`LabelMap`]: how raw labels (names in polygons, values in label images) become those classes;
//! * [`LabelTable`]: IDD's 40 official labels with their ids at every level;
//! * [`Mask`]: one class id a pixel, and its palette PNG form; [`MAX_SIDE`] bounds every picture;
//! * [`Fault`]: whose fault an error is, and so a program's exit code;
//! * [`mix()`]: the mixer behind all draws;
//! * [`atomic`]: the one way a file of this project reaches the disk, which is a [`disk`]; [`journal`] and
//!   [`records`]: files that grow by lines or by checked records.
//!
//! Labels, maps and colours are data: they live as files in `data-spec/` and are embedded here.

#![forbid(unsafe_code)]

pub mod atomic;
mod class;
pub mod disk;
mod error;
mod fault;
mod growing;
pub mod journal;
mod label_map;
mod label_table;
mod limits;
mod mask;
pub mod memory;
mod mix;
pub mod records;

pub use class::{Class, ClassId, ClassSet, Rgb};
pub use error::Error;
pub use fault::Fault;
pub use label_map::LabelMap;
pub use label_table::{Label, LabelTable};
pub use limits::{
    FRAME_GROWTH_FROM, MAX_DECODED_BYTES, MAX_FRAME_GROWTH, MAX_PNG_GROWTH, MAX_SIDE,
};
pub use mask::Mask;
pub use mix::{GOLDEN_GAMMA, mix};
