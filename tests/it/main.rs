//! One integration binary over the public surface.

mod command;
mod durability;
mod fitting;
mod importing;
mod serving;
mod settings;
