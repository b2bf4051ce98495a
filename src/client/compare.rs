//! `compare`: compares models on the rows that all of them hold out.

use super::ids::{Kind, resolve};
use super::read::{number, text};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use clap::Args;
use provost_domain::verdict::{Standing, signed};
use provost_domain::visible;
use serde_json::{Value, json};

#[derive(Args)]
pub struct CompareArgs {
    /// Two or more models: ids, beginnings of ids, `active`, `latest` [default: the active one and the newest other]
    #[arg(num_args = 2.., value_name = "MODEL")]
    pub models: Vec<String>,
    /// Metrics, separated by commas: accuracy, precision, recall, f1_score, auc_roc [default: all]
    #[arg(long, value_delimiter = ',')]
    pub metrics: Vec<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

pub fn compare(args: &CompareArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let mut models = Vec::with_capacity(args.models.len());
    for written in &args.models {
        models.push(resolve(&client, Kind::Model, written)?);
    }
    distinct(&args.models, &models)?;
    if models.is_empty() {
        let active = client.list("/models?active_only=true&", 1)?;
        models = first_two(active.iter().chain(&client.list("/models?", 2)?))?;
    }
    let mut body = json!({ "model_ids": models });
    if !args.metrics.is_empty() {
        body["metrics"] = json!(args.metrics);
    }
    let answer = client.post("/compare", &body)?;
    print(&args.common.output, &answer, || comparison_text(&models, &answer));
    Ok(())
}

/// The first two different models of a list.
fn first_two<'a>(listed: impl Iterator<Item = &'a Value>) -> Result<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    for id in listed.map(|model| text(model, "model_id")) {
        if ids.len() < 2 && !ids.iter().any(|known| *known == id) {
            ids.push(id.into_owned());
        }
    }
    if ids.len() == 2 {
        Ok(ids)
    } else {
        Err(Error::failed_with("there are not two models", "`provost train` makes more"))
    }
}

/// Refuses a list that names one model twice. `ids` are the ids that the texts in `written` stand for, in the same
/// order.
fn distinct(written: &[String], ids: &[String]) -> Result<()> {
    for (at, id) in ids.iter().enumerate() {
        if let Some(first) = ids.iter().take(at).position(|earlier| earlier == id) {
            let (first, second) = (visible::line(&written[first]), visible::line(&written[at]));
            return Err(Error::usage_with(
                format!("`{first}` and `{second}` are the same model: {id}"),
                "compare it with another one, by the beginning of an id that `provost models` lists: `provost compare \
                 active ID`, or without ids the active one with the newest other",
            ));
        }
    }
    Ok(())
}

