//! Annotation files of IDD, LabelMe and COCO: refused with a place, or painted by every rule.
#![no_main]

use std::sync::LazyLock;

use canet_core::LabelMap;
use libfuzzer_sys::fuzz_target;

static LABELS: LazyLock<LabelMap> =
    LazyLock::new(|| LabelMap::builtin("idd-level3").expect("a built-in label map"));

fuzz_target!(|bytes: &[u8]| {
    canet_hostile::bodies::annotation(bytes, &LABELS, (64, 48));
    canet_hostile::bodies::labelme(bytes, &LABELS, (64, 48));
    canet_hostile::bodies::coco(bytes, &LABELS, (64, 48));
});
