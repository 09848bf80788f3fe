//! The matrix unit itself (Intel's AMX).
#![expect(unsafe_code, reason = "the compiler has no other way to the matrix unit")]

use std::arch::asm;

use super::{BLOCK, LINE, Place, Rows};

/// Palette 1, and eight tiles of 16 lines of 64 bytes.
#[repr(align(64))]
#[expect(dead_code, reason = "it is read by address")]
struct Shapes([u8; 64]);

static SHAPES: Shapes = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Shapes(bytes)
};

/// Sets the unit up for this thread, which must have one.
#[inline(always)]
pub(super) fn set_up() {
    // SAFETY: the caller found the unit, and the kernel to permit its use. `SHAPES` has the 64 bytes that are
    // read; no code of the compiler's uses tiles.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, preserves_flags, readonly));
    }
}

/// Gives the unit back: a thread that sleeps has 8 KiB less to keep.
#[inline(always)]
pub(super) fn release() {
    // SAFETY: as above.
    unsafe {
        asm!("tilerelease", options(nostack, preserves_flags, nomem));
    }
}

/// A product of tiles, and what is asked for meanwhile: lines of the next block, six of its panel and eight of
/// its rows, from a line of each on.
macro_rules! product {
    ($sums:literal, $rows:literal, $panel:literal) => {
        concat!("tdpbf16ps tmm", $sums, ", tmm", $rows, ", tmm", $panel)
    };
    ($sums:literal, $rows:literal, $panel:literal, panel: $from:literal) => {
        concat!(
            product!($sums, $rows, $panel),
            "\n.irp line, 0, 64, 128, 192, 256, 320",
            "\nprefetcht0 [{panel} + 4096 + ", $from, " + \\line]",
            "\n.endr",
        )
    };
    (
        $sums:literal, $rows:literal, $panel:literal,
        panel: $from:literal, rows: $tile:literal + $at:literal
    ) => {
        concat!(
            product!($sums, $rows, $panel, panel: $from),
            "\n.irp line, 0, 64, 128, 192, 256, 320, 384, 448",
            "\nprefetcht0 [{", $tile, "} + ", $at, " + \\line]",
            "\n.endr",
        )
    };
}

