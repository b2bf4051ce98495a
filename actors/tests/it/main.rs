//! The actor system from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod actix_facts;
mod jobs;
mod limits;
mod mail;
mod mail_samples;
mod mail_server;
mod supervision;
mod support;
