//! Numbers for people.

/// Bytes with a unit.
pub(crate) fn bytes(count: u64) -> String {
    let value = count as f64;
    match count {
        0..1024 => format!("{count} bytes"),
        1024..0x10_0000 => format!("{:.1} KiB", value / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", value / 1_048_576.0),
        _ => format!("{:.2} GiB", value / 1_073_741_824.0),
    }
}

/// With a comma at each thousand.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In thousands of millions.
pub(crate) fn giga(count: u64) -> String {
    let value = count as f64 * 1e-9;
    if value < 10.0 { format!("{value:.3}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        for (count, expected) in [
            (0, ["0 bytes", "0", "0.000"]),
            (999, ["999 bytes", "999", "0.000"]),
            (1536, ["1.5 KiB", "1,536", "0.000"]),
            (276_847, ["270.4 KiB", "276,847", "0.000"]),
            (1_783_000_000, ["1.66 GiB", "1,783,000,000", "1.783"]),
            (136_820_000_000, ["127.42 GiB", "136,820,000,000", "136.82"]),
        ] {
            assert_eq!([bytes(count), thousands(count), giga(count)], expected);
        }
    }
}
