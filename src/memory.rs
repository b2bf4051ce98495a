//! Bounds the freed memory that the C library's allocator keeps.

/// Blocks of this size or more are taken from the operating system and returned as soon as they are freed. By default the
/// allocator raises this threshold up to 32 MiB, depending on the blocks that are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 1 << 20;
/// The number of arenas for smaller blocks. By default there are up to eight per processor, and each keeps its freed memory:
/// requests on many threads in turn left some hundred MB unused.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const POOLS: libc::c_int = 4;

/// Bounds what the allocator keeps. Must be called before threads are started. Values that the user has set in the
/// environment are kept; other C libraries are not changed.
pub fn bound_what_is_kept() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let set = |name: &str| std::env::var_os(name).is_some();
        if set("GLIBC_TUNABLES") {
            return;
        }
        for (name, parameter, value) in
            [("MALLOC_MMAP_THRESHOLD_", libc::M_MMAP_THRESHOLD, LARGE), ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, POOLS)]
        {
            if !set(name) {
                // SAFETY: mallopt takes two numbers and changes the allocator's own settings; no other thread runs yet. It
                // returns 0 for an unknown parameter, and then nothing is bounded.
                unsafe { libc::mallopt(parameter, value) };
            }
        }
    }
}
