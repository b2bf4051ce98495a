//! The commands that send requests to a running service.

mod card;
pub mod compare;
pub mod decisions;
mod evaluate;
pub mod follow_job;
mod history;
pub mod ids;
mod jobs;
mod logs;
mod models;
mod quality;
mod read;
mod remote;
mod request;
mod schedule;
mod status;
pub mod train;

pub use card::{CardArgs, card};
pub use compare::{CompareArgs, compare};
pub use decisions::{DecisionsArgs, decisions};
pub use evaluate::{EvaluateArgs, PlotsArgs, evaluate, plots};
pub use history::{ActivateArgs, HistoryArgs, RollbackArgs, activate, history, rollback};
pub use jobs::{JobsAction, JobsArgs, jobs};
pub use models::{ModelsArgs, models};
pub use quality::{QualityArgs, quality};
pub use remote::Remote;
pub use request::Client;
pub use schedule::{ScheduleArgs, schedule};
pub use status::{StatusArgs, status};

use crate::cli::common::Output;
use crate::cli::show;
use serde_json::Value;

pub const BASE: &str = "/api/v1/model-training";

/// Prints the answer: with `--json` as JSON, a list with one element per line; else as `human` formats it.
fn print(output: &Output, answer: &Value, human: impl FnOnce() -> String) {
    if !output.json {
        show::line(&human());
    } else if let Value::Array(items) = answer {
        items.iter().for_each(show::object);
    } else {
        show::object(answer);
    }
}
