//! Why long computations end early.

/// Why a computation was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A user cancelled the computation.
    Cancelled,
    /// The computation's time limit was reached.
    TimeLimit,
    /// The process is shutting down.
    Shutdown,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StopReason::Cancelled => "cancelled",
            StopReason::TimeLimit => "the time limit was reached",
            StopReason::Shutdown => "the process is shutting down",
        })
    }
}
