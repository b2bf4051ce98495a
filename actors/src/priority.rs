//! Work that gives way to everything else on the machine.

/// Puts the calling thread, and threads that it starts, at idle scheduling priority.
#[cfg(target_os = "linux")]
pub(crate) fn give_way() {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 names the calling thread; `param` is valid for the call's duration.
    let failed = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &param) } != 0;
    if failed {
        let error = std::io::Error::last_os_error();
        tracing::info!(%error, "work in the background runs at normal priority: idle scheduling is not available");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn give_way() {}
