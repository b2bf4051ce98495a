//! Formats numbers and times for a card.

use chrono::{DateTime, Utc};
use provost_domain::fairness::FairnessFigure;

/// Three decimals, or a dash if the value is not finite.
pub fn three(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "–".to_owned() }
}

/// A figure with its 95 % interval.
pub fn with_interval(value: f64, ends: Option<[f64; 2]>) -> String {
    match ends {
        Some([low, high]) => format!("{} ({} to {})", three(value), three(low), three(high)),
        None => three(value),
    }
}

/// A figure of a fairness audit.
pub fn figure(f: &FairnessFigure) -> String {
    match f.value {
        Some(value) => with_interval(value, f.low.zip(f.high).map(|(low, high)| [low, high])),
        None => "–".to_owned(),
    }
}

pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}

pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
