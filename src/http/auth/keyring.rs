//! The keys and sessions in memory, so that requests need not read the store. The keyring rereads them every second, so a change
//! takes effect within two seconds; an unknown key or session makes it reread at once, so a new key works at once.

mod sessions;

use crate::settings::SessionLimits;
use chrono::{DateTime, TimeDelta, Utc};
use provost_actors::clock::Clock;
use provost_domain::key::{ApiKey, KeyText, Role};
use provost_domain::session::Session;
use provost_store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

/// How often the keys and sessions are read.
const REFRESH: Duration = Duration::from_secs(1);
/// The shortest time between rereads for unknown keys and sessions, whose requests wait for the reread.
const LOOK: Duration = Duration::from_millis(100);
#[derive(Default)]
struct Known {
    keys: HashMap<String, (ApiKey, [u8; 32])>,
    sessions: HashMap<String, Session>,
    read_at: Duration,
}

pub struct Keyring {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    idle: TimeDelta,
    lifetime: TimeDelta,
    known: RwLock<Arc<Known>>,
    /// Sessions whose latest request is not stored yet.
    seen: Mutex<HashMap<String, Session>>,
    /// Serialises the rereads for unknown keys; the time at which the last one began, failed ones included.
    looking: tokio::sync::Mutex<Duration>,
    /// Serialises all reads, so that an older result never replaces a newer one.
    reading: tokio::sync::Mutex<()>,
    /// Counts the reads, also those that failed.
    reads: watch::Sender<u64>,
    /// Whether the last read of the keys failed.
    away: AtomicBool,
    /// Whether the last read or write of the sessions failed although the keys could be read.
    sessions_away: AtomicBool,
}

/// The identity and role that a valid key gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub id: String,
    /// The id, and the key's name where it has one.
    pub label: String,
    pub role: Role,
}

impl Holder {
    fn of(key: &ApiKey) -> Self {
        Self { id: key.id.clone(), label: key.label(), role: key.role }
    }
}

/// Compares two digests in constant time.
fn equal(given: &[u8; 32], expected: &[u8; 32]) -> bool {
    #[cfg(test)]
    tests::COMPARISONS.with(|n| n.set(n.get() + 1));
    given.ct_eq(expected).into()
}

impl Known {
    /// The holder of a key that is valid now. An unknown id is compared with a digest that no text has, so that it takes as
    /// long as a known one.
    fn open(&self, id: &str, given: &[u8; 32], now: DateTime<Utc>) -> Option<Holder> {
        let (key, expected) = match self.keys.get(id) {
            Some((key, digest)) => (Some(key), digest),
            None => (None, &[0; 32]),
        };
        let equal = equal(given, expected);
        key.filter(|key| equal && key.is_valid(now)).map(Holder::of)
    }

    fn valid_key(&self, id: &str, now: DateTime<Utc>) -> Option<&ApiKey> {
        self.keys.get(id).map(|(key, _)| key).filter(|key| key.is_valid(now))
    }
}

