//! What a program asks of the kernel about itself.

/// From now on a write beyond the limit of file sizes (`ulimit -f`) is an error, which can be
/// reported; by default the kernel ends the process (SIGXFSZ). Linux only, elsewhere nothing happens.
pub fn report_oversized_files() {
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "setting what a signal does")]
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Ends the process at once, with a message on standard error, and takes no memory for it: for those
/// whom the system has refused some.
pub fn leave(message: &str, code: u8) -> ! {
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "leaving without the usual farewell, which may allocate")]
    // SAFETY: the bytes are the message's; leaving needs nothing.
    unsafe {
        libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len());
        libc::_exit(i32::from(code))
    }
    #[cfg(not(target_os = "linux"))]
    {
        use std::io::Write as _;
        std::io::stderr().write_all(message.as_bytes()).ok();
        #[expect(clippy::exit, reason = "it is what was asked for")]
        std::process::exit(i32::from(code))
    }
}
