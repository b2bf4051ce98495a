//! A card as YAML: one text per section under the keys that `annex4ac` reads, and the figures as numbers. Texts are literal
//! blocks of Markdown; records are JSON, which is flow-style YAML.

use super::records::Records;
use super::{Card, markdown};
use chrono::{DateTime, Utc};
use provost_domain::visible;
use serde_json::json;

/// The whole card.
pub fn document(card: &Card, records: &Records) -> String {
    let mut out = format!("# {}\n", visible::line(&card.title));
    for (key, value) in [
        ("risk_level", "high".to_owned()),
        ("enterprise_size", records.texts.enterprise_size.clone()),
        ("placed_on_market", time(placed_on_market(records))),
        ("last_updated", time(last_updated(records))),
    ] {
        out.push_str(&format!("{key}: {}\n", quoted(&value)));
    }
    out.push_str("use_cases:\n- \"education_scoring\"\n");
    for section in &card.sections {
        out.push_str(&format!("{}: |2\n", section.key));
        let text = format!("# {}. {}\n{}", section.number, section.title, markdown::body(section, 2));
        for line in text.lines() {
            // A blank line needs no indentation.
            out.push_str(if line.is_empty() { "" } else { "  " });
            out.push_str(line);
            out.push('\n');
        }
    }
    out.push_str("records:\n");
    let version = serde_json::to_value(&records.model.version).unwrap_or_default();
    let audit = records.audit.as_ref().ok();
    for (key, value) in [
        ("model", version),
        ("evaluation", json!(records.results)),
        ("temporal", json!(records.model.temporal)),
        ("data", json!(audit.map(|audit| &audit.data))),
        ("fairness", json!(audit.map(|audit| &audit.fairness))),
        ("decision", json!(records.decision)),
        ("activations", json!(records.activations)),
        ("windows", json!(records.windows)),
    ] {
        out.push_str(&format!("  {key}: {}\n", json_text(&value)));
    }
    out
}

/// When the model first became active; if it never was, when it was registered.
fn placed_on_market(records: &Records) -> DateTime<Utc> {
    let id = &records.model.version.model_id;
    let own = records.activations.iter().filter(|a| a.model_id == *id).map(|a| a.activated_at).min();
    own.unwrap_or(records.model.version.training_date)
}

/// The time of the newest record.
fn last_updated(records: &Records) -> DateTime<Utc> {
    let evaluated = records.results.as_ref().map(|results| results.evaluation_date);
    let decided = records.decision.as_ref().map(|decision| decision.decided_at);
    let activated = records.activations.iter().map(|a| a.activated_at);
    let logged = records.log.iter().map(|entry| entry.deed.at);
    let watched = records.windows.iter().map(|window| window.closed_at);
    let all = evaluated.into_iter().chain(decided).chain(activated).chain(logged).chain(watched);
    all.fold(records.model.version.training_date, Ord::max)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// JSON on one line. A space follows each colon, as YAML before 1.2 requires, and characters that end a line only in YAML
/// are escaped.
fn json_text(value: &serde_json::Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned());
    let one_line: Vec<&str> = text.lines().map(str::trim_start).collect();
    visible::json(&one_line.join(" ")).into_owned()
}

fn quoted(text: &str) -> String {
    json_text(&json!(text))
}