/// See [`super::Unit::multiply`].
///
/// Tiles 0 to 3 are the sums, 4 and 5 upper and lower rows, 6 columns of the panel. While another thread uses the
/// same core (of another guest of the machine, say), some of its registers for tiles are lost, and few are left to
/// rename those that are written again: each tile in use costs time, and each load that waits for the second-level
/// cache. With an eighth tile, and without asking for lines ahead, this loop takes 1.7 times as long then.
///
/// # Safety
/// The unit is set up; rows and panel are of the same number of blocks, and the lines of the rows are among their
/// words; the places can be read and written.
#[inline(always)]
pub(super) unsafe fn multiply(rows: Rows, panel: &[f32], from: Option<Place>, to: Place) {
    let value = size_of::<f32>();
    // SAFETY: sixteen lines of 64 bytes, `pitch` apart, are read from each corner of a place (the caller's
    // promise), and as many are written. The loop reads a block of 4096 bytes of the panel in each pass, the same of
    // the rows where their table says, and the table's next entry; it is not entered without any block. Lines that
    // are asked for need not exist. All tiles that are changed are named.
    unsafe {
        match from {
            None => asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                options(nostack, preserves_flags, nomem),
            ),
            Some(Place { start, pitch }) => asm!(
                "tileloadd tmm0, [{upper} + {pitch}]",
                "tileloadd tmm1, [{upper} + {pitch} + 64]",
                "tileloadd tmm2, [{lower} + {pitch}]",
                "tileloadd tmm3, [{lower} + {pitch} + 64]",
                upper = in(reg) start,
                lower = in(reg) start.add(LINE * pitch),
                pitch = in(reg) pitch * value,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                options(nostack, preserves_flags, readonly),
            ),
        }
        if !panel.is_empty() {
            let [upper, lower] = rows.starts.map(|start| rows.words.as_ptr().add(start));
            let first = rows.blocks[0];
            asm!(
                "2:",
                // Lower halves of the rows by upper ones of the panel.
                "tileloadd tmm4, [{upper_low} + {line}]",
                "tileloadd tmm5, [{lower_low} + {line}]",
                "add {table}, 8",
                "mov {upper_low}, [{table}]",
                "lea {lower_low}, [{lower} + 4*{upper_low}]",
                "lea {upper_low}, [{upper} + 4*{upper_low}]",
                "tileloadd tmm6, [{panel} + {line}]",
                product!(0, 4, 6, panel: 0, rows: "upper_low" + 0),
                product!(2, 5, 6, panel: 384, rows: "upper_low" + 512),
                "tileloadd tmm6, [{panel} + {line} + 1024]",
                product!(1, 4, 6, panel: 768, rows: "lower_low" + 0),
                "tileloadd tmm4, [{upper_high} + {line}]",
                product!(3, 5, 6, panel: 1152, rows: "lower_low" + 512),
                "tileloadd tmm5, [{lower_high} + {line}]",
                "mov {upper_high}, {upper_low}",
                "mov {lower_high}, {lower_low}",
                "add {upper_low}, {half}",
                "add {lower_low}, {half}",
                // Upper halves of both.
                product!(1, 4, 6, panel: 1536, rows: "upper_low" + 0),
                product!(3, 5, 6, panel: 1920, rows: "upper_low" + 512),
                "tileloadd tmm6, [{panel} + {line}]",
                product!(0, 4, 6, panel: 2304, rows: "lower_low" + 0),
                product!(2, 5, 6, panel: 2688, rows: "lower_low" + 512),
                // Upper halves of the rows by lower ones of the panel.
                "tileloadd tmm6, [{panel} + {line} + 2048]",
                product!(0, 4, 6, panel: 3072),
                product!(2, 5, 6, panel: 3456),
                "tileloadd tmm6, [{panel} + {line} + 3072]",
                product!(1, 4, 6, panel: 3840),
                product!(3, 5, 6),
                "add {panel}, 4096",
                "dec {blocks}",
                "jnz 2b",
                upper = in(reg) upper,
                lower = in(reg) lower,
                half = in(reg) rows.half * value,
                table = inout(reg) rows.blocks.as_ptr() => _,
                upper_high = inout(reg) upper.add(first) => _,
                lower_high = inout(reg) lower.add(first) => _,
                upper_low = inout(reg) upper.add(first + rows.half) => _,
                lower_low = inout(reg) lower.add(first + rows.half) => _,
                panel = inout(reg) panel.as_ptr() => _,
                blocks = inout(reg) panel.len() / BLOCK => _,
                line = in(reg) LINE * value,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _,
                options(nostack, readonly),
            );
        }
        asm!(
            "tilestored [{upper} + {pitch}], tmm0",
            "tilestored [{upper} + {pitch} + 64], tmm1",
            "tilestored [{lower} + {pitch}], tmm2",
            "tilestored [{lower} + {pitch} + 64], tmm3",
            upper = in(reg) to.start,
            lower = in(reg) to.start.add(LINE * to.pitch),
            pitch = in(reg) to.pitch * value,
            options(nostack, preserves_flags),
        );
    }
}

/// The same for rows whose lines stay in the first-level cache, with half as many tiles in use: they are loaded twice,
/// for the left and for the right columns.
///
/// # Safety
/// As above.
#[inline(always)]
pub(super) unsafe fn multiply_near(rows: Rows, panel: &[f32], from: Option<Place>, to: Place) {
    for side in 0..2 {
        let of_side =
            |place: Place| Place { start: place.start.wrapping_add(side * LINE), ..place };
        // SAFETY: these columns are a part of the places.
        unsafe { multiply_side(rows, panel, side, from.map(of_side), of_side(to)) }
    }
}

