//! The actor system from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod actix_facts;
mod bridge;
mod bridge_faults;
mod bridge_jobs;
mod bridge_load;
mod bridge_predictions;
#[path = "../../../tests/it/broker.rs"]
mod broker;
mod fleet;
mod gate;
mod jobs;
mod leases;
mod limits;
mod mail;
mod mail_samples;
mod mail_server;
mod metrics;
mod needs;
mod peer;
mod retention;
mod schedule;
mod serving;
mod silence;
#[path = "../../../tests/it/skip.rs"]
mod skip;
mod spaces;
mod supervision;
mod support;
mod watch;
mod week;
