//! Five-field cron expressions, as crontab(5) has them: minute, hour, day of month, month, day of week, in UTC. Lists,
//! ranges, steps and the English three-letter names are read; if both day fields are restricted, either one matches.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Timelike, Utc};

/// What is wrong with an expression: names the field, the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is not a schedule: {why}")]
pub struct BadCron {
    pub expression: String,
    pub why: String,
}

/// One bit per allowed value of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the field starts with `*`; decides how the two day fields combine.
    any_day: bool,
    any_weekday: bool,
}

struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    /// Names of the values from `low` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, names: &[] },
    Field { name: "hour", low: 0, high: 23, names: &[] },
    Field { name: "day of month", low: 1, high: 31, names: &[] },
    Field {
        name: "month",
        low: 1,
        high: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "day of week", low: 0, high: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Searches this far ahead: 29 February may be eight years away.
const HORIZON_DAYS: u64 = 9 * 366;

impl Cron {
    pub fn parse(expression: &str) -> Result<Self, BadCron> {
        let bad = |why: String| BadCron { expression: expression.chars().take(120).collect(), why };
        let words: Vec<&str> = expression.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words[..] else {
            return Err(bad(format!("it has {} fields; five are needed", words.len())));
        };
        let bits = |index: usize, word: &str| parse_field(&FIELDS[index], word).map_err(bad);
        let weekdays = bits(4, weekday)?;
        let cron = Self {
            minutes: bits(0, minute)?,
            hours: bits(1, hour)?,
            days: bits(2, day)?,
            months: bits(3, month)?,
            // Sunday is 0 and 7.
            weekdays: (weekdays | (weekdays >> 7)) & 0x7f,
            any_day: day.starts_with('*'),
            any_weekday: weekday.starts_with('*'),
        };
        if cron.next_after(DateTime::UNIX_EPOCH).is_none() {
            return Err(bad("no date ever matches it".to_owned()));
        }
        Ok(cron)
    }

    /// The first matching minute after `at`.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let start = at.date_naive();
        (0..HORIZON_DAYS).find_map(|ahead| {
            let date = start.checked_add_days(Days::new(ahead))?;
            if !self.matches_date(date) {
                return None;
            }
            let first = if ahead == 0 { at.hour() * 60 + at.minute() + 1 } else { 0 };
            let minute = (first..24 * 60).find(|m| has(self.hours, m / 60) && has(self.minutes, m % 60))?;
            Some(date.and_time(NaiveTime::from_hms_opt(minute / 60, minute % 60, 0)?).and_utc())
        })
    }

    fn matches_date(&self, date: NaiveDate) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().num_days_from_sunday());
        let days = if self.any_day || self.any_weekday { day && weekday } else { day || weekday };
        has(self.months, date.month()) && days
    }
}

fn has(bits: u64, value: u32) -> bool {
    bits >> value & 1 == 1
}

fn parse_field(field: &Field, word: &str) -> Result<u64, String> {
    let mut bits = 0;
    for item in word.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => {
                let n = step.parse::<u32>().ok().filter(|n| *n >= 1 && *n <= field.high);
                (
                    range,
                    n.ok_or_else(|| format!("{}: step `{step}` is not a number from 1 to {}", field.name, field.high))?,
                )
            }
            None => (item, 1),
        };
        let (low, high) = if range == "*" {
            (field.low, field.high)
        } else if let Some((a, b)) = range.split_once('-') {
            (value(field, a)?, value(field, b)?)
        } else {
            let only = value(field, range)?;
            // `5/10` means from 5 on.
            (only, if item.contains('/') { field.high } else { only })
        };
        if low > high {
            return Err(format!("{}: the range `{range}` is empty", field.name));
        }
        bits |= (low..=high).step_by(step as usize).fold(0, |bits, v| bits | 1 << v);
    }
    Ok(bits)
}

fn value(field: &Field, word: &str) -> Result<u32, String> {
    if let Some(at) = field.names.iter().position(|n| n.eq_ignore_ascii_case(word)) {
        return Ok(field.low + at as u32);
    }
    let number = if word.bytes().all(|b| b.is_ascii_digit()) { word.parse::<u32>().ok() } else { None };
    number
        .filter(|n| (field.low..=field.high).contains(n))
        .ok_or_else(|| format!("{}: `{word}` is not between {} and {}", field.name, field.low, field.high))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn next(cron: &str, at: &str) -> String {
        let at: DateTime<Utc> = at.parse().unwrap();
        Cron::parse(cron).unwrap().next_after(at).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
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
            ("5/20 * * * *", "2026-11-23T10:26:00Z", "2026-11-23T10:45:00Z"),
            ("30 8-10 1,15 * *", "2026-11-23T10:00:00Z", "2026-12-01T08:30:00Z"),
            ("0 0 29 2 *", "2026-11-23T10:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 1 * MON", "2026-11-23T10:00:00Z", "2026-11-30T00:00:00Z"),
            ("0 0 1 jan-mar/2 *", "2026-11-23T10:00:00Z", "2027-01-01T00:00:00Z"),
            ("59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"),
        ] {
            assert_eq!(next(cron, at), expected, "{cron} after {at}");
        }
    }

    #[test]
    fn faults_name_the_field_and_what_is_allowed() {
        for (cron, part) in [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("60 * * * *", "minute: `60` is not between 0 and 59"),
            ("* 24 * * *", "hour"),
            ("* * 0 * *", "day of month"),
            ("* * * 13 *", "month"),
            ("* * * * 8", "day of week"),
            ("*/0 * * * *", "step `0`"),
            ("5-1 * * * *", "empty"),
            ("+5 * * * *", "`+5`"),
            ("0 0 30 2 *", "no date"),
        ] {
            let error = Cron::parse(cron).unwrap_err().to_string();
            assert!(error.contains(part), "{cron}: {error}");
        }
    }
}
