//! `models`: lists model versions, sorted by a metric if asked, and shows one.

use super::ids::{Kind, Shortener, resolve};
use super::read::{ago, count, items, moment, number, text};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::Result;
use chrono::{DateTime, Utc};
use clap::Args;
use provost_domain::visible;
use serde_json::Value;
use std::borrow::Cow;

#[derive(Args)]
pub struct ModelsArgs {
    /// Show only this model: its id, the beginning of the id, `active` or `latest`
    pub id: Option<String>,
    /// List only the active model
    #[arg(long)]
    pub active: bool,
    /// Sort by this metric, the highest first [default: the newest first]
    #[arg(long, value_name = "METRIC",
        value_parser = ["accuracy", "precision", "recall", "f1_score", "auc_roc", "cv_mean"])]
    pub sort: Option<String>,
    /// The most entries shown
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

/// How many models are fetched for sorting.
const SORTED: usize = 10_000;

pub fn models(args: &ModelsArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let output = &args.common.output;
    if let Some(written) = &args.id {
        let id = resolve(&client, Kind::Model, written)?;
        let answer = client.get(&format!("/models/{id}"))?;
        // When and by whom the model was activated is shown to people only; `--json` shows the answer of the route.
        let activation = if is_active(&answer) && !output.json {
            client.get("/activations?limit=1")?.get(0).cloned().unwrap_or_default()
        } else {
            Value::Null
        };
        print(output, &answer, || one(&answer, &activation, Utc::now()));
        return Ok(());
    }
    let limit = args.limit as usize;
    let path = format!("/models?active_only={}&", args.active);
    let mut found = client.list(&path, if args.sort.is_some() { SORTED } else { limit })?;
    if let Some(metric) = &args.sort {
        let score = |model: &Value| number(model, &format!("/metrics/{metric}")).unwrap_or(f64::NEG_INFINITY);
        found.sort_by(|a, b| score(b).total_cmp(&score(a)));
        found.truncate(limit);
    }
    let answer = Value::Array(found);
    print(output, &answer, || match items(&answer) {
        [] => "no models".to_owned(),
        found => list(found, output.width(), Utc::now()),
    });
    Ok(())
}

fn is_active(model: &Value) -> bool {
    model.get("is_active") == Some(&Value::Bool(true))
}

fn target(model: &Value) -> Cow<'_, str> {
    let target = model.pointer("/training_config/target_metric").and_then(Value::as_str);
    visible::line(target.unwrap_or("target metric"))
}

/// The short form of a metric for a column's name: `f1`, `auc`.
fn short(metric: &str) -> &str {
    match metric {
        "f1_score" => "f1",
        "auc_roc" => "auc",
        other => other,
    }
}

fn list(models: &[Value], width: Option<usize>, now: DateTime<Utc>) -> String {
    let ids = Shortener::of(models, &["model_id"], width.is_some());
    let targets: Vec<Cow<'_, str>> = models.iter().map(target).collect();
    // Usually all models have the same target; otherwise each row names its own.
    let common = targets.iter().all(|target| Some(target) == targets.first());
    let cv = targets.first().filter(|_| common).map_or_else(|| "cv".to_owned(), |t| format!("cv_{}", short(t)));
    let row = |model: &Value| {
        let score = |name: &str| show::score(number(model, &format!("/metrics/{name}")));
        let own = if common { String::new() } else { format!(" {}", short(&target(model))) };
        vec![
            ids.shown(&text(model, "model_id")).to_owned(),
            if is_active(model) { "●".to_owned() } else { String::new() },
            ago(model, "training_date", now),
            format!("{}{own}", score("cv_mean")),
            score("f1_score"),
            score("auc_roc"),
        ]
    };
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    let table = show::fitted(&["model", "", "trained", &cv, "f1", "auc"], &rows, width);
    let legend = format!("● is active; {cv} on training rows, f1 (f1_score) and auc (auc_roc) on rows held out");
    format!("{table}\n\n{}", show::wrapped(&legend, "  "))
}

fn one(model: &Value, activation: &Value, now: DateTime<Utc>) -> String {
    let mut out = format!(
        "{}\n  version {}, trained {} on {} rows",
        text(model, "model_id"),
        text(model, "version"),
        moment(model, "training_date", now),
        count(model, "/training_samples"),
    );
    if activation.is_object() {
        let (since, by) = (moment(activation, "activated_at", now), text(activation, "activated_by"));
        out += &format!("\n  active since {since} by {by}");
        out += &activation["reason"].as_str().map_or_else(String::new, |why| format!(": {}", visible::line(why)));
    } else if is_active(model) {
        out += "\n  active";
    }
    let target = target(model);
    let names = ["accuracy", "precision", "recall", "f1_score", "auc_roc", "cv_mean", "cv_std"];
    let row = names.iter().map(|name| show::score(number(model, &format!("/metrics/{name}")))).collect();
    out += &format!("\n\n{}\n  cv_mean and cv_std of {target}, on training rows\n", show::table(&names, &[row]));
    let importance: Vec<Vec<String>> = items(&model["feature_importance"])
        .iter()
        .map(|f| vec![text(f, "feature_name").into_owned(), show::score(number(f, "/importance_score"))])
        .collect();
    out += &format!("\n{}\n", show::table(&["feature", "importance"], &importance));
    let parameters: Vec<Vec<String>> = model
        .get("hyperparameters")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| vec![name.clone(), show::parameter(value)])
        .collect();
    out + &format!("\n{}", show::table(&["parameter", "value"], &parameters))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn model(algorithm: &str, at: u32, target: &str, active: bool) -> Value {
        json!({"model_id": format!("model_{algorithm}_0190163{at}8694739b8b2c2a0b7a3f1e55"), "is_active": active,
            "training_date": "2026-11-29T13:00:00Z", "training_config": {"target_metric": target},
            "metrics": {"cv_mean": 0.7, "f1_score": 0.71, "auc_roc": 0.8123}})
    }

    #[test]
    fn a_list_of_models_has_dates_and_names_of_metrics_in_eighty_columns() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let models =
            [model("logistic_regression", 1, "f1_score", true), model("gradient_boosting", 2, "f1_score", false)];
        let shown = list(&models, Some(80), now);
        let words: Vec<String> =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(words[0], "model trained cv_f1 f1 auc");
        assert_eq!(words[2], "model_logistic_regression_01901631 ● 23 hours ago 0.700 0.710 0.812", "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        let all = list(&models, None, now);
        assert!(all.contains("model_gradient_boosting_019016328694739b8b2c2a0b7a3f1e55"), "{all}");
        // Models of different targets must not look comparable.
        let models = [model("xgboost", 1, "f1_score", true), model("xgboost", 2, "accuracy", false)];
        let shown = list(&models, Some(80), now);
        assert!(shown.contains("0.700 f1 ") && shown.contains("0.700 accuracy"), "{shown}");
    }

    #[test]
    fn an_active_model_says_since_when_and_by_whom() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let activation =
            json!({"activated_at": "2026-11-30T10:00:00Z", "activated_by": "key_1 (ada)", "reason": "better"});
        let shown = one(&model("xgboost", 1, "f1_score", true), &activation, now);
        assert!(shown.contains("active since 2026-11-30 10:00 UTC (2 hours ago) by key_1 (ada): better"), "{shown}");
    }
}
