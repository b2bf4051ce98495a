//! One process at a time takes points over: of two documents with one `data_point_id` the newer counts, and which that is only
//! who goes through all of them knows. The others wait until it is done, or has fallen silent.

use crate::error::{Result, StoreError};
use crate::mongo::connection::Db;
use crate::mongo::leases;
use provost_domain::lease::Lease;
use std::time::{Duration, Instant};

const NAME: &str = "points of the replaced service";
/// Between two signs of life, and between two looks for them.
const BEAT: Duration = Duration::from_millis(500);
/// Longer than a server may be slow to take a sign of life.
pub const SILENCE: Duration = Duration::from_secs(15);

pub struct Turn {
    lease: Lease,
}

impl Turn {
    /// Waits for the turn. Who gives no sign of life for `silence` has died.
    pub async fn take(db: &Db, silence: Duration) -> Result<Self> {
        let holder = uuid::Uuid::new_v4().simple().to_string();
        let mut seen: Option<(Lease, Instant)> = None;
        loop {
            let dead = seen.as_ref().filter(|(_, since)| since.elapsed() >= silence).map(|(lease, _)| lease.clone());
            if let Some(lease) = leases::take(db, NAME, &holder, dead).await? {
                return Ok(Self { lease });
            }
            let found = leases::get(db, NAME).await?;
            if seen.is_none() {
                tracing::info!("another process takes over the data points of the replaced service; it is waited for");
            }
            seen = match (found, seen) {
                (Some(found), Some((known, since))) if found == known => Some((known, since)),
                (found, _) => found.map(|lease| (lease, Instant::now())), // real time: another process's life
            };
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Does the work and renews the turn. Ends early if another process has the turn by now.
    pub async fn during<T>(self, db: &Db, work: impl Future<Output = Result<T>>) -> Result<T> {
        let beating = async {
            loop {
                tokio::time::sleep(BEAT).await;
                match leases::renew(db, &self.lease).await {
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        return StoreError::Unavailable(format!("the {NAME} are taken over by another process"));
                    }
                    // The work meets the same fault, or it has passed at the next sign of life.
                    Err(e) if e.may_pass() => {}
                    Err(e) => return e,
                }
            }
        };
        let done = tokio::select! {
            done = work => done,
            fault = beating => return Err(fault),
        };
        leases::release(db, &self.lease).await?;
        done
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mongo::server::Server;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_turn_is_one_processs_until_it_ends_or_falls_silent() {
        let Some(server) = Server::start() else { return };
        let db = Db::new(&server.database(), None).await.unwrap();
        let dead = Turn::take(&db, SILENCE).await.unwrap();
        let next = Turn::take(&db, Duration::ZERO).await.unwrap();
        // It wakes up and finds its turn gone, before its work has ended.
        let work = std::future::pending::<Result<()>>();
        assert!(matches!(dead.during(&db, work).await, Err(StoreError::Unavailable(_))));
        assert_eq!(next.during(&db, async { Ok(7) }).await.unwrap(), 7);
        Turn::take(&db, SILENCE).await.unwrap();
    }
}
