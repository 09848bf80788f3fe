//! Archives: refused, or unpacked to their folder and nowhere else.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    canet_hostile::bodies::archive(bytes);
});
