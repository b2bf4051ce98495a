//! Limits log lines that any client can cause: the first is logged at once, then one per period with the number of lines
//! left out. Memory is bounded for any number of addresses.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The time between two lines of one kind.
pub const PERIOD: Duration = Duration::from_secs(10);
/// How many addresses are counted separately in a period; for further ones only the number of occurrences is known.
const ADDRESSES: usize = 100;

/// The lines left out in one period.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub kind: &'static str,
    pub times: u64,
    /// The number of addresses; `ADDRESSES` means that many or more.
    pub addresses: usize,
    /// The most frequent address.
    pub mostly: Option<IpAddr>,
}

#[derive(Default)]
struct Seen {
    told_at: Duration,
    times: u64,
    by_address: HashMap<IpAddr, u64>,
}

#[derive(Default)]
pub struct LogLimiter(Mutex<BTreeMap<&'static str, Seen>>);

impl LogLimiter {
    /// Counts an occurrence at this time of a monotonic clock; true if it is to be logged now.
    pub fn admits(&self, kind: &'static str, address: Option<IpAddr>, now: Duration) -> bool {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = kinds.get_mut(kind) else {
            kinds.insert(kind, Seen { told_at: now, ..Seen::default() });
            return true;
        };
        if seen.times == 0 && now.saturating_sub(seen.told_at) >= PERIOD {
            seen.told_at = now;
            return true;
        }
        seen.times += 1;
        if let Some(address) = address
            && (seen.by_address.len() < ADDRESSES || seen.by_address.contains_key(&address))
        {
            *seen.by_address.entry(address).or_default() += 1;
        }
        false
    }

    /// The lines left out, for each kind whose period is over.
    pub fn left_out(&self, now: Duration) -> Vec<LeftOut> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reports = Vec::new();
        for (kind, seen) in kinds.iter_mut() {
            if seen.times == 0 || now.saturating_sub(seen.told_at) < PERIOD {
                continue;
            }
            let mostly = seen.by_address.iter().max_by_key(|(address, times)| (**times, **address));
            reports.push(LeftOut {
                kind,
                times: seen.times,
                addresses: seen.by_address.len(),
                mostly: mostly.map(|(address, _)| *address),
            });
            *seen = Seen { told_at: now, ..Seen::default() };
        }
        reports
    }
}

/// The crates below the HTTP layer that log every malformed request.
const BELOW: [&str; 4] = ["actix_http", "actix_server", "actix_tls", "rustls"];

/// The level at which an event is logged: an error of the crates below the HTTP layer is a client's fault, and at most a
/// warning of the service.
pub fn level(metadata: &Metadata<'_>) -> Level {
    let level = *metadata.level();
    if is_below(metadata) { level.max(Level::WARN) } else { level }
}

fn is_below(metadata: &Metadata<'_>) -> bool {
    BELOW.iter().any(|name| metadata.target().starts_with(name))
}

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
static OF_CRATES: LazyLock<LogLimiter> = LazyLock::new(LogLimiter::default);

/// The lines left out of the warnings and errors of the crates below the HTTP layer.
pub fn left_out_of_crates() -> Vec<LeftOut> {
    OF_CRATES.left_out(BEGAN.elapsed())
}

/// A filter that leaves out repetitions of the crates below the HTTP layer.
pub struct OfCrates;

impl<S: Subscriber> Layer<S> for OfCrates {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        !is_below(metadata)
            || *metadata.level() > Level::WARN
            || OF_CRATES.admits(metadata.target(), None, BEGAN.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(n.into()))
    }

    #[test]
    fn one_line_and_a_count_a_period() {
        let limiter = LogLimiter::default();
        let told = (0..14_000u32)
            .filter(|n| limiter.admits("a wrong key", address(n % 3), Duration::from_millis(u64::from(*n) / 3)))
            .count();
        assert_eq!(told, 1);
        assert!(limiter.admits("too low a role", address(9), Duration::ZERO), "each kind has its own");
        assert_eq!(limiter.left_out(Duration::from_secs(5)), []);
        let left_out = limiter.left_out(PERIOD);
        let expected = LeftOut { kind: "a wrong key", times: 13_999, addresses: 3, mostly: address(1) };
        assert_eq!(left_out, [expected]);
        assert_eq!(limiter.left_out(PERIOD * 2), []);
        assert!(limiter.admits("a wrong key", address(1), PERIOD * 3), "after a quiet period the next one is told");
    }

    #[test]
    fn addresses_take_bounded_memory() {
        let limiter = LogLimiter::default();
        for n in 0..100_000 {
            limiter.admits("a wrong key", address(n), Duration::ZERO);
        }
        let left_out = limiter.left_out(PERIOD);
        assert_eq!((left_out[0].times, left_out[0].addresses), (99_999, ADDRESSES));
    }
}
