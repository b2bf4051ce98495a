//! When this browser was last here, from a cookie: changes since then are marked.

use crate::http::auth;
use actix_web::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use chrono::{DateTime, Utc};

const COOKIE: &str = "provost_visit";
/// A year.
const SECONDS: u32 = 365 * 24 * 3600;
/// The first request after so many seconds without one begins a new visit.
const AWAY: i64 = 1_800;

/// When the previous visit ended, and the time of the current request, in seconds since 1970; 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    before: i64,
    now: i64,
}

impl Visit {
    pub fn of(headers: &HeaderMap, now: DateTime<Utc>) -> Self {
        Self::read(auth::cookie_of(headers, COOKIE).unwrap_or_default(), now.timestamp())
    }

    fn read(cookie: &str, now: i64) -> Self {
        let seconds = |text: &str| text.parse::<i64>().ok().filter(|seconds| (0..=now).contains(seconds));
        let known = cookie.split_once('.').and_then(|(before, last)| Some((seconds(before)?, seconds(last)?)));
        let before = match known {
            Some((_, last)) if now - last >= AWAY => last,
            Some((before, _)) => before,
            None => 0,
        };
        Self { before, now }
    }

    /// When the previous visit ended; None on the first visit.
    pub fn before(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.before, 0).filter(|_| self.before > 0)
    }

    /// Stores the visit in the browser's cookie.
    pub fn keep(self, headers: &mut HeaderMap) {
        let Self { before, now } = self;
        let cookie = format!("{COOKIE}={before}.{now}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SECONDS}");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_begins_after_a_while_and_goes_on_until_then() {
        let at = |cookie: &str, now: i64| {
            let Visit { before, .. } = Visit::read(cookie, now);
            before
        };
        assert_eq!(at("", 10_000), 0, "the first");
        assert_eq!(at("0.10000", 11_799), 0, "it goes on");
        assert_eq!(at("0.10000", 11_800), 10_000, "another");
        assert_eq!(at("10000.12000", 12_900), 10_000, "it goes on");
        for strange in ["x", "1", "-1.5", "9.x", "99999999999.1", "1.99999999999", "1.2.3"] {
            assert_eq!(at(strange, 10_000), 0, "{strange}");
        }
        assert_eq!(Visit::read("", 10_000).before(), None);
        assert!(Visit::read("0.1", 10_000).before().is_some());
    }
}
