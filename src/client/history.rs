//! `activate`, `rollback`, `history`: the active model and its predecessors.

use super::ids::{Kind, Shortener, one_of, resolve};
use super::read::{ago, items, moment, text};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use provost_domain::visible;
use serde_json::{Value, json};

#[derive(Args)]
pub struct ActivateArgs {
    /// The model: its id, the beginning of the id, or `latest`
    pub model: String,
    /// Reason, recorded with the activation
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct RollbackArgs {
    /// A model that was active before: its id or the beginning of the id [default: the predecessor of the active model]
    pub model: Option<String>,
    /// Reason, recorded with the activation
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct HistoryArgs {
    /// Show only the activation in force at this time (RFC 3339, such as 2026-11-24T08:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub at: Option<DateTime<Utc>>,
    /// The most entries shown
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

fn rfc3339(text: &str) -> std::result::Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    time.map_err(|_| "a time as in RFC 3339 is allowed, such as 2026-11-24T08:00:00Z".to_owned())
}

/// How many activations are searched for a model.
const LOOKED_AT: usize = 10_000;

fn put_in_force(client: &Client, common: &Common, path: &str, body: &Value) -> Result<()> {
    let answer = client.post(path, body)?;
    print(&common.output, &answer, || format!("{} is active", text(&answer, "model_id")));
    Ok(())
}

pub fn activate(args: &ActivateArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let model = resolve(&client, Kind::Model, &args.model)?;
    put_in_force(&client, &args.common, &format!("/activate/{model}"), &json!({ "reason": args.reason }))
}

pub fn rollback(args: &RollbackArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    if let Some(model) = &args.model {
        // The route for rollback goes back one step; to reach an earlier model it is activated.
        let past = client.list("/activations?", LOOKED_AT)?;
        let to = goal(&past, model)?;
        let from = past.first().map(|latest| text(latest, "model_id").into_owned()).unwrap_or_default();
        let why = args.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let body = json!({ "reason": format!("rolled back from {from}{why}") });
        return put_in_force(&client, &args.common, &format!("/activate/{to}"), &body);
    }
    put_in_force(&client, &args.common, "/rollback", &json!({ "reason": args.reason }))
}

/// Finds the model to roll back to among the past activations.
fn goal(past: &[Value], named: &str) -> Result<String> {
    let ids = past.iter().filter_map(|activation| activation["model_id"].as_str());
    one_of(Kind::Model, named, ids)?.map(str::to_owned).ok_or_else(|| {
        Error::failed_with(
            format!("no model `{}` was ever active", visible::line(named)),
            "`provost history` lists those that were; `provost activate` takes any model",
        )
    })
}

pub fn history(args: &HistoryArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let found = match args.at {
        Some(at) => {
            items(&client.get(&format!("/activations?at={}", at.to_rfc3339_opts(SecondsFormat::AutoSi, true)))?)
                .to_vec()
        }
        None => client.list("/activations?", args.limit as usize)?,
    };
    let output = &args.common.output;
    let answer = Value::Array(found);
    print(output, &answer, || match items(&answer) {
        [] if args.at.is_some() => "no model was active then".to_owned(),
        [] => "no model was ever active".to_owned(),
        found => list(found, output.width(), Utc::now()),
    });
    Ok(())
}

fn list(activations: &[Value], width: Option<usize>, now: DateTime<Utc>) -> String {
    let ids = Shortener::of(activations, &["model_id"], width.is_some());
    let row = |activation: &Value| {
        vec![
            ids.shown(&text(activation, "model_id")).to_owned(),
            // Relative times are for readers at a terminal; a pipe gets absolute times.
            if width.is_some() {
                ago(activation, "activated_at", now)
            } else {
                moment(activation, "activated_at", now)
            },
            text(activation, "activated_by").into_owned(),
            text(activation, "reason").into_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = activations.iter().map(row).collect();
    show::fitted(&["model", "active since", "by", "reason"], &rows, width)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn past() -> Vec<Value> {
        let id = |n: u32| format!("model_logistic_regression_0190163{n}8694739b8b2c2a0b7a3f1e55");
        (1..=3)
            .rev()
            .map(|n| {
                json!({"rev": n, "model_id": id(n), "previous_model_id": (n > 1).then(|| id(n - 1)),
                    "activated_at": format!("2026-11-{}T12:00:00Z", 10 + n), "activated_by": "key_0f3c (alice)",
                    "reason": format!("better on the newest rows in the {n}. comparison of this month")})
            })
            .collect()
    }

    #[test]
    fn a_rollback_goes_to_the_model_before_or_to_one_that_was_active() {
        let past = past();
        let id = |at: usize| past[at]["model_id"].as_str().unwrap().to_owned();
        assert_eq!(goal(&past, "01901631").unwrap(), id(2));
        let never = goal(&past, "model_xgboost").unwrap_err().to_string();
        assert!(never.contains("was ever active") && never.contains("provost history"), "{never}");
    }

    #[test]
    fn the_history_fits_eighty_columns() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let shown = list(&past(), Some(80), now);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.contains("  model_logistic_regression_01901633 ") && shown.contains(" 17 days ago "), "{shown}");
        let all = list(&past(), None, now);
        assert!(all.contains("2026-11-13 12:00 UTC (17 days ago)  key_0f3c (alice)  better on the newest"), "{all}");
    }
}
