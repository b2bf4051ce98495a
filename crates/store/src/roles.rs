//! The store's traits, one for each role that an actor or a command has in the system. `…Reader` reads, `…Store` writes too (and
//! reads): who holds only a reader cannot write, and only one actor is given each writing role.

pub mod activation;
pub mod audit;
pub mod evaluations;
pub mod health;
pub mod inbox;
pub mod installation;
pub mod jobs;
pub mod keys;
pub mod leases;
pub mod models;
pub mod needs;
pub mod outbox;
pub mod points;
pub mod predictions;
pub mod responses;
pub mod retention;
pub mod schedule;
pub mod sessions;
pub mod shadow;
pub mod trials;
pub mod triggers;
pub mod units;
pub mod watch;
