//! How much memory this process takes, and what happens when there is no more.

use std::io::Write as _;

use canet_core::Fault;
pub(crate) use canet_core::memory::kib;
pub use canet_core::memory::{peak_mib, resident_mib};

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
