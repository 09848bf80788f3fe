//! A global allocator for programs that make and drop large buffers all the time.
//!
//! A training step makes some hundreds of buffers of megabytes and drops them again. Usual
//! allocators give such buffers back to the kernel, which zeroes them page by page for the next
//! taker: up to a quarter of a step. Here large buffers lie in one stretch of huge pages, and what
//! is dropped stays there for the next taker.
//!
//! The stretch is a row of granules, each used or free. A buffer goes to the first gap that takes
//! it, so the row stays dense: little is held beyond what was ever in use at one time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smaller buffers are left to the other allocator.
const LARGE: usize = 256 << 10;
/// Buffers start and end on its multiples.
const GRANULE: usize = 64 << 10;
/// What one huge page spans.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;
/// Addresses that are set aside. They cost nothing until they are written to.
const STRETCH: usize = 64 << 30;

/// A global allocator that holds large buffers for the next taker, and leaves small ones to `Small`.
///
/// On systems other than Linux `Small` gets all.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: canet_ops::Recycling = canet_ops::Recycling::new(8 << 30);
/// # fn main() { assert_eq!(vec![0_u8; 1 << 20].len(), 1 << 20) }
/// ```
pub struct Recycling<Small = System> {
    small: Small,
    /// Who is told, before the caller is, that the system refuses so many bytes.
    refused: fn(usize),
    /// Bytes that are held for the next taker, at most.
    keep: usize,
    /// Where the stretch begins; null before the first large buffer, and if there is no stretch.
    start: AtomicPtr<u8>,
    row: Mutex<Row>,
}

/// What is known of the granules.
struct Row {
    /// Whether the system was asked for the stretch.
    asked: bool,
    /// Granules that there are.
    len: usize,
    /// From here on, no granule was ever used: the kernel will give zeros.
    top: usize,
    /// Granules in use.
    used: usize,
    /// A bit for each granule, set if it is in use.
    bits: [u64; STRETCH / GRANULE / WORD],
}

const WORD: usize = u64::BITS as usize;

/// A place for a buffer.
#[derive(Debug, PartialEq)]
struct Place {
    /// Its first granule.
    at: usize,
    /// How many of its granules were in use before.
    stale: usize,
}

impl Recycling {
    /// Holds up to `keep` bytes for the next taker; small buffers are the system's.
    pub const fn new(keep: usize) -> Self {
        Self::with_small(keep, System)
    }
}

impl<Small> Recycling<Small> {
    /// Holds up to `keep` bytes for the next taker; small buffers are left to `small`.
    pub const fn with_small(keep: usize, small: Small) -> Self {
        Self::with_refusal(keep, small, |_| ())
    }

    /// The same, and `refused` is called with the bytes that the system refuses. It may end the process,
    /// with words of its own: Rust's way is to abort, as a crash would. It must not allocate.
    pub const fn with_refusal(keep: usize, small: Small, refused: fn(usize)) -> Self {
        let start = AtomicPtr::new(ptr::null_mut());
        Self { small, refused, keep, start, row: Mutex::new(Row::new()) }
    }

    /// Tells of a refusal, if this is one.
    fn told(&self, buffer: *mut u8, size: usize) -> *mut u8 {
        if buffer.is_null() {
            (self.refused)(size);
        }
        buffer
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        // No code that holds the lock can panic half-way.
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a large buffer, and how many of its bytes may not be zero. `None` if it is small
    /// or there is no room.
    fn take(&self, layout: Layout) -> Option<(*mut u8, usize)> {
        if layout.size() < LARGE || layout.align() > GRANULE {
            return None;
        }
        let mut row = self.row();
        if !row.asked {
            row.asked = true;
            let stretch = stretch();
            row.len = stretch.map_or(0, |_| STRETCH / GRANULE);
            self.start.store(stretch.unwrap_or(ptr::null_mut()), Ordering::Release);
        }
        let place = row.take(granules(layout.size()))?;
        let start = self.start.load(Ordering::Acquire).wrapping_add(place.at * GRANULE);
        Some((start, layout.size().min(place.stale * GRANULE)))
    }

    /// The first granule of a buffer; `None` if it is the other allocator's.
    fn place_of(&self, buffer: *mut u8, layout: Layout) -> Option<usize> {
        let start = self.start.load(Ordering::Acquire);
        if layout.size() < LARGE || start.is_null() {
            return None;
        }
        let offset = buffer.addr().checked_sub(start.addr()).filter(|&offset| offset < STRETCH)?;
        Some(offset / GRANULE)
    }

    /// Frees the granules of a buffer, and gives its memory back if too much is held already.
    fn give_back(&self, at: usize, buffer: *mut u8, size: usize) {
        let mut row = self.row();
        row.set(at..at + granules(size), false);
        if (row.top - row.used) * GRANULE > self.keep {
            // Under the lock: the next taker must not have written yet.
            release(buffer, granules(size) * GRANULE);
        }
    }
}

fn granules(size: usize) -> usize {
    size.div_ceil(GRANULE)
}

impl Row {
    #[expect(clippy::large_stack_arrays, reason = "it is the start value of a static")]
    const fn new() -> Self {
        Self { asked: false, len: 0, top: 0, used: 0, bits: [0; STRETCH / GRANULE / WORD] }
    }

