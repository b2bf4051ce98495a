//! Where state lives: the `Store` trait in domain verbs, its backends, and the content-addressed artifacts on disk.

pub mod artifacts;
pub mod backup;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod damage;
pub mod error;
pub mod lock;
pub mod mongo;
pub mod private;
#[cfg(test)]
#[path = "../../../tests/it/skip.rs"]
mod skip;
pub mod sqlite;
pub mod store;
pub mod timed;

pub use artifacts::Artifacts;
pub use error::StoreError;
pub use lock::DataFolderLock;
pub use mongo::MongoStore;
pub use sqlite::{DATABASE, SqliteStore};
pub use store::*;
pub use timed::TimedStore;
