//! One integration binary over the public surface.

mod broker;
mod bus;
mod command;
mod durability;
mod events;
mod fitting;
mod http;
mod http_jobs;
mod http_models;
mod importing;
mod openapi;
mod serving;
mod settings;
