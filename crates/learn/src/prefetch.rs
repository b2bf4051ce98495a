//! Prefetching of the memory that a list of rows will need.

/// How many rows ahead to prefetch: the rows of a node lie too far apart for the processor to predict the next one, and
/// the work on 16 rows takes less time than an access to memory outside the caches.
/// than the wait for memory outside the caches.
pub const AHEAD: usize = 32;

/// Asks the processor to load an element into its caches. This is only a hint, so any index is allowed.
#[inline(always)]
pub fn prefetch<T>(from: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads and writes nothing that the program sees, and faults at no address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().wrapping_add(at).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, at);
}
