//! Where the many parallel steps of a pass are started from.

/// Runs `work` on a thread of the pool. Each parallel step inside it then starts where it is called;
/// from any other thread it would be handed over, and that thread would sleep until it is done:
/// twice a switch of threads for a step that may take less.
///
/// ```
/// let sum: u64 = canet_ops::in_pool(|| (1..=4).sum());
/// assert_eq!(sum, 10);
/// ```
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
