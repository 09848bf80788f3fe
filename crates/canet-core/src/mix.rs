//! The one mixer behind all that looks random here.

/// The increment of splitmix64, the odd number next to 2^64 over the golden ratio: adding multiples
/// of it visits every number before it repeats one.
pub const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of splitmix64: a bijection in which every input bit reaches every output bit.
///
/// It passes the usual statistical tests and needs no dependency; nothing here is for secrets. It
/// must never change: draws, starts of training and checksums of checkpoints depend on it. Zero
/// stays zero, so callers that count from it add [`GOLDEN_GAMMA`] first.
pub const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of splitmix64 from seed 0, as its authors' program prints them.
    #[test]
    fn the_published_stream_comes_out() {
        let expected = [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F_u64];
        for (count, expected) in (1..).zip(expected) {
            assert_eq!(mix(GOLDEN_GAMMA.wrapping_mul(count)), expected);
        }
    }
}
