//! `decisions`: the gate's decisions on models of automatic jobs, with the evidence.

use super::ids::{Kind, Shortener, one_of};
use super::read::{ago, count, items, moment, number, text};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use clap::Args;
use provost_domain::verdict::signed;
use provost_domain::visible;
use serde_json::Value;

#[derive(Args)]
pub struct DecisionsArgs {
    /// Show only this decision, with its evidence: the id of its job or of its model, the beginning of the id, or
    /// `latest`
    pub id: Option<String>,
    /// The most entries shown
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

/// How many decisions are searched for a given one.
const LOOKED_AT: usize = 10_000;
/// The word for the newest decision.
const LATEST: &str = "latest";

pub fn decisions(args: &DecisionsArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let output = &args.common.output;
    if let Some(written) = &args.id {
        let most = if written == LATEST { 1 } else { LOOKED_AT };
        let answer = chosen(client.list("/decisions?", most)?, written)?;
        print(output, &answer, || one(&answer, Utc::now()));
        return Ok(());
    }
    let answer = Value::Array(client.list("/decisions?", args.limit as usize)?);
    print(output, &answer, || match items(&answer) {
        [] => "the gate has made no decision yet; it decides on models of automatic jobs".to_owned(),
        found => list(found, output.width(), Utc::now()),
    });
    Ok(())
}

/// Finds the decision of a job, which has only one, or of a model.
fn chosen(decisions: Vec<Value>, written: &str) -> Result<Value> {
    let none = || {
        let cause = format!("no decision `{}`", visible::line(written));
        Error::failed_with(cause, "`provost decisions` lists the newest")
    };
    if written == LATEST {
        return decisions.into_iter().next().ok_or_else(none);
    }
    for (kind, key) in [(Kind::Job, "job_id"), (Kind::Model, "challenger_id")] {
        let ids = decisions.iter().filter_map(|decision| decision[key].as_str());
        if let Some(id) = one_of(kind, written, ids)?.map(str::to_owned) {
            return decisions.into_iter().find(|decision| decision[key] == id.as_str()).ok_or_else(none);
        }
    }
    Err(none())
}

fn list(decisions: &[Value], width: Option<usize>, now: DateTime<Utc>) -> String {
    let is_short = width.is_some();
    let (jobs, models) =
        (Shortener::of(decisions, &["job_id"], is_short), Shortener::of(decisions, &["challenger_id"], is_short));
    let row = |decision: &Value| {
        vec![
            jobs.shown(&text(decision, "job_id")).to_owned(),
            ago(decision, "decided_at", now),
            text(decision, "outcome").into_owned(),
            models.shown(&text(decision, "challenger_id")).to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = decisions.iter().map(row).collect();
    let table = show::fitted(&["job", "decided", "outcome", "on the model"], &rows, width);
    // The column names and the rule come before the decisions.
    let lines = table.lines().enumerate().map(|(at, line)| {
        let decision = at.checked_sub(2).and_then(|at| decisions.get(at));
        let why = decision.map(|decision| text(decision, "reason").into_owned());
        match why {
            Some(why) if is_short => format!("{line}\n{}", show::wrapped(&why, "    ")),
            Some(why) => format!("{line}\n    {why}"),
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn one(decision: &Value, now: DateTime<Utc>) -> String {
    let model = text(decision, "challenger_id");
    let mut out = format!(
        "{}  {}\n{}\n",
        text(decision, "job_id"),
        text(decision, "outcome"),
        show::wrapped(&text(decision, "reason"), "  ")
    );
    let mut rows = vec![
        vec!["decided".to_owned(), moment(decision, "decided_at", now)],
        vec!["on the model".to_owned(), model.clone().into_owned()],
        vec!["against".to_owned(), text(decision, "champion_id").into_owned()],
    ];
    if let Some(evidence) = decision.get("evidence").filter(|evidence| evidence.is_object()) {
        let metric = text(evidence, "metric");
        let signed = |pointer: &str| number(evidence, pointer).map_or_else(|| "-".to_owned(), signed);
        let plain = |pointer: &str| number(evidence, pointer).map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
        rows.extend([
            vec!["rows held out".to_owned(), count(evidence, "/rows")],
            vec!["clusters".to_owned(), format!("{} (university and program)", count(evidence, "/clusters"))],
            vec![format!("its {metric}"), show::score(number(evidence, "/challenger_score"))],
            vec![format!("the other's {metric}"), show::score(number(evidence, "/champion_score"))],
            vec!["improvement".to_owned(), signed("/improvement")],
            vec!["at least".to_owned(), format!("{} (one-sided, alpha {})", signed("/lower_bound"), plain("/alpha"))],
            vec![
                "needed".to_owned(),
                number(decision, "/improvement_threshold").map_or_else(|| "-".to_owned(), self::signed),
            ],
            vec!["decision of the quarter".to_owned(), count(evidence, "/look")],
        ]);
        if number(evidence, "/delong/difference").is_some() {
            let (low, high) = (signed("/delong/interval_95/0"), signed("/delong/interval_95/1"));
            let difference = signed("/delong/difference");
            rows.push(vec!["DeLong, AUC".to_owned(), format!("{difference}, 95 % {low} to {high}")]);
        }
        if number(evidence, "/mcnemar/p_value").is_some() {
            rows.push(vec!["McNemar".to_owned(), format!("p {}", plain("/mcnemar/p_value"))]);
        }
    }
    out += &rows.iter().map(|row| format!("\n  {:<24} {}", row[0], visible::line(&row[1]))).collect::<String>();
    if text(decision, "outcome") == "awaits_approval" {
        out += &format!("\n\n  → `provost activate {model}` approves; without that the active model stays");
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn some() -> Vec<Value> {
        (1..=2)
            .map(|n| {
                json!({"job_id": format!("job_0190163{n}8694739b8b2c2a0b7a3f1e55"),
                    "challenger_id": format!("model_logistic_regression_0190164{n}8694739b8b2c2a0b7a3f1e55"),
                    "champion_id": null, "decided_at": "2026-11-30T10:00:00Z",
                    "outcome": if n == 1 { "awaits_approval" } else { "kept" }, "improvement_threshold": 0.02,
                    "reason": "kept the active model, because an improvement of f1_score by less than 0.02 is not enough",
                    "evidence": {"metric": "f1_score", "rows": 1200, "clusters": 40, "challenger_score": 0.71,
                        "champion_score": 0.7, "improvement": 0.01, "lower_bound": -0.005, "alpha": 0.0125, "look": 1}})
            })
            .collect()
    }

    #[test]
    fn a_decision_is_found_by_its_job_or_its_model() {
        for written in ["latest", "job_01901631", "01901641", "logistic_regression_01901641"] {
            assert_eq!(chosen(some(), written).unwrap(), some()[0], "{written}");
        }
        assert!(chosen(some(), "job_0190163").unwrap_err().to_string().contains("2 jobs"));
        assert!(chosen(some(), "xgboost").unwrap_err().to_string().contains("no decision `xgboost`"));
        assert!(chosen(Vec::new(), "latest").is_err());
    }

    #[test]
    fn decisions_have_their_reasons_and_one_its_evidence() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let shown = list(&some(), Some(80), now);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(
            shown.contains("2 hours ago") && shown.matches("kept the active model, because").count() == 2,
            "{shown}"
        );
        let shown = one(&some()[0], now);
        for part in ["1,200", "its f1_score", "0.710", "+.010", "−.005", "0.0125", "+.020", "provost activate model_"]
        {
            assert!(shown.contains(part), "no {part:?} in\n{shown}");
        }
    }
}
