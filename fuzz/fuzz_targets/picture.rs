//! Frames: refused, or decoded to the size that was told.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    canet_hostile::bodies::picture(bytes);
});
