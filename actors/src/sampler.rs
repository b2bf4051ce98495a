//! Samples CPU and memory of this process for the record of a running job.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Per cent of one core since the last sample; 200 is two cores. None for the first sample.
    pub cpu_percent: Option<f64>,
    /// Resident memory in MiB.
    pub memory_mb: f64,
}

pub struct Sampler {
    /// None if the system does not report it.
    system: Option<System>,
    pid: Option<Pid>,
    primed: bool,
}

impl Sampler {
    pub fn new() -> Self {
        Self { system: System::new().ok(), pid: sysinfo::get_current_pid().ok(), primed: false }
    }

    pub fn sample(&mut self) -> Option<Sample> {
        let (pid, system) = (self.pid?, self.system.as_mut()?);
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        let process = system.process(pid)?;
        // The first reading has no interval to compute a share of.
        let cpu_percent = self.primed.then(|| f64::from(process.cpu_usage()));
        self.primed = true;
        Some(Sample { cpu_percent, memory_mb: process.memory() as f64 / (1024.0 * 1024.0) })
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}
