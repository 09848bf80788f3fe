//! Masks: what is read is written and read again as the same; any ids survive a PNG.
#![no_main]

use std::sync::LazyLock;

use canet_core::LabelMap;
use libfuzzer_sys::fuzz_target;

static LABELS: LazyLock<LabelMap> =
    LazyLock::new(|| LabelMap::builtin("idd-level3").expect("a built-in label map"));

fuzz_target!(|bytes: &[u8]| {
    canet_hostile::bodies::mask(bytes, &LABELS);
    canet_hostile::bodies::ids(bytes, &LABELS);
});
