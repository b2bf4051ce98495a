//! Browser sessions: how they begin, which role they have, and how they end.

use super::{Holder, Keyring};
use chrono::TimeDelta;
use provost_domain::session::{Session, SessionBounds, SessionToken};
use provost_store::StoreError;

/// How many sessions there may be.
const BOUNDS: SessionBounds = SessionBounds { of_key: 20, of_all: 1000 };
/// How often, at most, the time of a session's last request is stored.
const NOTE: TimeDelta = TimeDelta::seconds(30);

impl Keyring {
    /// Whether a session is still valid.
    pub fn is_valid_session(&self, sha256: &str) -> bool {
        self.open_session(sha256).is_some()
    }

    /// Begins a session for this key.
    pub async fn begin_session(&self, key_id: &str, secret: [u8; 32]) -> Result<SessionToken, StoreError> {
        let token = SessionToken::new(secret);
        let session = Session::new(&token, key_id, self.clock.now(), self.idle, self.lifetime);
        self.store.add_session(session, BOUNDS).await?;
        self.read().await?;
        Ok(token)
    }

    /// Ends a session. After this call it is invalid here, and within two seconds in other processes.
    pub async fn end_session(&self, sha256: &str) -> Result<(), StoreError> {
        self.store.end_session(sha256).await?;
        self.seen().remove(sha256);
        self.read().await
    }

    /// The holder and the name of the session, if both the session and its key are valid.
    pub async fn holder_of_session(&self, token: &str) -> Option<(Holder, String)> {
        let sha256 = SessionToken::parse(token)?.sha256();
        let mut found = self.open_session(&sha256);
        if found.is_none() {
            self.look().await;
            found = self.open_session(&sha256);
        }
        let (holder, session) = found?;
        let now = self.clock.now();
        // Much shorter than the time after which a session expires without requests.
        if now - session.seen_at >= NOTE.min(self.idle / 4) {
            self.seen().insert(sha256.clone(), session.seen(now, self.idle, self.lifetime));
        }
        Some((holder, sha256))
    }

    fn open_session(&self, sha256: &str) -> Option<(Holder, Session)> {
        let (known, now) = (self.known(), self.clock.now());
        let kept = known.sessions.get(sha256)?;
        let key = known.valid_key(&kept.key_id, now)?;
        let session = self.seen().get(sha256).cloned().unwrap_or_else(|| kept.clone());
        // Checked by this process's settings as well, which may have become shorter.
        let shortest = session.clone().seen(session.seen_at, self.idle, self.lifetime);
        (session.is_valid(now) && shortest.is_valid(now)).then(|| (Holder::of(key), session))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::LOOK;
    use super::super::tests::{LIMITS, place};
    use super::*;
    use chrono::DateTime;
    use provost_actors::clock::Clock;
    use provost_domain::audit::Deed;
    use provost_domain::key::Role;
    use std::sync::Arc;
    use std::time::Duration;

    #[actix_web::test]
    async fn a_session_opens_until_it_is_ended_or_silent_or_old() {
        let place = place().await;
        let key = place.add(1, Role::Operator, None).await;
        place.ring.read().await.unwrap();
        let begin = async |n: u8| place.ring.begin_session(&key.id(), [n; 32]).await.unwrap();
        let advance = |seconds| place.clock.advance(Duration::from_secs(seconds));
        let opens = async |token: &SessionToken| {
            let found = place.ring.holder_of_session(token.reveal()).await;
            assert!(found.iter().all(|(holder, name)| holder.id == key.id() && *name == token.sha256()));
            found.is_some()
        };
        let (silent, busy, ended) = (begin(1).await, begin(2).await, begin(3).await);
        assert!(opens(&silent).await && opens(&busy).await && opens(&ended).await);
        place.ring.end_session(&ended.sha256()).await.unwrap();
        advance(1);
        assert!(!opens(&ended).await);
        advance(598);
        assert!(opens(&busy).await);
        advance(1);
        assert!(!opens(&silent).await, "ten minutes without a request");
        // The new request is stored at the next read, and other processes know it then.
        place.ring.read().await.unwrap();
        let kept = place.store.sessions().await.unwrap();
        let of_busy = kept.iter().find(|s| s.sha256 == busy.sha256()).unwrap();
        assert_eq!(of_busy.seen_at, DateTime::UNIX_EPOCH + TimeDelta::seconds(599));
        for _ in 0..6 {
            advance(499);
            assert!(opens(&busy).await);
            place.ring.read().await.unwrap();
        }
        advance(6);
        assert!(!opens(&busy).await, "an hour in all");
    }

    #[actix_web::test]
    async fn what_is_wrong_with_sessions_keeps_no_key_from_being_known() {
        let place = place().await;
        let key = place.add(1, Role::Operator, None).await;
        place.ring.read().await.unwrap();
        let token = place.ring.begin_session(&key.id(), [1; 32]).await.unwrap();
        // A session without a time is left out, and the other is read all the same.
        place.damage(&format!(
            "INSERT INTO sessions (sha256, key_id, created_at, seen_at, expires_at)
             VALUES ('{}', '{}', {max}, {max}, {max})",
            "ab".repeat(32),
            key.id(),
            max = i64::MAX
        ));
        let elsewhere = Keyring::open(place.store.clone(), Arc::new(place.clock.clone()), LIMITS).await.unwrap();
        assert!(elsewhere.is_valid_session(&token.sha256()));

        place.damage("DROP TABLE sessions");
        let second = place.add(2, Role::Viewer, None).await;
        assert!(place.ring.read().await.is_err());
        assert!(place.ring.is_valid_key(&second.id()) && place.ring.is_valid_session(&token.sha256()));
        let now = place.clock.now();
        place.store.revoke_key(&key.id(), now, Deed::key_revoked(&key.id(), now, "test", now)).await.unwrap();
        assert!(place.ring.read().await.is_err());
        assert!(!place.ring.is_valid_key(&key.id()) && !place.ring.is_valid_session(&token.sha256()));
        let opened = Keyring::open(place.store.clone(), Arc::new(place.clock.clone()), LIMITS).await.unwrap();
        assert!(opened.is_valid_key(&second.id()), "it opens without sessions");
    }

    #[actix_web::test]
    async fn a_session_ends_with_its_key_and_one_from_elsewhere_opens_at_once() {
        let place = place().await;
        let key = place.add(1, Role::Viewer, Some(100)).await;
        let elsewhere = Keyring::open(place.store.clone(), Arc::new(place.clock.clone()), LIMITS).await.unwrap();
        let token = elsewhere.begin_session(&key.id(), [7; 32]).await.unwrap();
        place.clock.advance(LOOK);
        assert!(place.ring.holder_of_session(token.reveal()).await.is_some());
        assert!(place.ring.is_valid_session(&token.sha256()) && place.ring.is_valid_key(&key.id()));
        place.clock.advance(Duration::from_secs(100));
        assert!(!place.ring.is_valid_session(&token.sha256()) && !place.ring.is_valid_key(&key.id()));
        assert!(place.ring.holder_of_session(token.reveal()).await.is_none());
        assert!(place.ring.holder_of_session(key.reveal()).await.is_none(), "a key is no token");
    }
}
