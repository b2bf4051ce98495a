//! How the pages write times, numbers and states.

use chrono::{DateTime, Utc};
use provost_domain::fairness::FairnessVerdict;
use provost_domain::gate::GateOutcome;
pub use provost_domain::ids::short;
use provost_domain::job::JobStatus;
use provost_domain::schedule::TriggerType;
use provost_domain::status::Health;
use provost_domain::{Algorithm, TargetMetric, features, visible};

/// A time, relative and absolute.
pub struct Moment {
    pub iso: String,
    pub absolute: String,
    pub relative: String,
}

impl Moment {
    pub fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            iso: at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            absolute: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            relative: ago((now - at).num_seconds()),
        }
    }
}

fn ago(seconds: i64) -> String {
    match seconds.max(0) {
        0..5 => "just now".to_owned(),
        s @ 5..90 => format!("{s} s ago"),
        s @ 90..5_400 => format!("{} min ago", (s as f64 / 60.0).round()),
        s @ 5_400..129_600 => format!("{} h ago", (s as f64 / 3600.0).round()),
        s => format!("{} days ago", (s as f64 / 86_400.0).round()),
    }
}

/// A span of time: `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        _ if seconds < 10.0 => format!("{:.1} s", seconds.max(0.0)),
        0..60 => format!("{whole} s"),
        60..3600 if whole.is_multiple_of(60) => format!("{} min", whole / 60),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} days", (seconds / 86_400.0).round()),
    }
}

/// The remaining time, rounded, because it is an estimate.
pub fn left(seconds: f64) -> String {
    let (low, high) = (seconds * 0.6 / 60.0, seconds * 1.6 / 60.0);
    if high < 1.0 {
        return "less than 1 min left".to_owned();
    }
    let (low, high) = (low.floor().max(1.0), high.ceil());
    if low >= high { format!("about {high} min left") } else { format!("{low} to {high} min left") }
}