    /// Takes `count` granules: the first gap that is long enough, or new ones.
    fn take(&mut self, count: usize) -> Option<Place> {
        let at = self.gap(count);
        let end = at.checked_add(count).filter(|&end| end <= self.len)?;
        let stale = self.top.min(end) - at;
        self.top = self.top.max(end);
        self.set(at..end, true);
        Some(Place { at, stale })
    }

    /// Where the first gap of `count` granules begins; the last gap reaches beyond all that was used.
    fn gap(&self, count: usize) -> usize {
        let mut start = 0;
        for (index, &word) in self.bits[..self.top.div_ceil(WORD)].iter().enumerate() {
            let (mut word, mut at) = (word, index * WORD);
            while word != 0 {
                let free = word.trailing_zeros() as usize;
                if at + free - start >= count {
                    return start;
                }
                word >>= free;
                let used = word.trailing_ones() as usize;
                word = word.checked_shr(used as u32).unwrap_or(0);
                at += free + used;
                start = at;
            }
        }
        start
    }

    fn set(&mut self, granules: Range<usize>, used: bool) {
        let count = granules.len();
        for at in granules {
            let bit = 1 << (at % WORD);
            if used {
                self.bits[at / WORD] |= bit;
            } else {
                self.bits[at / WORD] &= !bit;
            }
        }
        self.used = if used { self.used + count } else { self.used - count };
    }
}

/// Addresses for the stretch, in huge pages where the system has them.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "asking the kernel for memory")]
fn stretch() -> Option<*mut u8> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing else.
    let start = unsafe { libc::mmap(ptr::null_mut(), STRETCH + HUGE, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let start = start.cast::<u8>();
    let start = start.wrapping_add(start.addr().next_multiple_of(HUGE) - start.addr());
    // SAFETY: the stretch lies inside the mapping, which was made one huge page longer for that. It
    // is advice: if it is not taken, pages are small.
    unsafe { libc::madvise(start.cast(), STRETCH, libc::MADV_HUGEPAGE) };
    Some(start)
}

/// Lets the kernel have the memory of `len` bytes; it gives zeros when they are next read.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "giving memory back to the kernel")]
fn release(start: *mut u8, len: usize) {
    // SAFETY: the bytes are free granules of the stretch, whose content nobody relies on.
    unsafe { libc::madvise(start.cast(), len, libc::MADV_DONTNEED) };
}

#[cfg(not(target_os = "linux"))]
fn stretch() -> Option<*mut u8> {
    None
}

#[cfg(not(target_os = "linux"))]
fn release(_: *mut u8, _: usize) {}

#[expect(unsafe_code, reason = "an allocator promises what the compiler cannot check")]
// SAFETY: granules in use are never handed out again, so buffers do not overlap; they lie in a
// mapping that is never undone and begin on multiples of GRANULE, which is no less than the
// alignment asked for. All other buffers are `small`'s, to which each goes back by its address.
unsafe impl<Small: GlobalAlloc> GlobalAlloc for Recycling<Small> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some((buffer, _)) => buffer,
            // SAFETY: the caller's promises are the same.
            None => self.told(unsafe { self.small.alloc(layout) }, layout.size()),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((buffer, stale)) = self.take(layout) else {
            // SAFETY: the caller's promises are the same.
            return self.told(unsafe { self.small.alloc_zeroed(layout) }, layout.size());
        };
        // SAFETY: `stale` is within the size of the buffer, which is new and nobody else's.
        unsafe { buffer.write_bytes(0, stale) };
        buffer
    }

    unsafe fn dealloc(&self, buffer: *mut u8, layout: Layout) {
        match self.place_of(buffer, layout) {
            Some(at) => self.give_back(at, buffer, layout.size()),
            // SAFETY: the buffer is not in the stretch, so it came from `small`, with this layout.
            None => unsafe { self.small.dealloc(buffer, layout) },
        }
    }

    unsafe fn realloc(&self, buffer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() < LARGE && size < LARGE {
            // SAFETY: the caller's promises are the same, and the buffer is `small`'s by its size.
            return self.told(unsafe { self.small.realloc(buffer, layout, size) }, size);
        }
        let stays = size >= LARGE && granules(size) == granules(layout.size());
        if stays && self.place_of(buffer, layout).is_some() {
            return buffer;
        }
        // SAFETY: the caller promises that the new size, rounded up to the alignment, is possible.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the size is not 0, as the caller promises.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both hold as many bytes, do not overlap, and the old one is given up.
            unsafe {
                ptr::copy_nonoverlapping(buffer, moved, layout.size().min(size));
                self.dealloc(buffer, layout);
            }
        }
        moved
    }
}
