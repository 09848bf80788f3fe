//! Masks as polygons: rasterised again, they give back the mask under every rule.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    canet_hostile::bodies::vectorised(bytes);
});