/// `12,345`
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 job`, `2 jobs`
pub fn counted(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", count(n)) }
}

pub fn three(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}").replace('-', "−") } else { "–".to_owned() }
}

/// A value of a feature: up to three decimals.
pub fn number(value: f64) -> String {
    let text = three(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// With its sign, as differences and the verdicts on them have it.
pub use provost_domain::verdict::signed;

pub fn interval(ends: [f64; 2]) -> String {
    format!("{} to {}", three(ends[0]), three(ends[1]))
}

pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "–".to_owned() }
}

/// A number with its 95 % interval.
pub struct Score {
    pub value: String,
    pub interval: Option<String>,
}

impl Score {
    pub fn new(value: f64, ends: Option<[f64; 2]>) -> Self {
        Self { value: three(value), interval: ends.map(interval) }
    }

    /// A share in per cent, with its interval.
    pub fn share(value: f64, ends: Option<[f64; 2]>) -> Self {
        let interval = ends.map(|[low, high]| format!("{} to {}", percent(low), percent(high)));
        Self { value: percent(value), interval }
    }
}

/// A state: shape, colour and word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub shape: &'static str,
    pub class: &'static str,
    pub word: &'static str,
}

impl Mark {
    const fn new(shape: &'static str, class: &'static str, word: &'static str) -> Self {
        Self { shape, class, word }
    }

    pub const NEEDS: Self = Self::new("▲", "s-needs", "needs you");
    pub const FAILED: Self = Self::new("✕", "s-failed", "failed");
    pub const ASIDE: Self = Self::new("■", "s-aside", "set aside");
    pub const SERVING: Self = Self::new("✓", "s-done", "serving");
    pub const DONE: Self = Self::new("✓", "s-done", "done");
    pub const BETTER: Self = Self::new("✓", "s-done", "better");
    pub const WORSE: Self = Self::new("✕", "s-failed", "worse");
    pub const UNCLEAR: Self = Self::new("○", "s-waiting", "cannot be told apart");
    pub const VALID: Self = Self::new("✓", "s-done", "valid");
    pub const ENDED: Self = Self::new("–", "s-waiting", "ended");
    pub const OPEN: Self = Self::new("○", "s-waiting", "not compared");
    pub const TO_DO: Self = Self::new("○", "s-waiting", "to do");

    pub fn of_job(status: JobStatus) -> Self {
        match status {
            JobStatus::Pending => Self::new("○", "s-waiting", "waiting"),
            JobStatus::Running => Self::new("◐", "s-running", "running"),
            JobStatus::Completed => Self::new("✓", "s-done", "done"),
            JobStatus::Failed => Self::FAILED,
            JobStatus::Cancelled => Self::new("–", "s-waiting", "cancelled"),
        }
    }

    pub fn of_fairness(verdict: FairnessVerdict) -> Self {
        match verdict {
            FairnessVerdict::Differs => Self::new("▲", "s-needs", "differs"),
            FairnessVerdict::NoDifference => Self::new("✓", "s-done", "no difference found"),
            FairnessVerdict::TooFew => Self::new("○", "s-waiting", "too few to say"),
            FairnessVerdict::NoOther => Self::new("○", "s-waiting", "no other group"),
        }
    }

    pub fn of_health(health: Health) -> Self {
        match health {
            Health::Up => Self::new("✓", "s-done", "up"),
            Health::Degraded => Self::new("▲", "s-needs", "degraded"),
            Health::Down => Self::new("✕", "s-failed", "down"),
            Health::Disabled => Self::new("–", "s-waiting", "off"),
        }
    }

    pub fn of_decision(outcome: GateOutcome) -> Self {
        match outcome {
            GateOutcome::Activated => Self::new("✓", "s-done", "activated"),
            GateOutcome::Kept => Self::new("–", "s-waiting", "not activated: not better"),
            GateOutcome::AwaitsApproval => Self::new("▲", "s-needs", "awaits approval"),
            GateOutcome::NotComparable => Self::new("▲", "s-needs", "not comparable"),
        }
    }
}

pub fn algorithm(algorithm: Algorithm) -> &'static str {
    algorithm.title()
}

pub fn metric(metric: TargetMetric) -> &'static str {
    metric.title()
}

/// A job's reason for training.
pub fn reason(kind: TriggerType) -> &'static str {
    match kind {
        TriggerType::Manual => "by hand",
        TriggerType::Scheduled => "schedule",
        TriggerType::DataThreshold => "new data",
        TriggerType::PerformanceDrop => "performance drop",
        TriggerType::Event => "event",
        TriggerType::Drift => "drift",
    }
}

/// Who activated a model. The gate is no person, so it is called the automatic comparison.
pub fn activated_by(by: Option<&str>) -> String {
    match by {
        None | Some("gate") => "the automatic comparison".to_owned(),
        Some("anonymous") => "somebody without a key".to_owned(),
        Some(by) => shown(by),
    }
}

/// A foreign text in one line, with control and invisible characters escaped.
pub fn shown(text: &str) -> String {
    visible::line(text).into_owned()
}

/// A sentence of the gate or of a comparison, in the words of the pages.
pub fn said(text: &str) -> String {
    let text = shown(text);
    [
        ("the champion", "the serving model"),
        ("the active model", "the serving model"),
        ("the challenger", "the candidate"),
        ("no model was active", "no model served"),
        ("new usable points", "new rows with an outcome"),
        ("auc_roc", "AUC"),
        ("f1_score", "F1"),
    ]
    .iter()
    .fold(text, |text, (word, ours)| text.replace(word, ours))
}

/// A name of the contract for people: the title of a feature, a field or a metric; other names without underscores.
pub fn words(name: &str) -> String {
    let metric = || TargetMetric::parse(name).map(TargetMetric::title);
    if let Some(title) = features::title(name).or_else(metric) {
        return title.to_owned();
    }
    let mut text = name.replace('_', " ");
    for (from, to) in [("gpa", "GPA"), ("gre ", "GRE "), ("gmat", "GMAT"), ("toefl", "TOEFL"), ("ielts", "IELTS")] {
        text = text.replace(from, to);
    }
    text
}

/// A feature's title with its unit.
pub fn titled(feature: &str) -> String {
    features::unit(feature).map_or_else(|| words(feature), |unit| format!("{} ({unit})", words(feature)))
}

/// A feature's value with its unit.
pub fn measured(feature: &str, value: f64) -> String {
    let value = number(value);
    features::unit(feature).map_or_else(|| value.clone(), |unit| format!("{value} ({unit})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_written_for_people() {
        for (seconds, text) in [
            (-9, "just now"),
            (4, "just now"),
            (89, "89 s ago"),
            (90, "2 min ago"),
            (5_400, "2 h ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(ago(seconds), text);
        }
        for (seconds, text) in
            [(0.04, "0.0 s"), (9.96, "10.0 s"), (59.6, "1 min"), (200.0, "3 min 20 s"), (7_500.0, "2 h 5 min")]
        {
            assert_eq!(span(seconds), text);
        }
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        assert_eq!(
            (signed(-0.0091), signed(0.006), three(f64::NAN)),
            ("−.009".to_owned(), "+.006".to_owned(), "–".to_owned())
        );
        assert_eq!(
            (left(20.0), left(100.0), left(600.0)),
            ("less than 1 min left".to_owned(), "1 to 3 min left".to_owned(), "6 to 16 min left".to_owned())
        );
        assert_eq!(
            [14.0, 0.25, -0.87, 0.0, 1200.0, f64::NAN].map(number),
            ["14", "0.25", "−0.87", "0", "1200", "–"].map(str::to_owned)
        );
        assert_eq!(
            [None, Some("gate"), Some("key_0f3c (alice)")].map(activated_by),
            ["the automatic comparison", "the automatic comparison", "key_0f3c (alice)"]
        );
        assert_eq!(short("model_xgboost_0192abcdef"), "…cdef");
        assert_eq!(
            [words("gre_quant_percentile"), words("selection_rate"), words("auc_roc")],
            ["GRE quant", "selection rate", "AUC"]
        );
        assert_eq!(titled("gre_quant_percentile"), "GRE quant (percentile)");
        assert_eq!(
            [measured("gre_quant_percentile", 85.25), measured("university_ranking", 12.0)],
            ["85.25 (percentile)", "12"]
        );
    }
}