impl Keyring {
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        SessionLimits { idle, lifetime }: SessionLimits,
    ) -> Result<Self, StoreError> {
        let delta = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        let ring = Self {
            store,
            clock,
            idle: delta(idle),
            lifetime: delta(lifetime),
            known: RwLock::default(),
            seen: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            reads: watch::channel(0).0,
            away: AtomicBool::new(false),
            sessions_away: AtomicBool::new(false),
        };
        // API keys work although the sessions could not be read.
        let of_sessions = ring.read_both().await?;
        ring.tell_of_sessions(of_sessions);
        Ok(ring)
    }

    /// Reads keys and sessions; what fails of either is the error.
    async fn read(&self) -> Result<(), StoreError> {
        self.read_both().await?
    }

    /// Reads keys and sessions: the outer error is of the keys, the inner one of the sessions.
    async fn read_both(&self) -> Result<Result<(), StoreError>, StoreError> {
        let _one = self.reading.lock().await;
        let done = self.read_alone().await;
        self.reads.send_modify(|n| *n += 1);
        done
    }

    /// A fault in the sessions does not affect the keys. If the sessions cannot be read, those known so far stay valid
    /// as long as their keys do.
    async fn read_alone(&self) -> Result<Result<(), StoreError>, StoreError> {
        let read_at = self.clock.monotonic();
        let seen: Vec<Session> = self.seen().values().cloned().collect();
        let written = if seen.is_empty() { Ok(()) } else { self.store.see_sessions(seen.clone()).await };
        let mut keys = HashMap::new();
        for key in self.store.keys().await? {
            match digest(&key.sha256) {
                Some(digest) => {
                    keys.insert(key.id.clone(), (key, digest));
                }
                None => tracing::error!(key = key.id, "a stored key has no valid SHA-256 and is ignored"),
            }
        }
        let read = self.store.sessions().await;
        let (sessions, read) = match read {
            Ok(all) => (all.into_iter().map(|session| (session.sha256.clone(), session)).collect(), Ok(())),
            Err(e) => (self.known().sessions.clone(), Err(e)),
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Known { keys, sessions, read_at });
        let of_sessions = written.and(read);
        if of_sessions.is_err() {
            return Ok(of_sessions);
        }
        // These are stored now; sessions used meanwhile are stored the next time.
        self.seen().retain(|name, session| seen.iter().all(|s| s.sha256 != *name || s.seen_at < session.seen_at));
        Ok(Ok(()))
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no key was ever created. An expired or revoked key counts.
    pub fn is_empty(&self) -> bool {
        self.known().keys.is_empty()
    }

    pub fn has_valid(&self) -> bool {
        let now = self.clock.now();
        self.known().keys.values().any(|(key, _)| key.is_valid(now))
    }

    /// Changes at each read of the keys and sessions.
    pub fn reads(&self) -> watch::Receiver<u64> {
        self.reads.subscribe()
    }

    /// Whether the key with this id is valid now. Open event streams ask this after each reading of the keys.
    pub fn is_valid_key(&self, id: &str) -> bool {
        self.known().valid_key(id, self.clock.now()).is_some()
    }

    /// The holder of the key with this text, if the key is valid. For any other text the same steps are taken, whether
    /// the id is known or not: two comparisons with a reread between them.
    pub async fn holder(&self, text: &str) -> Option<Holder> {
        let text = KeyText::parse(text)?;
        let (id, given) = (text.id(), text.digest());
        if let Some(holder) = self.known().open(&id, &given, self.clock.now()) {
            return Some(holder);
        }
        self.look().await;
        self.known().open(&id, &given, self.clock.now())
    }

    /// Rereads the keys once for all waiting requests, at most every [`LOOK`].
    async fn look(&self) {
        let asked = self.clock.monotonic();
        let mut last = self.looking.lock().await;
        let before = self.known().read_at.max(*last);
        if before >= asked {
            return;
        }
        let wait = LOOK.saturating_sub(self.clock.monotonic().saturating_sub(before));
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        *last = self.clock.monotonic();
        self.refresh().await;
    }

    /// Reads the keys; of consecutive failures only the first is logged.
    async fn refresh(&self) {
        match self.read_both().await {
            Ok(of_sessions) => {
                self.away.store(false, Ordering::Relaxed);
                self.tell_of_sessions(of_sessions);
            }
            Err(error) if !self.away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "the keys cannot be read; the last known ones stay valid");
            }
            Err(_) => {}
        }
    }

    /// Of consecutive failures only the first is logged, as for the keys.
    fn tell_of_sessions(&self, outcome: Result<(), StoreError>) {
        match outcome {
            Ok(()) => self.sessions_away.store(false, Ordering::Relaxed),
            Err(error) if !self.sessions_away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "the sessions cannot be read or written; the last known ones stay valid");
            }
            Err(_) => {}
        }
    }

    /// Rereads the keys until the facade closes. While the store is unavailable the last ones read stay valid.
    pub async fn stay_fresh(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.clock.sleep(REFRESH) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            self.refresh().await;
        }
    }
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| high << 4 | low).collect::<Vec<u8>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use provost_actors::clock::TestClock;
    use provost_domain::audit::Deed;
    use provost_store::SqliteStore;
    use std::cell::Cell;

    thread_local! {
        /// How often digests were compared on this thread.
        pub static COMPARISONS: Cell<u32> = const { Cell::new(0) };
    }

    pub const LIMITS: SessionLimits =
        SessionLimits { idle: Duration::from_secs(600), lifetime: Duration::from_secs(3600) };

    pub struct Place {
        folder: tempfile::TempDir,
        pub store: Arc<dyn Store>,
        pub clock: TestClock,
        pub ring: Arc<Keyring>,
    }

    pub async fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let clock = TestClock::new(DateTime::UNIX_EPOCH);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), clock.now()).unwrap());
        let ring = Arc::new(Keyring::open(store.clone(), Arc::new(clock.clone()), LIMITS).await.unwrap());
        Place { folder, store, clock, ring }
    }

    impl Place {
        pub async fn add(&self, n: u8, role: Role, seconds: Option<i64>) -> KeyText {
            let text = KeyText::new([n; 8], [n; 32]);
            let expires = seconds.map(|s| DateTime::UNIX_EPOCH + TimeDelta::seconds(s));
            let key = ApiKey::new(&text, None, role, self.clock.now(), expires);
            self.store.add_key(key.clone(), Deed::key_created(&key, "test")).await.unwrap();
            text
        }
        /// Changes the database in a way that no store method does.
        pub fn damage(&self, sql: &str) {
            let path = self.folder.path().join(provost_store::DATABASE);
            rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
        }
        async fn role(&self, text: &KeyText) -> Option<Role> {
            self.ring.holder(text.reveal()).await.map(|h| h.role)
        }
    }

    #[actix_web::test]
    async fn a_new_key_opens_at_once_and_only_with_its_secret() {
        let place = place().await;
        assert!(place.ring.is_empty());
        let text = place.add(1, Role::Operator, None).await;
        place.clock.advance(LOOK / 2);
        let mut sleeps = place.clock.sleeps();
        let looked = async {
            sleeps.wait_for(|n| *n == 1).await.unwrap();
            place.clock.advance(LOOK / 2);
        };
        let (role, ()) = tokio::join!(place.role(&text), looked);
        assert_eq!(role, Some(Role::Operator), "it waits for the next look");
        assert!(!place.ring.is_empty());
        for text in ["", "x", "pvk_", &text.reveal()[..80]] {
            assert_eq!(place.ring.holder(text).await, None, "{text}");
        }
    }

    #[actix_web::test]
    #[ignore = "a measurement, in release only"]
    async fn what_a_key_costs() {
        let place = place().await;
        let text = place.add(1, Role::Viewer, None).await;
        place.clock.advance(LOOK);
        let limits = super::super::rates::Buckets::per_second(u32::MAX);
        let began = std::time::Instant::now();
        let rounds = 200_000;
        for n in 0..rounds {
            let holder = place.ring.holder(text.reveal()).await.unwrap();
            limits.take(holder.id, Duration::from_nanos(n)).unwrap();
            assert!(
                super::super::table::find("GET", "/api/v1/model-training/evaluate/x/results")
                    != super::super::table::Found::Nothing
            );
        }
        eprintln!("key, rate and role: {:?} a request", began.elapsed() / rounds as u32);
    }

    /// What a check of this text costs: comparisons, and waits for a reread.
    async fn cost(place: &Place, text: &KeyText) -> (u32, u64) {
        place.clock.advance(LOOK / 2);
        let mut sleeps = place.clock.sleeps();
        let (compared, slept) = (COMPARISONS.get(), *sleeps.borrow_and_update());
        let waited = async {
            sleeps.wait_for(|n| *n > slept).await.unwrap();
            place.clock.advance(LOOK);
        };
        let (holder, ()) = tokio::join!(place.ring.holder(text.reveal()), waited);
        assert_eq!(holder, None);
        let slept = *place.clock.sleeps().borrow() - slept;
        (COMPARISONS.get() - compared, slept)
    }

    /// Counts steps instead of measuring times. A wrong secret for a known key, an unknown id and an expired key each
    /// cost two comparisons of digests and one reread.
    #[actix_web::test]
    async fn what_is_no_valid_key_costs_the_same_whether_its_id_is_known_or_not() {
        let place = place().await;
        place.add(1, Role::Viewer, None).await;
        let ended = place.add(2, Role::Viewer, Some(0)).await;
        place.ring.read().await.unwrap();
        let known = cost(&place, &KeyText::new([1; 8], [9; 32])).await;
        let unknown = cost(&place, &KeyText::new([3; 8], [9; 32])).await;
        assert_eq!((known, unknown, cost(&place, &ended).await), ((2, 1), (2, 1), (2, 1)));
    }

    #[actix_web::test]
    async fn a_key_ends_with_its_expiry_and_its_revocation_and_keeps_the_door_shut() {
        let place = place().await;
        let (short, long) = (place.add(1, Role::Viewer, Some(10)).await, place.add(2, Role::Admin, None).await);
        place.clock.advance(LOOK);
        assert_eq!((place.role(&short).await, place.role(&long).await), (Some(Role::Viewer), Some(Role::Admin)));
        place.clock.advance(Duration::from_secs(10));
        assert_eq!(place.role(&short).await, None);

        let (close, closing) = watch::channel(false);
        let (mut sleeps, fresh) = (place.clock.sleeps(), tokio::spawn(place.ring.clone().stay_fresh(closing)));
        sleeps.wait_for(|n| *n == 1).await.unwrap();
        let now = place.clock.now();
        place.store.revoke_key(&long.id(), now, Deed::key_revoked(&long.id(), now, "test", now)).await.unwrap();
        assert_eq!(place.role(&long).await, Some(Role::Admin), "not read yet");
        place.clock.advance(REFRESH);
        // The next wait begins after the keys were read.
        sleeps.wait_for(|n| *n == 2).await.unwrap();
        assert_eq!(place.role(&long).await, None);
        assert!(!place.ring.is_empty());
        close.send_replace(true);
        fresh.await.unwrap();
    }
}
