//! The errors of commands, and their exit codes.

use provost_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad usage or bad settings: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Exit code 1.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl Error {
    pub fn failed(message: impl Into<String>) -> Self {
        Error::Failed(anyhow::Error::msg(message.into()))
    }
    /// Exit code 1: the cause, and advice on a line of its own.
    pub fn failed_with(cause: impl std::fmt::Display, advice: &str) -> Self {
        Error::failed(format!("{cause}\n  → {advice}"))
    }
    /// As `failed_with`, for bad usage: exit code 2.
    pub fn usage_with(cause: impl std::fmt::Display, advice: &str) -> Self {
        Error::Usage(format!("{cause}\n  → {advice}"))
    }
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Failed(_) => 1,
        }
    }
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Self {
        match e {
            // A second server on the same data folder is bad usage, not a failure.
            StoreError::Locked { .. } => {
                let advice = "end that process first, or name another folder with --data-dir; `provost status` asks a \
                              running service";
                Error::usage_with(e, advice)
            }
            e => Error::Failed(e.into()),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Error::Failed(e.into())
    }
}

pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_in_use_comes_with_advice() {
        let error = Error::from(StoreError::Locked { folder: "data".to_owned(), pid: "7".to_owned() });
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().starts_with("data is in use by process 7\n  → end that process first"), "{error}");
    }
}
