//! How large a picture may be: what is larger was made by mistake, or to exhaust memory.

/// The longest side, in pixels, of a frame, a mask or a network's input; a frame of a car's camera
/// has under 4096.
pub const MAX_SIDE: u32 = 16_384;

/// How many bytes decoding one picture may take: the largest frame as 8-bit RGB, and some room.
pub const MAX_DECODED_BYTES: u64 = 1 << 30;
