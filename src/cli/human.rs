//! Formats numbers, sizes and times for people.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// `1,234,567`
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `1,234 rows`
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// A score between 0 and 1 with three decimals, or a dash.
pub fn score(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"))
}

/// Progress in whole per cent, rounded down: 100 means finished.
pub fn percent(done: f64) -> String {
    format!("{:.0} %", done.floor())
}

/// A parameter's value as JSON, with at most four decimals, or three significant digits if it is small.
pub fn parameter(value: &Value) -> String {
    match value {
        Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
            Some(x) if x != 0.0 && x.abs() < 1e-3 => format!("{x:.2e}").replace(".00e", "e"),
            Some(x) => ((x * 1e4).round() / 1e4).to_string(),
            None => n.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(parameter).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}: {}", parameter(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// `4.2 s`, `3 min 20 s`, `2 h 5 min`
pub fn seconds(s: f64) -> String {
    // Rounded first, so that 59.97 s is shown as 1 min.
    match (s.max(0.0) * 10.0).round() / 10.0 {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {} min", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

/// An approximate duration: `41 s`, `3 min`, `2 h 5 min`
pub fn about(s: f64) -> String {
    match s.max(0.0).round() {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{:.0} min", s / 60.0),
        s => seconds(s),
    }
}

/// `812 B`, `45.2 kB`, `1.2 MB`
pub fn bytes(n: u64) -> String {
    if n < 1000 {
        return format!("{n} B");
    }
    let mut size = n as f64 / 1000.0;
    let mut unit = "kB";
    for larger in ["MB", "GB", "TB"] {
        // A value that would be written as 1000.0 is written as 1.0 of the next unit.
        if size < 999.95 {
            break;
        }
        size /= 1000.0;
        unit = larger;
    }
    format!("{size:.1} {unit}")
}

/// `2 hours ago`, `in 3 days`, `just now`
pub fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let distance = now - at;
    if distance.abs() < TimeDelta::seconds(10) {
        return "just now".to_owned();
    }
    let s = distance.num_seconds().unsigned_abs();
    let length = match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..172_800 => counted(s / 3600, "hour", "hours"),
        // Rounded, as on the pages: a slot in 4 days and 20 hours is in 5 days.
        172_800..5_184_000 => counted((s + 43_200) / 86_400, "day", "days"),
        5_184_000..63_072_000 => counted(s / 2_592_000, "month", "months"),
        _ => counted(s / 31_536_000, "year", "years"),
    };
    if distance > TimeDelta::zero() { format!("{length} ago") } else { format!("in {length}") }
}

/// `2026-11-30 14:02 UTC (2 hours ago)`
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} UTC ({})", at.format("%Y-%m-%d %H:%M"), relative(at, now))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_parameter_has_seventeen_digits() {
        let value = serde_json::json!({"weights": [0.1 + 0.2, 1.0 / 3.0], "alpha": 1e-4, "rate": 0.00012345, "n": 100, "c": 10.0,
            "depth": null});
        assert_eq!(
            parameter(&value),
            "{weights: [0.3, 0.3333], alpha: 1e-4, rate: 1.23e-4, n: 100, c: 10, depth: null}"
        );
        assert_eq!([99.99, 100.0, 0.4].map(percent), ["99 %", "100 %", "0 %"]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([4.24, 200.0, 7500.0].map(seconds), ["4.2 s", "3 min 20 s", "2 h 5 min"]);
        assert_eq!([41.3, 89.4, 170.0, 7500.0].map(about), ["41 s", "89 s", "3 min", "2 h 5 min"]);
        assert_eq!([59.94, 59.97, 3599.99, -1.0].map(seconds), ["59.9 s", "1 min 0 s", "1 h 0 min", "0.0 s"]);
        assert_eq!([0, 999, 45_200, 999_960, 1_234_567].map(bytes), ["0 B", "999 B", "45.2 kB", "1.0 MB", "1.2 MB"]);
        assert_eq!(bytes(u64::MAX), "18446744.1 TB");
    }

    #[test]
    fn a_time_is_told_by_its_distance() {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let told = |seconds: i64| relative(now - TimeDelta::seconds(seconds), now);
        assert_eq!([0, 9, -9, 10].map(told), ["just now", "just now", "just now", "10 s ago"]);
        assert_eq!([59, 60, 3599].map(told), ["59 s ago", "1 min ago", "59 min ago"]);
        assert_eq!([3600, 7200, 172_799].map(told), ["1 hour ago", "2 hours ago", "47 hours ago"]);
        assert_eq!([172_800, 5_184_000, 63_072_000].map(told), ["2 days ago", "2 months ago", "2 years ago"]);
        assert_eq!([-300, -90_000, -417_600].map(told), ["in 5 min", "in 25 hours", "in 5 days"]);
        assert_eq!([0, 1, 1234].map(|n| counted(n, "row", "rows")), ["0 rows", "1 row", "1,234 rows"]);
        assert_eq!(moment(now - TimeDelta::hours(2), now), "2026-11-30 10:00 UTC (2 hours ago)");
    }
}
