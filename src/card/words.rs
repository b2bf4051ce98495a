//! Words of the contract as a card says them.

use provost_domain::TargetMetric;
use provost_domain::features::title;
use std::fmt::Display;

/// What people call a feature.
pub fn feature(name: &str) -> String {
    title(name).map_or_else(|| name.to_owned(), str::to_owned)
}

/// A word of the contract without its underscores.
pub fn plain(word: impl Display) -> String {
    word.to_string().replace('_', " ")
}

/// A sentence of the gate, with metrics by the names that people know.
pub fn sentence(text: &str) -> String {
    TargetMetric::ALL.iter().fold(text.to_owned(), |text, metric| text.replace(metric.as_str(), metric.title()))
}
