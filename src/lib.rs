//! The process around the actor system: command line, settings, wiring, and the HTTP facade.

pub mod cli;
pub mod client;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod features;
pub mod fit;
pub mod http;
pub mod import;
pub mod local;
pub mod open;
pub mod sample;
pub mod serve;
pub mod settings;
pub mod worker;
