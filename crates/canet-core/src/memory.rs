//! How much memory this process takes, where the system tells (Linux).

/// The most memory that the process has held, in MiB.
pub fn peak_mib() -> Option<u64> {
    own("VmHWM:")
}

/// The memory that the process holds now, in MiB.
pub fn resident_mib() -> Option<u64> {
    own("VmRSS:")
}

fn own(key: &str) -> Option<u64> {
    kib(&std::fs::read_to_string("/proc/self/status").ok()?, key).map(|kib| kib / 1024)
}

/// The value of a line such as `VmRSS:  123 kB`, as Linux' files below `/proc` have them.
pub fn kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_key() {
        let text = "VmHWM:\t  2048 kB\nVmRSS:   77 kB\nThreads: x\n";
        for (key, expected) in
            [("VmHWM:", Some(2048)), ("VmRSS:", Some(77)), ("VmSwap:", None), ("Threads:", None)]
        {
            assert_eq!(kib(text, key), expected, "{key}");
        }
    }
}
