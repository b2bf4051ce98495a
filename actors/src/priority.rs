//! Lowers the priority of work that must give way to everything else on the machine.

/// Sets idle scheduling priority for the calling thread and for threads that it starts.
#[cfg(target_os = "linux")]
pub(crate) fn give_way() {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 means the calling thread; `param` is valid for the call's duration.
    let failed = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &param) } != 0;
    if failed {
        let error = std::io::Error::last_os_error();
        tracing::info!(%error, "work in the background runs at normal priority: idle scheduling is not available");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn give_way() {}
