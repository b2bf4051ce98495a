//! The process around the actor system: command line, settings, wiring, and the HTTP facade.

pub mod settings;
