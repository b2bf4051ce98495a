//! The operating system's figures for this process, under the standard names of Prometheus clients.

use super::family::{Family, Value};
use sysinfo::{Process, ProcessRefreshKind, ProcessesToUpdate, System};

/// CPU, memory, open files and start time of this process. No samples if the system does not report them.
pub fn families() -> Vec<Family> {
    let pid = sysinfo::get_current_pid().ok();
    let mut system = System::new().ok();
    if let (Some(pid), Some(system)) = (pid, &mut system) {
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    }
    let process = pid.and_then(|pid| system.as_ref()?.process(pid));
    let tell = |value: fn(&Process) -> Option<Value>| process.and_then(value);
    vec![
        Family::counter("process_cpu_seconds", "Processor time that the process has used, in seconds")
            .of_known(tell(|p| Some((p.accumulated_cpu_time() as f64 / 1000.0).into()))),
        Family::gauge("process_resident_memory_bytes", "Resident memory of the process")
            .of_known(tell(|p| Some(p.memory().into()))),
        Family::gauge("process_virtual_memory_bytes", "Virtual memory of the process")
            .of_known(tell(|p| Some(p.virtual_memory().into()))),
        Family::gauge("process_open_fds", "Open file descriptors of the process")
            .of_known(tell(|p| p.open_files().map(|files| (files as u64).into()))),
        Family::gauge("process_max_fds", "File descriptors that the process may have open")
            .of_known(tell(|p| p.open_files_limit().map(|files| (files as u64).into()))),
        Family::gauge("process_start_time_seconds", "When the process started, in seconds since 1970")
            .of_known(tell(|p| Some(p.start_time().into()))),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_figure_of_this_process_is_there() {
        for family in families() {
            let value = match &family.samples[..] {
                [sample] => &sample.value,
                other => panic!("{}: {other:?}", family.name),
            };
            let positive = match value {
                Value::Whole(n) => *n > 0,
                // A process this young may have used less than a tick.
                Value::Number(n) => *n >= 0.0,
                Value::Observed(_) => false,
            };
            assert!(positive, "{}: {value:?}", family.name);
        }
    }
}
