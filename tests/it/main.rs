//! One integration binary over the public surface.

mod command;
mod fitting;
mod importing;
mod serving;
mod settings;
