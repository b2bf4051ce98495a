//! The process around the actor system: command line, settings, wiring, and the HTTP facade.

// All output goes through `cli::show`, which escapes foreign text.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod card;
pub mod cli;
pub mod client;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod export;
pub mod features;
pub mod fit;
pub mod http;
pub mod import;
pub mod input;
pub mod keys;
pub mod local;
pub mod log;
pub mod memory;
pub mod open;
pub mod output;
pub mod predict;
pub mod sample;
pub mod serve;
pub mod settings;
pub mod stored_model;
pub mod worker;
