//! When the schedule is due: a five-field cron expression (crontab(5), read by `croner`) in a time zone.
//!
//! On the days when clocks change, an expression with fixed hours and minutes is due once at each: at the first minute after
//! a gap that swallows it, and in the first pass of an hour that comes twice. One with `*` or steps in them follows the clock:
//! what falls into a gap is left out, what comes twice is due twice.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};

/// A fault of a schedule; names the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCron {
    #[error("`{expression}` is not a schedule: {why}")]
    Expression { expression: String, why: String },
    #[error("`{0}` is not a time zone; an IANA name is allowed, such as Europe/Berlin or UTC")]
    Zone(String),
}

#[derive(Debug, Clone)]
pub struct Cron {
    /// One expression per fixed time of day, because croner treats only a single time as fixed; else one in all.
    parts: Vec<croner::Cron>,
    zone: Tz,
}

impl Cron {
    /// `zone` is an IANA name.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, BadCron> {
        let cut = |text: &str| text.chars().take(120).collect::<String>();
        let bad = |why: String| BadCron::Expression { expression: cut(expression), why };
        let fields = expression.split_whitespace().count();
        if fields != 5 {
            let allowed = "five are needed: minute, hour, day of month, month, day of week";
            return Err(bad(format!("it has {fields} fields; {allowed}")));
        }
        let zone: Tz = zone.parse().map_err(|_| BadCron::Zone(cut(zone)))?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let read = |text: &str| parser.parse(text).map_err(|e| bad(e.to_string()));
        let whole = read(expression)?;
        let parts = match times_of_day(expression) {
            Some(each) => each.iter().map(|text| read(text)).collect::<Result<_, _>>()?,
            None => vec![whole],
        };
        let cron = Self { parts, zone };
        if cron.next_after(DateTime::UNIX_EPOCH).is_none() {
            return Err(bad("no date ever matches it".to_owned()));
        }
        Ok(cron)
    }

    /// The first slot after `at`.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let at = at.with_timezone(&self.zone);
        self.parts.iter().filter_map(|cron| cron.find_next_occurrence(&at, false).ok()).min().map(|t| t.to_utc())
    }

    /// The last slot that is not after `at`.
    pub fn last_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let at = at.with_timezone(&self.zone);
        self.parts.iter().filter_map(|cron| cron.find_previous_occurrence(&at, true).ok()).max().map(|t| t.to_utc())
    }
}

/// An expression whose minutes and hours are lists of numbers, as one expression for each time of day.
fn times_of_day(expression: &str) -> Option<Vec<String>> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let numbers = |field: &str| field.split(',').map(|n| n.parse::<u8>().ok()).collect::<Option<Vec<_>>>();
    let (minutes, hours, days) = (numbers(fields[0])?, numbers(fields[1])?, fields[2..].join(" "));
    let each = hours.iter().flat_map(|h| minutes.iter().map(move |m| (h, m)));
    Some(each.map(|(h, m)| format!("{m} {h} {days}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn shown(at: DateTime<Utc>) -> String {
        at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    /// All slots from `from` to `to`, found by stepping from each to the next.
    fn slots(cron: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let cron = Cron::parse(cron, zone).unwrap();
        let (mut at, to): (DateTime<Utc>, DateTime<Utc>) = (from.parse().unwrap(), to.parse().unwrap());
        let mut slots = Vec::new();
        while let Some(next) = cron.next_after(at).filter(|next| *next <= to) {
            assert_eq!(cron.last_until(next), Some(next), "both directions agree");
            slots.push(shown(next));
            at = next;
        }
        slots
    }

    #[test]
    fn next_slots() {
        // 2026-11-23 is a Monday.
        for (cron, at, expected) in [
            ("0 1 * * 0", "2026-11-23T10:00:00Z", "2026-11-29T01:00:00Z"),
            ("0 1 * * 7", "2026-11-23T10:00:00Z", "2026-11-29T01:00:00Z"),
            ("0 1 * * sun", "2026-11-29T01:00:00Z", "2026-12-06T01:00:00Z"),
            ("0 1 * * 0", "2026-11-29T00:59:59Z", "2026-11-29T01:00:00Z"),
            ("*/15 * * * *", "2026-11-23T10:44:10Z", "2026-11-23T10:45:00Z"),
            ("30 8-10 1,15 * *", "2026-11-23T10:00:00Z", "2026-12-01T08:30:00Z"),
            ("0 0 29 2 *", "2026-11-23T10:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 1 * MON", "2026-11-23T10:00:00Z", "2026-11-30T00:00:00Z"),
            ("59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"),
        ] {
            let found = Cron::parse(cron, "UTC").unwrap().next_after(at.parse().unwrap()).unwrap();
            assert_eq!(shown(found), expected, "{cron} after {at}");
        }
        let cron = Cron::parse("0 1 * * 0", "UTC").unwrap();
        let last = |at: &str| shown(cron.last_until(at.parse().unwrap()).unwrap());
        assert_eq!(last("2026-11-29T01:00:00Z"), "2026-11-29T01:00:00Z");
        assert_eq!(last("2026-11-29T00:59:59Z"), "2026-11-22T01:00:00Z");
    }

    #[test]
    fn a_day_of_23_hours_has_each_fixed_slot_once() {
        // In Berlin 02:00 to 03:00 was skipped on 2026-03-29.
        let day = ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        assert_eq!(slots("30 2 * * *", "Europe/Berlin", day.0, day.1), ["2026-03-29T01:00:00Z"]);
        assert_eq!(slots("0 1 * * 0", "Europe/Berlin", day.0, day.1), ["2026-03-29T00:00:00Z"]);
        let twice = ["2026-03-29T01:00:00Z", "2026-03-29T12:30:00Z"];
        assert_eq!(slots("30 2,14 * * *", "Europe/Berlin", day.0, day.1), twice);
        let each_half_hour = slots("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z");
        let expected = ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z"];
        assert_eq!(each_half_hour, expected);
    }

    #[test]
    fn a_day_of_25_hours_has_each_fixed_slot_once() {
        // In Berlin 02:00 to 03:00 occurred twice on 2026-10-25.
        let day = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        assert_eq!(slots("30 2 * * *", "Europe/Berlin", day.0, day.1), ["2026-10-25T00:30:00Z"]);
        let twice = ["2026-10-25T00:30:00Z", "2026-10-25T13:30:00Z"];
        assert_eq!(slots("30 2,14 * * *", "Europe/Berlin", day.0, day.1), twice);
        let each_half_hour = slots("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", "2026-10-25T02:00:00Z");
        assert_eq!(each_half_hour.len(), 5, "real time has no gap: {each_half_hour:?}");
    }

    #[test]
    fn faults_name_the_value_and_what_is_allowed() {
        for (cron, zone, part) in [
            ("", "UTC", "0 fields"),
            ("* * * *", "UTC", "4 fields"),
            ("0 1 * * 0 2026", "UTC", "6 fields"),
            ("60 * * * *", "UTC", "`60 * * * *`"),
            ("* 24 * * *", "UTC", "24"),
            ("* * * 13 *", "UTC", "13"),
            ("*/0 * * * *", "UTC", "`*/0"),
            ("5-1 * * * *", "UTC", "5-1"),
            ("0 0 30 2 *", "UTC", "no date"),
            ("0 1 * * 0", "Mars/Olympus", "Europe/Berlin"),
        ] {
            let error = Cron::parse(cron, zone).unwrap_err().to_string();
            assert!(error.contains(part), "{cron}: {error}");
        }
    }
}