/// Names the models by letters in the table, because two ids do not fit on one line.
fn comparison_text(ids: &[String], answer: &Value) -> String {
    let letter = |i: usize| char::from(b'A' + (i % 26) as u8).to_string();
    let name = |id: &str| ids.iter().position(|known| known == id).map_or_else(|| id.to_owned(), letter);
    // The same letters as in the table, where the service tested each pair.
    let standing = serde_json::from_value(answer.clone()).ok().and_then(|compared| Standing::of(&compared));
    let said = standing.filter(|_| ids.len() > 1).map(|standing| standing.sentence(|id| name(id.as_str())));
    let verdict = show::wrapped(&said.unwrap_or_else(|| text(answer, "verdict").into_owned()), "");
    let mut out: String = ids.iter().enumerate().map(|(i, id)| format!("\n  {}  {id}", letter(i))).collect();
    out = format!("{verdict}\n{out}\n");
    let metrics = answer.get("metric_comparison").and_then(Value::as_object);
    let mut head = vec!["metric".to_owned()];
    head.extend((0..ids.len()).map(letter));
    let rows: Vec<Vec<String>> = metrics
        .into_iter()
        .flatten()
        .map(|(metric, by_model)| {
            let highest = answer.get("highest_beyond_chance").and_then(|highest| highest.get(metric));
            let scores = ids.iter().map(|id| {
                let mark = if highest.and_then(Value::as_str) == Some(id) { " ●" } else { "" };
                format!("{}{mark}", show::score(by_model.get(id).and_then(Value::as_f64)))
            });
            std::iter::once(metric.clone()).chain(scores).collect()
        })
        .collect();
    out += &format!("\n{}\n", show::table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows));
    if answer.get("highest_beyond_chance").and_then(Value::as_object).is_some_and(|highest| !highest.is_empty()) {
        out += "\n  ● higher than each other model's beyond chance\n";
    }
    let mut pairs = Vec::new();
    let mut not_comparable = String::new();
    for pair in answer.get("statistical_significance").and_then(Value::as_object).into_iter().flatten().map(|(_, p)| p)
    {
        // The model with the higher AUC goes first, as in the verdict above.
        let turned = number(pair, "/delong/difference").is_some_and(|difference| difference < 0.0);
        let (first, second) = if turned { ("model_b", "model_a") } else { ("model_a", "model_b") };
        let label = format!("{} - {}", name(&text(pair, first)), name(&text(pair, second)));
        if let Some(why) = pair.get("not_comparable").and_then(Value::as_str) {
            not_comparable += &format!("\n  {label}: not comparable: {}", visible::line(why));
            continue;
        }
        let signed = |pointer: &str| {
            let value = number(pair, pointer).map(|value| if turned { -value } else { value });
            value.map_or_else(|| "-".to_owned(), signed)
        };
        let interval = |of: &str| {
            let (low, high) = if turned { (1, 0) } else { (0, 1) };
            format!("{} to {}", signed(&format!("{of}/interval_95/{low}")), signed(&format!("{of}/interval_95/{high}")))
        };
        let p = |pointer: &str| number(pair, pointer).map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
        pairs.push(vec![
            label,
            pair["rows"].to_string(),
            p("/mcnemar/p_value"),
            signed("/delong/difference"),
            interval("/delong"),
            signed("/bootstrap/difference"),
            interval("/bootstrap"),
        ]);
    }
    if !pairs.is_empty() {
        let head = ["pair", "rows", "McNemar p", "AUC", "95 %", &*text(answer, "best_metric"), "95 %"];
        out += &format!("\n{}", show::table(&head, &pairs));
    }
    out += &not_comparable;
    if let Some(best) = answer.get("best_model_id").and_then(Value::as_str) {
        let metric = text(answer, "best_metric");
        let beyond = answer.get("highest_beyond_chance").and_then(|highest| highest.get(&*metric));
        let chance = if beyond.is_some() { "beyond chance" } else { "not beyond chance" };
        let lead = format!("highest {metric}, {chance}: ");
        out += &format!("\n\n{}", show::wrapped(&format!("{lead}{} {}", name(best), visible::line(best)), ""));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_model_under_two_names_is_refused_by_both() {
        let texts = |of: [&str; 2]| of.map(str::to_owned);
        let refused = distinct(&texts(["active", "latest"]), &texts(["model_x", "model_x"]));
        assert!(refused.is_err_and(|e| e.to_string().contains("`active` and `latest` are the same model: model_x")));
        assert!(distinct(&texts(["active", "latest"]), &texts(["model_x", "model_y"])).is_ok());
    }

    #[test]
    fn without_names_the_first_two_different_models_are_compared() {
        let listed = ["x", "x", "y"].map(|id| json!({ "model_id": id }));
        assert!(first_two(listed.iter()).is_ok_and(|ids| ids == ["x", "y"]));
        assert!(first_two(listed[..2].iter()).is_err_and(|e| e.to_string().contains("not two models")));
    }

    #[test]
    fn a_difference_has_the_direction_of_the_verdict() {
        let ids = ["a".to_owned(), "b".to_owned()];
        let answer = json!({"verdict": "b ranks better than a", "best_metric": "f1_score",
            "statistical_significance": {"a_vs_b": {"model_a": "a", "model_b": "b", "rows": 900,
                "delong": {"difference": -0.041, "interval_95": [-0.062, -0.02], "p_value": 0.001}}}});
        let shown = comparison_text(&ids, &answer);
        assert!(shown.contains("B - A") && shown.contains("+.041") && shown.contains("+.020 to +.062"), "{shown}");
    }

    #[test]
    fn a_comparison_begins_with_its_verdict() {
        let ids = ["a".to_owned(), "b".to_owned()];
        let answer = json!({"verdict": "A ranks better than B: AUC +.041, +.020 to +.062", "best_metric": "f1_score",
            "metric_comparison": {"auc_roc": {"a": 0.8, "b": 0.759}}, "highest_beyond_chance": {"auc_roc": "a"},
            "statistical_significance": {"a_vs_b": {"model_a": "a", "model_b": "b", "rows": 900,
                "delong": {"difference": 0.041, "interval_95": [0.02, 0.062], "p_value": 0.001}}}});
        let shown = comparison_text(&ids, &answer);
        assert!(shown.starts_with("A ranks better than B: AUC +.041, +.020 to +.062\n"), "{shown}");
        for part in ["0.800 ●", "0.759", "● higher than each other model's beyond chance", "+.020 to +.062"] {
            assert!(shown.contains(part), "no {part:?} in\n{shown}");
        }
    }
}
