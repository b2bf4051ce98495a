//! The keys in memory, so that no request asks the store. They are read again every second: a key that is made or revoked
//! counts two seconds later at most, a new one at once, since an unknown id makes it look.

use provost_actors::clock::Clock;
use provost_domain::key::{ApiKey, KeyText, Role};
use provost_store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

/// How often the keys are read.
const REFRESH: Duration = Duration::from_secs(1);
/// How often unknown ids may make it look between; they wait for it.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Known {
    keys: HashMap<String, (ApiKey, [u8; 32])>,
    read_at: Duration,
}

pub struct Keyring {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: RwLock<Arc<Known>>,
    /// One looks at a time; when the last one began to, also if it failed.
    looking: tokio::sync::Mutex<Duration>,
}

/// Whom a key lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub id: String,
    /// The id, and the key's name where it has one.
    pub label: String,
    pub role: Role,
}

impl Keyring {
    pub async fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let ring = Self { store, clock, known: RwLock::default(), looking: tokio::sync::Mutex::default() };
        ring.read().await?;
        Ok(ring)
    }

    async fn read(&self) -> Result<(), StoreError> {
        let read_at = self.clock.monotonic();
        let mut keys = HashMap::new();
        for key in self.store.keys().await? {
            match digest(&key.sha256) {
                Some(digest) => {
                    keys.insert(key.id.clone(), (key, digest));
                }
                None => tracing::error!(key = key.id, "a key without its SHA-256 opens nothing"),
            }
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Known { keys, read_at });
        Ok(())
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there never was a key. One that has ended keeps the door shut.
    pub fn is_empty(&self) -> bool {
        self.known().keys.is_empty()
    }

    pub fn has_valid(&self) -> bool {
        let now = self.clock.now();
        self.known().keys.values().any(|(key, _)| key.is_valid(now))
    }

    /// Whose text this is, if it is a valid key's.
    pub async fn holder(&self, text: &str) -> Option<Holder> {
        let text = KeyText::parse(text)?;
        let id = text.id();
        let mut known = self.known();
        if !known.keys.contains_key(&id) {
            self.look().await;
            known = self.known();
        }
        // An unknown id costs as much time as a known one.
        let (key, expected) = match known.keys.get(&id) {
            Some((key, digest)) => (Some(key), *digest),
            None => (None, [0; 32]),
        };
        let equal: bool = text.digest().ct_eq(&expected).into();
        let key = key.filter(|key| equal && key.is_valid(self.clock.now()))?;
        Some(Holder { id, label: key.label(), role: key.role })
    }

    /// Reads the keys once for all who ask meanwhile, and not too often, however many ask.
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
        if let Err(error) = self.read().await {
            tracing::warn!(%error, "the keys could not be read; those known so far count");
        }
    }

    /// Reads the keys again and again, until the facade closes. While the store is away the last ones count.
    pub async fn stay_fresh(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        let mut away = false;
        loop {
            tokio::select! {
                () = self.clock.sleep(REFRESH) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            match self.read().await {
                Ok(()) => away = false,
                Err(error) if !away => {
                    away = true;
                    tracing::warn!(%error, "the keys cannot be read; those known so far count");
                }
                Err(_) => {}
            }
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
    use chrono::{DateTime, TimeDelta};
    use provost_actors::clock::TestClock;
    use provost_domain::audit::Deed;
    use provost_store::SqliteStore;

    struct Place {
        _folder: tempfile::TempDir,
        store: Arc<dyn Store>,
        clock: TestClock,
        ring: Arc<Keyring>,
    }

    async fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let clock = TestClock::new(DateTime::UNIX_EPOCH);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), clock.now()).unwrap());
        let ring = Arc::new(Keyring::open(store.clone(), Arc::new(clock.clone())).await.unwrap());
        Place { _folder: folder, store, clock, ring }
    }

    impl Place {
        async fn add(&self, n: u8, role: Role, seconds: Option<i64>) -> KeyText {
            let text = KeyText::new([n; 8], [n; 32]);
            let expires = seconds.map(|s| DateTime::UNIX_EPOCH + TimeDelta::seconds(s));
            let key = ApiKey::new(&text, None, role, self.clock.now(), expires);
            self.store.add_key(key.clone(), Deed::key_created(&key, "test")).await.unwrap();
            text
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
        let other = KeyText::new([1; 8], [2; 32]);
        assert_eq!(place.role(&other).await, None);
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
        // The next sleep begins when the keys were read.
        sleeps.wait_for(|n| *n == 2).await.unwrap();
        assert_eq!(place.role(&long).await, None);
        assert!(!place.ring.is_empty());
        close.send_replace(true);
        fresh.await.unwrap();
    }
}