/// The sixteen columns of a side.
///
/// Tiles 0 and 1 are the sums of the upper and the lower rows, 4 are rows, 6 columns of the panel.
///
/// # Safety
/// As above; the places are those of this side, and the panel has blocks.
#[inline(always)]
unsafe fn multiply_side(rows: Rows, panel: &[f32], side: usize, from: Option<Place>, to: Place) {
    let value = size_of::<f32>();
    let [upper, lower] = rows.starts.map(|start| rows.words.as_ptr().wrapping_add(start));
    let first = rows.blocks[0];
    // SAFETY: as in [`multiply`]; of each block of the panel this reads the lines of its side.
    unsafe {
        match from {
            None => asm!(
                "tilezero tmm0", "tilezero tmm1",
                out("tmm0") _, out("tmm1") _,
                options(nostack, preserves_flags, nomem),
            ),
            Some(Place { start, pitch }) => asm!(
                "tileloadd tmm0, [{upper} + {pitch}]",
                "tileloadd tmm1, [{lower} + {pitch}]",
                upper = in(reg) start,
                lower = in(reg) start.add(LINE * pitch),
                pitch = in(reg) pitch * value,
                out("tmm0") _, out("tmm1") _,
                options(nostack, preserves_flags, readonly),
            ),
        }
        asm!(
            "2:",
            // Lower halves of the rows by upper ones of the panel.
            "tileloadd tmm6, [{panel} + {line}]",
            "tileloadd tmm4, [{upper_low} + {line}]",
            product!(0, 4, 6, panel: 0),
            "tileloadd tmm4, [{lower_low} + {line}]",
            "add {table}, 8",
            "mov {lower_low}, [{table}]",
            "lea {upper_low}, [{upper} + 4*{lower_low}]",
            "lea {lower_low}, [{lower} + 4*{lower_low}]",
            "add {upper_low}, {half}",
            "add {lower_low}, {half}",
            product!(1, 4, 6, panel: 384),
            // Upper halves of both.
            "tileloadd tmm4, [{lower_high} + {line}]",
            product!(1, 4, 6, panel: 640),
            "tileloadd tmm4, [{upper_high} + {line}]",
            product!(0, 4, 6, panel: 2048),
            // Upper halves of the rows by lower ones of the panel.
            "tileloadd tmm6, [{panel} + {line} + 2048]",
            product!(0, 4, 6, panel: 2432),
            "tileloadd tmm4, [{lower_high} + {line}]",
            "mov {upper_high}, {upper_low}",
            "mov {lower_high}, {lower_low}",
            "sub {upper_high}, {half}",
            "sub {lower_high}, {half}",
            product!(1, 4, 6, panel: 2688),
            "add {panel}, 4096",
            "dec {blocks}",
            "jnz 2b",
            upper = in(reg) upper,
            lower = in(reg) lower,
            half = in(reg) rows.half * value,
            table = inout(reg) rows.blocks.as_ptr() => _,
            upper_high = inout(reg) upper.add(first) => _,
            lower_high = inout(reg) lower.add(first) => _,
            upper_low = inout(reg) upper.add(first + rows.half) => _,
            lower_low = inout(reg) lower.add(first + rows.half) => _,
            panel = inout(reg) panel.as_ptr().add(side * LINE * LINE) => _,
            blocks = inout(reg) panel.len() / BLOCK => _,
            line = in(reg) LINE * value,
            out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _,
            options(nostack, readonly),
        );
        asm!(
            "tilestored [{upper} + {pitch}], tmm0",
            "tilestored [{lower} + {pitch}], tmm1",
            upper = in(reg) to.start,
            lower = in(reg) to.start.add(LINE * to.pitch),
            pitch = in(reg) to.pitch * value,
            options(nostack, preserves_flags),
        );
    }
}
