//! Turns JSON that other parts of the service have written (evidence of a trigger, an actor's state) into names and
//! values for people.

use super::needs::name_of;
use super::text::{number, shown, words};
use chrono::DateTime;
use provost_domain::watch::Interval;
use provost_domain::watch_alarm::AlarmFeature;
use serde_json::Value;

/// The most facts that are shown of one document. The page says how many more there are.
const MOST: usize = 60;
/// The most items that are shown of a list.
const ITEMS: usize = 8;
/// How many levels of nested objects are shown.
const DEPTH: usize = 4;

/// The words for members whose names alone are unclear.
const NAMES: [(&str, &str); 20] = [
    ("slot", "Slot of the schedule"),
    ("new_points", "New rows with an outcome"),
    ("min_new_samples", "Rows that are enough"),
    ("use_verified_only", "Verified rows only"),
    ("active_model_id", "Serving model"),
    ("model_id", "Model"),
    ("age_days", "Age in days"),
    ("max_model_age_days", "Age in days from which another is trained"),
    ("window_id", "Window"),
    ("kind", "Of"),
    ("to", "Until"),
    ("domain_auc", "AUC of telling them from the training data"),
    ("predictions_moved", "Share of the predictions that moved, at least"),
    ("features", "What has changed"),
    ("latest", "Window"),
    ("auc", "AUC"),
    ("p_value", "p"),
    ("effect", "Effect"),
    ("z", "z"),
    ("rows", "Rows"),
];

/// Names with their values.
pub type Facts = Vec<(String, String)>;

/// The names and values of a document, in its order. The name of a nested value contains the names of the objects
/// around it. Null values are left out.
pub fn facts(document: &Value) -> Facts {
    let mut all = Vec::new();
    add("", document, DEPTH, &mut all);
    let more = all.len().saturating_sub(MOST);
    if more > 0 {
        all.truncate(MOST);
        all.push((String::new(), format!("and {more} more")));
    }
    all
}

/// A parameter's value as text; lists have no brackets.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => shown(&other.to_string()),
    }
}

fn add(name: &str, value: &Value, depth: usize, all: &mut Facts) {
    match value {
        Value::Null => {}
        Value::Object(members) => match whole(value) {
            Some(text) => all.push((name.to_owned(), text)),
            None if depth == 0 => all.push((name.to_owned(), "…".to_owned())),
            None => {
                members.iter().for_each(|(member, value)| add(&within(name, &named(member)), value, depth - 1, all))
            }
        },
        Value::Array(items) if items.iter().any(|item| item.is_object() && whole(item).is_none()) => {
            for (at, item) in (1..=ITEMS).zip(items) {
                add(&format!("{name} {at}"), item, depth, all);
            }
        }
        one => all.push((name.to_owned(), text(one))),
    }
}

fn within(outer: &str, inner: &str) -> String {
    if outer.is_empty() { inner.to_owned() } else { format!("{outer}: {inner}") }
}

fn named(member: &str) -> String {
    let known = NAMES.iter().find(|(name, _)| *name == member).map(|(_, words)| (*words).to_owned());
    let name = known.unwrap_or_else(|| shown(&words(member)));
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// An object that is shown as one value: a value with its interval, or a feature of an alarm.
fn whole(value: &Value) -> Option<String> {
    if value.get("feature").is_some() {
        return serde_json::from_value::<AlarmFeature>(value.clone()).ok().map(|feature| shown(&feature.words()));
    }
    let members = value.as_object().filter(|members| members.len() == 3)?;
    let interval = members.get("low").and_then(|_| serde_json::from_value::<Interval>(value.clone()).ok())?;
    Some(format!("{}, {} to {}", number(interval.value), number(interval.low), number(interval.high)))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(value) => value.as_f64().map_or_else(|| value.to_string(), rounded),
        Value::String(text) => said(text),
        Value::Array(items) => {
            let mut texts: Vec<String> = items.iter().take(ITEMS).map(text).collect();
            if items.len() > ITEMS {
                texts.push(format!("{} more", items.len() - ITEMS));
            }
            if texts.is_empty() { "–".to_owned() } else { texts.join(", ") }
        }
        object => whole(object).unwrap_or_else(|| "…".to_owned()),
    }
}

/// A number with three significant digits; a whole number in full.
fn rounded(value: f64) -> String {
    if value.fract() == 0.0 || !value.is_finite() {
        return value.to_string().replace('-', "−");
    }
    let decimals = (2.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}").replace('-', "−");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A time to the minute, a model by its name, a word of the contract without underscores; any other text unchanged.
fn said(text: &str) -> String {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return at.to_utc().format("%Y-%m-%d %H:%M UTC").to_string();
    }
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match text.strip_prefix("model_") {
        Some(_) if !text.contains(' ') => name_of(text),
        _ if is_word => text.replace('_', " "),
        _ => shown(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(document: &Value) -> Vec<String> {
        facts(document).into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn evidence_is_words_and_rounded_numbers() {
        let alarm = json!({
            "model_id": "model_xgboost_0192abcdef", "since": "2026-11-30T06:00:00.123Z", "kind": "predictions", "rows": 500,
            "features": [
                {"feature": "gpa_normalized", "test": "kolmogorov_smirnov", "effect": 0.31249, "missing": null},
                {"feature": "gmat_percentile", "test": "kolmogorov_smirnov", "effect": null, "missing": 0.12}
            ],
            "domain_auc": {"value": 0.6251, "low": 0.58, "high": 0.67}, "predictions_moved": 0.18123
        });
        let told = told(&alarm);
        for line in [
            "Model: XGBoost …cdef",
            "Since: 2026-11-30 06:00 UTC",
            "Rows: 500",
            "What has changed: GPA moved by 0.31 deviations, 12 points more of GMAT are missing",
            "AUC of telling them from the training data: 0.625, 0.58 to 0.67",
            "Share of the predictions that moved, at least: 0.181",
        ] {
            assert!(told.iter().any(|one| one == line), "{line} is not in {told:?}");
        }
    }

    #[test]
    fn numbers_keep_three_digits() {
        let all = [0.31249, 0.000_345_6, -12.345, 4_321.5, 5_000.0, 0.0];
        assert_eq!(all.map(rounded), ["0.312", "0.000346", "−12.3", "4322", "5000", "0"].map(str::to_owned));
    }

    #[test]
    fn nested_and_long_documents_are_bounded() {
        let drop =
            json!({"latest": [{"rows": 250, "auc": {"observed": {"value": 0.68812, "error": 0.02}}}], "note": null});
        assert_eq!(
            told(&drop),
            ["Window 1: Rows: 250", "Window 1: AUC: Observed: Value: 0.688", "Window 1: AUC: Observed: Error: 0.02"]
        );
        let many: Value = (0..100).map(|n| (format!("m{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
        assert_eq!(told(&many).last().map(String::as_str), Some(": and 40 more"));
        assert_eq!(told(&json!({"a": {"b": {"c": {"d": {"e": 1}}}}})), ["A: B: C: D: …"]);
        assert_eq!(
            told(&json!({"on": true, "list": (0..10).collect::<Vec<_>>()}))[1],
            "List: 0, 1, 2, 3, 4, 5, 6, 7, 2 more"
        );
    }
}
