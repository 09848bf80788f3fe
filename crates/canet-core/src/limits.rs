//! How large a picture may be: what is larger was made by mistake, or to exhaust memory.

/// The longest side, in pixels, of a frame, a mask or a network's input; a frame of a car's camera
/// has under 4096.
pub const MAX_SIDE: u32 = 16_384;

/// How many bytes decoding one picture may take: the largest frame as 8-bit RGB, and some room.
pub const MAX_DECODED_BYTES: u64 = 1 << 30;

/// How many times larger than its file a frame may become...
///
/// A photograph grows twenty-fold, at the utmost eighty-fold; a file that grows more is a drawing of
/// one colour, or meant to exhaust memory.
pub const MAX_FRAME_GROWTH: u64 = 200;

/// ...if it becomes larger than this: five megapixels as 8-bit RGB.
pub const FRAME_GROWTH_FROM: u64 = 16 << 20;

/// How many times larger than its file any PNG can become: deflate spends at least two bits on 258
/// bytes. What claims more cannot be whole.
pub const MAX_PNG_GROWTH: u64 = 1032;
