//! The actor system from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod actix_facts;
mod gate;
mod jobs;
mod limits;
mod schedule;
mod supervision;
mod support;
