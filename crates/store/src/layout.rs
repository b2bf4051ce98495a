//! The names of what lies in a data folder.

/// The SQLite database.
pub const DATABASE: &str = "provost.db";
/// The log of predictions, with a SQLite backend.
pub const PREDICTIONS: &str = "predictions.db";
/// The folder of the artifacts, in a data folder and in a backup.
pub const ARTIFACTS: &str = "artifacts";
/// The folder that a backup is restored into until the restore is complete.
pub(crate) const RESTORING: &str = "restoring";
/// The file that the process which serves the folder keeps locked.
pub const LOCK_FILE: &str = "provost.lock";
