//! Leases let processes that share a store work on different things. A process that works on something holds its lease
//! and renews it (a beat). A process that sees a lease unchanged for a term, by its own clock, takes it over. The store
//! refuses writes of a process that has lost its lease without noticing, because every claim raises an epoch.

mod observed;

use crate::clock::Clock;
use observed::ObservedLeases;
use provost_domain::lease::Lease;
use provost_store::{LeaseStore, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Beats per term, so that some may fail or be late before another process takes over.
const BEATS: u32 = 5;
/// Longest time between two checks of other processes' leases. It bounds how long after its term a lease is taken over.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// This process's leases of a shared store.
#[derive(Clone)]
pub struct Leases {
    store: Arc<dyn LeaseStore>,
    clock: Arc<dyn Clock>,
    holder: Arc<str>,
    term: Duration,
    observed: Arc<Mutex<ObservedLeases>>,
}

impl Leases {
    /// `holder` is unique to this run of this process.
    pub fn new(store: Arc<dyn LeaseStore>, clock: Arc<dyn Clock>, holder: &str, term: Duration) -> Self {
        Self { store, clock, holder: holder.into(), term, observed: Arc::default() }
    }

    pub fn holder(&self) -> &str {
        &self.holder
    }

    pub fn look_every(&self) -> Duration {
        LOOK_EVERY.min(self.term / BEATS)
    }

    pub fn beat_every(&self) -> Duration {
        self.term / BEATS
    }

    /// Whether this lease has been seen unchanged for a term. The first check of the lease starts the term.
    pub fn is_silent(&self, lease: &Lease) -> bool {
        self.observed().is_silent(lease, self.clock.monotonic(), self.term)
    }

    /// Whether this process may take the lease.
    pub fn is_free(&self, lease: &Lease) -> bool {
        self.observed().is_free(lease, &self.holder, self.clock.monotonic(), self.term)
    }

    /// Whether no other process holds the lease of this name.
    pub async fn is_left(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.store.lease(name).await?.is_none_or(|lease| self.is_free(&lease)))
    }

    /// Acquires the lease of this name; None if another process holds it.
    pub async fn take(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        let seen = self.store.lease(name).await?;
        if seen.as_ref().is_some_and(|lease| !self.is_free(lease)) {
            return Ok(None);
        }
        let taken = self.store.take_lease(name, &self.holder, seen.clone()).await?;
        if let (Some(taken), Some(seen)) = (&taken, seen.filter(|l| l.is_held() && l.holder != *self.holder)) {
            tracing::warn!(name, from = %seen.holder, epoch = taken.epoch, "taken over: its holder has fallen silent");
        }
        if taken.is_some() {
            self.observed().forget(name);
        }
        Ok(taken)
    }

    /// Renews the lease until it is lost, then returns. While the store is away this keeps trying, because no other
    /// process can take over then either.
    pub async fn keep(&self, mut lease: Lease) {
        let mut failures = 0u32;
        loop {
            self.clock.sleep(self.beat_every()).await;
            match self.store.renew_lease(&lease).await {
                Ok(Some(renewed)) => (lease, failures) = (renewed, 0),
                Ok(None) => {
                    tracing::warn!(name = %lease.name, epoch = lease.epoch, "the lease is lost");
                    return;
                }
                Err(error) => {
                    // Logged once per outage: a beat fails several times a second.
                    if failures == 0 {
                        tracing::warn!(name = %lease.name, %error, "a lease could not be renewed; it is tried again");
                    }
                    failures = failures.saturating_add(1);
                }
            }
        }
    }

    /// Best effort: a lease that is not released is taken over after its term.
    pub async fn release(&self, lease: &Lease) {
        if let Err(error) = self.store.release_lease(lease).await {
            tracing::debug!(name = %lease.name, %error, "a lease could not be given up");
        }
    }

    fn observed(&self) -> MutexGuard<'_, ObservedLeases> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A unique name for this process: machine, process id and a random part.
pub fn holder() -> String {
    let machine = sysinfo::System::host_name().unwrap_or_else(|_| "unknown".to_owned());
    let drawn = uuid::Uuid::new_v4().simple().to_string();
    format!("{machine}-{}-{}", std::process::id(), &drawn[..8])
}

/// A task that only one of the processes that share the store has at a time.
pub struct Role {
    leases: Option<Leases>,
    name: &'static str,
    held: Option<(Lease, Duration)>,
}

impl Role {
    /// Without leases the task always belongs to this process.
    pub fn new(leases: Option<Leases>, name: &'static str) -> Self {
        Self { leases, name, held: None }
    }

    /// Whether the task belongs to this process now; asked again before each step.
    pub async fn is_mine(&mut self) -> Result<bool, StoreError> {
        let Some(leases) = &self.leases else { return Ok(true) };
        if let Some((_, at)) = &self.held
            && leases.clock.monotonic().saturating_sub(*at) < leases.beat_every()
        {
            return Ok(true);
        }
        let lease = match self.held.take() {
            Some((lease, _)) => leases.store.renew_lease(&lease).await?,
            None => leases.take(self.name).await?,
        };
        self.held = lease.map(|lease| (lease, leases.clock.monotonic()));
        Ok(self.held.is_some())
    }

    /// Leaves the task to others.
    pub async fn leave(&mut self) {
        if let (Some(leases), Some((lease, _))) = (&self.leases, self.held.take()) {
            leases.release(&lease).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::TestClock;
    use provost_store::{SqliteStore, Store};

    const TERM: Duration = Duration::from_secs(10);

    fn two() -> (tempfile::TempDir, Arc<TestClock>, Leases, Leases) {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), Default::default()).unwrap());
        let clock = Arc::new(TestClock::new(Default::default()));
        let leases = |holder| Leases::new(store.clone(), clock.clone(), holder, TERM);
        let (a, b) = (leases("a"), leases("b"));
        (folder, clock, a, b)
    }

    #[tokio::test]
    async fn a_silent_lease_is_taken_over_after_a_term_and_a_beating_one_is_not() {
        let (_folder, clock, a, b) = two();
        let held = a.take("job").await.unwrap().unwrap();
        assert_eq!(b.take("job").await.unwrap(), None, "the first look starts the term");
        clock.advance(TERM - Duration::from_millis(1));
        assert_eq!(b.take("job").await.unwrap(), None);
        let beaten = a.store.renew_lease(&held).await.unwrap().unwrap();
        clock.advance(Duration::from_millis(1));
        assert_eq!(b.take("job").await.unwrap(), None, "it has beaten meanwhile");
        clock.advance(TERM);
        let taken = b.take("job").await.unwrap().unwrap();
        assert_eq!(taken.epoch, beaten.epoch + 1);
        // The late process learns of it at its next beat.
        let keeping = tokio::spawn({
            let a = a.clone();
            async move { a.keep(beaten).await }
        });
        while !keeping.is_finished() {
            clock.advance(a.beat_every());
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_role_passes_on_when_it_is_left_or_its_holder_falls_silent() {
        let (_folder, clock, a, b) = two();
        let (mut one, mut two) = (Role::new(Some(a), "mail"), Role::new(Some(b), "mail"));
        assert!(one.is_mine().await.unwrap() && !two.is_mine().await.unwrap());
        one.leave().await;
        assert!(two.is_mine().await.unwrap() && !one.is_mine().await.unwrap());
        clock.advance(TERM);
        assert!(one.is_mine().await.unwrap());
        assert!(!two.is_mine().await.unwrap(), "it was taken over");
        assert!(Role::new(None, "mail").is_mine().await.unwrap());
    }
}
