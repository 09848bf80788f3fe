//! How much memory this process takes.

/// The most memory that the process has held, in MiB, where the system tells (Linux).
pub fn peak_mib() -> Option<u64> {
    own("VmHWM:")
}

/// The memory that the process holds now, in MiB, where the system tells (Linux).
pub fn resident_mib() -> Option<u64> {
    own("VmRSS:")
}

fn own(key: &str) -> Option<u64> {
    kib(&std::fs::read_to_string("/proc/self/status").ok()?, key).map(|kib| kib / 1024)
}

/// The value of a line such as `VmRSS:  123 kB`.
pub(crate) fn kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}
