//! The Loader owns the snapshots: immutable rows to learn from, named by content hash.

use crate::error::LoadError;
use crate::options::Options;
use crate::supervise::Status;
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseFuture};
use provost_domain::quality::DataQualityReport;
use provost_domain::{Snapshot, TrainingConfig};
use provost_learn::split::{Parts, SplitRows, split};
use provost_learn::{Dataset, LearnError};
use serde_json::json;
use std::sync::Arc;

/// A snapshot and the dataset made of it.
#[derive(Debug)]
pub struct LoadedSnapshot {
    /// SHA-256 of the artifact.
    pub sha: String,
    pub snapshot: Snapshot,
    pub dataset: Dataset,
}

impl LoadedSnapshot {
    /// The three parts of these rows; `salt` is the installation's. The same for every algorithm of a configuration.
    pub fn parts(&self, config: &TrainingConfig, salt: u64) -> Result<Parts, LearnError> {
        let s = &self.snapshot;
        let rows = SplitRows { labels: &s.labels, applicants: &s.applicants, row_ids: &s.row_ids, years: &s.years };
        split(&rows, config.split, config.test_size, config.validation_size, salt, config.random_state)
    }
}

/// The quality of the data that a configuration selects.
pub struct Quality(pub TrainingConfig);
impl Message for Quality {
    type Result = Result<Arc<DataQualityReport>, LoadError>;
}

/// Takes a snapshot of the data that a configuration selects, and keeps it as an artifact.
pub struct Take(pub TrainingConfig);
impl Message for Take {
    type Result = Result<Taken, LoadError>;
}

#[derive(Debug, Clone)]
pub struct Taken {
    pub sha: String,
    pub data: Arc<LoadedSnapshot>,
}

/// Opens a snapshot that was taken before.
pub struct Open(pub String);
impl Message for Open {
    type Result = Result<Arc<LoadedSnapshot>, LoadError>;
}

pub struct Loader {
    options: Arc<Options>,
}

impl Loader {
    pub fn new(options: Arc<Options>) -> Self {
        Self { options }
    }
}

impl Actor for Loader {
    type Context = Context<Self>;
}

impl Handler<Status> for Loader {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(json!({}))
    }
}

fn missing() -> LoadError {
    LoadError::Data("the loader cannot read data yet".to_owned())
}

impl Handler<Quality> for Loader {
    type Result = ResponseFuture<Result<Arc<DataQualityReport>, LoadError>>;
    fn handle(&mut self, _: Quality, _: &mut Context<Self>) -> Self::Result {
        self.options.failpoints.hit("loader");
        Box::pin(async { Err(missing()) })
    }
}

impl Handler<Take> for Loader {
    type Result = ResponseFuture<Result<Taken, LoadError>>;
    fn handle(&mut self, _: Take, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { Err(missing()) })
    }
}

impl Handler<Open> for Loader {
    type Result = ResponseFuture<Result<Arc<LoadedSnapshot>, LoadError>>;
    fn handle(&mut self, _: Open, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { Err(missing()) })
    }
}
