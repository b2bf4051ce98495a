//! The process around the actor system: command line, settings, wiring, and the HTTP facade.

pub mod cli;
pub mod client;
pub mod error;
pub mod features;
pub mod http;
pub mod import;
pub mod open;
pub mod sample;
pub mod settings;
