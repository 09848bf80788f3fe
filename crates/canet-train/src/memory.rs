//! How much memory this process takes, and what happens when there is no more.

use std::io::Write as _;

use canet_core::Fault;

/// Ends the program with advice, since the system refuses `bytes` more. For programs' allocators: it
/// takes no memory.
pub fn refused(bytes: usize) {
    let mut text = [0; 400];
    let mut rest = &mut text[..];
    let written = writeln!(
        rest,
        "ERROR out of memory: the system refuses {} KiB more. The last checkpoint is whole: lower \
         data.batch or data.augment.crop, or give the program more memory, then go on with --resume",
        bytes.div_ceil(1024)
    );
    let left = rest.len();
    let text = &text[..400 - left];
    let text = written.ok().and_then(|()| std::str::from_utf8(text).ok());
    canet_ops::process::leave(text.unwrap_or("ERROR out of memory\n"), Fault::Resources.exit_code())
}

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
