//! Asking the memory early for what a list of rows will need.

/// So many rows ahead: those of a node lie too far apart for the processor to foresee the next. The work on 16 rows is shorter
/// than the wait for memory outside the caches.
pub const AHEAD: usize = 32;

/// Has the processor fetch what lies there. No more than advice, so any index will do.
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
