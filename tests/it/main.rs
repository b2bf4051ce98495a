//! One integration binary over the public surface.

mod backup;
mod broker;
mod bus;
mod chaos;
mod command;
mod data_path;
mod durability;
mod events;
mod fitting;
mod fleet;
mod http;
mod http_jobs;
mod http_models;
mod importing;
mod locks;
mod locks_patience;
mod locks_tls;
mod mongo;
mod mongo_server;
mod network;
mod openapi;
mod private;
mod secrets;
mod serving;
mod settings;
mod visible;
