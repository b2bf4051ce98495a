//! Waits between the tries of something that failed.

use std::time::Duration;

/// `first` doubled `times` times, at most `most`.
pub fn backoff(first: Duration, most: Duration, times: u32) -> Duration {
    first.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_to_its_cap() {
        let wait = |times| backoff(Duration::from_millis(100), Duration::from_secs(10), times).as_millis();
        assert_eq!(
            [wait(0), wait(1), wait(6), wait(7), wait(40), wait(u32::MAX)],
            [100, 200, 6400, 10_000, 10_000, 10_000]
        );
    }
}
