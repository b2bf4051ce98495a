//! The roles of the store, each in terms of this backend's modules.

mod activation;
mod audit;
mod evaluations;
mod health;
mod inbox;
mod installation;
mod jobs;
mod keys;
mod leases;
mod models;
mod needs;
mod outbox;
mod points;
mod predictions;
mod responses;
mod retention;
mod schedule;
mod sessions;
mod shadow;
mod trials;
mod triggers;
mod units;
mod watch;
