//! Bounds on the freed memory that the C library's allocator keeps.

/// Blocks of this many bytes are the operating system's, which has them back as soon as they are freed. By default the
/// allocator raises this bound up to 32 MiB, by the blocks that it sees freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 1 << 20;
/// Pools of smaller blocks. By default there are up to eight for each processor, and each keeps what was freed into it: requests
/// that ran on many threads in turn left some hundred MB behind.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const POOLS: libc::c_int = 4;

/// Bounds what the allocator keeps. To be called before there are threads. What the user has set in the environment stays; other
/// C libraries are left alone.
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
                // SAFETY: mallopt takes two numbers and changes the allocator's own settings; no thread but this one runs yet. It
                // answers 0 for what it does not know, and then nothing is bounded.
                unsafe { libc::mallopt(parameter, value) };
            }
        }
    }
}
