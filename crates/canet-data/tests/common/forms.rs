//! The forms that a prepared folder may have.

use std::path::Path;

use canet_data::prepare::PrepareOptions;
use canet_data::shard::ShardSize;
use canet_data::shrink::Resize;

use crate::common::options;

/// As they come, resized, packed, and both.
pub(crate) fn forms(out: &Path) -> [PrepareOptions; 4] {
    let plain = options(out);
    let resize = Some(Resize { width: 24, height: 16, jpeg_scale: true });
    let shards = Some(ShardSize::new(20_000).unwrap());
    [
        plain.clone(),
        PrepareOptions { resize, ..plain.clone() },
        PrepareOptions { shards, ..plain.clone() },
        PrepareOptions { resize, shards, ..plain },
    ]
}
