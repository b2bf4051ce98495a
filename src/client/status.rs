//! `status`: the state of the service.

use super::read::{ago, items, moment, text};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::Result;
use chrono::{DateTime, Utc};
use clap::Args;
use provost_domain::visible;
use serde_json::Value;

#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

/// How many open needs are shown.
const NEEDS: usize = 5;

pub fn status(args: &StatusArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let answer = client.get("/status")?;
    let output = &args.common.output;
    // Since when and by whom: shown to people only. Not requested while the service's store is away.
    let is_active = answer.pointer("/models/active_model_id").is_some_and(Value::is_string);
    let activation = if is_active && !output.json {
        client.find("/activations?limit=1")?.and_then(|found| found.get(0).cloned()).unwrap_or_default()
    } else {
        Value::Null
    };
    let is_known = answer.pointer("/models/total").is_some_and(Value::is_number);
    let needs = if is_known && !output.json {
        // One more than are shown, to know whether there are more.
        client.find(&format!("/needs?limit={}", NEEDS + 1))?.unwrap_or_default()
    } else {
        Value::Null
    };
    print(output, &answer, || shown(&answer, &activation, items(&needs), output.width(), Utc::now()));
    Ok(())
}

fn shown(answer: &Value, activation: &Value, needs: &[Value], width: Option<usize>, now: DateTime<Utc>) -> String {
    let number = |pointer: &str| answer.pointer(pointer).and_then(Value::as_u64);
    // Counts from the store are null while the store is away.
    let count = |pointer: &str| number(pointer).map_or_else(|| "?".to_owned(), show::thousands);
    let mut out = format!(
        "{}: {} models, {} active\njobs: {} running, {} pending, {} completed, {} failed",
        text(answer, "status"),
        count("/models/total"),
        count("/models/active"),
        count("/jobs/running"),
        count("/jobs/pending"),
        count("/jobs/completed"),
        count("/jobs/failed")
    );
    let faults =
        ["panics", "restarts", "error_lines"].iter().filter_map(|name| number(&format!("/faults/{name}"))).sum::<u64>();
    if faults > 0 {
        out += &format!(
            "\nfaults: {} panics, {} restarts, {} lines at level error",
            count("/faults/panics"),
            count("/faults/restarts"),
            count("/faults/error_lines")
        );
    }
    if let Some(active) = answer.pointer("/models/active_model_id").and_then(Value::as_str) {
        out += &format!("\nactive: {}", visible::line(active));
        if activation["model_id"] == active {
            out += &format!(
                "\n  since {} by {}",
                moment(activation, "activated_at", now),
                text(activation, "activated_by")
            );
        }
    }
    if !needs.is_empty() {
        out += "\nneeds a person:";
        for need in needs.iter().take(NEEDS) {
            let line = format!("{}, {}", text(need, "fact"), ago(need, "since", now));
            out += &match width {
                Some(_) => format!("\n{}", show::wrapped(&line, "  ")),
                None => format!("\n  {line}"),
            };
        }
        if needs.len() > NEEDS {
            out += "\n  and more, at /needs";
        }
    }
    let rows: Vec<Vec<String>> = answer
        .get("components")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, c)| {
            let error = c["last_error"].as_str().unwrap_or_default().to_owned();
            vec![name.clone(), text(c, "health").into_owned(), c["restarts"].to_string(), error]
        })
        .collect();
    format!("{out}\n\n{}", show::fitted(&["component", "health", "restarts", "last error"], &rows, width))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_status_says_what_is_active_since_when_and_fits_eighty_columns() {
        let long = "the server at the address in store.url does not answer in time, and was asked seven times";
        let answer = json!({"status": "degraded", "models": {"total": 1234, "active": 1, "active_model_id": "model_a"},
            "jobs": {"running": 0, "pending": 0, "completed": 3, "failed": null}, "faults": {"panics": 0},
            "components": {"store": {"health": "degraded", "restarts": 0, "last_error": long}}});
        let activation = json!({"model_id": "model_a", "activated_at": "2026-11-30T10:00:00Z", "activated_by": "ada"});
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let fact = "Job a has failed for want of memory on the machine that it was begun on, for the second time";
        let needs = [0; 6].map(|_| json!({"fact": fact, "since": "2026-11-30T11:00:00Z"}));
        let narrow = shown(&answer, &activation, &needs, Some(80), now);
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
        assert!(narrow.contains("1,234 models") && narrow.contains("? failed"), "{narrow}");
        assert!(narrow.contains("since 2026-11-30 10:00 UTC (2 hours ago) by ada"), "{narrow}");
        assert_eq!((narrow.matches("Job a has failed").count(), narrow.contains("and more")), (5, true), "{narrow}");
        assert!(!shown(&answer, &activation, &[], None, now).contains("needs a person"));
        assert!(shown(&answer, &activation, &[], None, now).contains(long));
        // If another model was activated in between, that activation is not shown for this model.
        let other = json!({"model_id": "model_b", "activated_at": "2026-11-30T10:00:00Z"});
        assert!(!shown(&answer, &other, &[], Some(80), now).contains("since"));
    }
}
