//! The time and memory that this process has used.

#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu_seconds: f64,
    pub peak_rss_mb: u64,
}

/// Zeros if the operating system gives no figures.
pub fn now() -> Usage {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for a whole rusage; getrusage fills it and returns 0, or fails and leaves the zeros.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    let peak_rss_mb = peak_kb().unwrap_or_else(|| u64::try_from(usage.ru_maxrss).unwrap_or(0)) / 1024;
    Usage { cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime), peak_rss_mb }
}

/// The peak memory of this program alone, on Linux; `getrusage` includes what the process used before `exec`.
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse().ok()
}
