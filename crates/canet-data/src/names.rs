//! The names of drives and frames: two kinds that must not be mixed up.

use serde::{Deserialize, Serialize};

/// A drive: a sequence of frames taken on one ride. Scene and city are other words for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DriveId(String);

/// A frame's name, unique in its drive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameId(String);

macro_rules! name {
    ($id:ident) => {
        impl $id {
            /// The id of this name.
            pub fn new(name: &str) -> Self {
                Self(name.to_owned())
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
name!(DriveId);
name!(FrameId);
