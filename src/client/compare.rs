//! `compare`: compares models on the rows that all of them hold out.

use super::ids::{Kind, resolve};
use super::read::{number, text};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::Result;
use clap::Args;
use provost_domain::verdict::signed;
use provost_domain::visible;
use serde_json::{Value, json};

#[derive(Args)]
pub struct CompareArgs {
    /// Two or more models: ids, beginnings of ids, `active`, `latest`
    #[arg(required = true, num_args = 2.., value_name = "MODEL")]
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
    let mut body = json!({ "model_ids": models });
    if !args.metrics.is_empty() {
        body["metrics"] = json!(args.metrics);
    }
    let answer = client.post("/compare", &body)?;
    print(&args.common.output, &answer, || comparison_text(&models, &answer));
    Ok(())
}

/// Names the models by letters in the table, because two ids do not fit on one line.
fn comparison_text(ids: &[String], answer: &Value) -> String {
    let letter = |i: usize| char::from(b'A' + (i % 26) as u8).to_string();
    let name = |id: &str| ids.iter().position(|known| known == id).map_or_else(|| id.to_owned(), letter);
    let verdict = show::wrapped(&text(answer, "verdict"), "");
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
        let label = format!("{} - {}", name(&text(pair, "model_a")), name(&text(pair, "model_b")));
        if let Some(why) = pair.get("not_comparable").and_then(Value::as_str) {
            not_comparable += &format!("\n  {label}: not comparable: {}", visible::line(why));
            continue;
        }
        let signed = |pointer: &str| number(pair, pointer).map_or_else(|| "-".to_owned(), signed);
        let p = |pointer: &str| number(pair, pointer).map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
        pairs.push(vec![
            label,
            pair["rows"].to_string(),
            p("/mcnemar/p_value"),
            signed("/delong/difference"),
            format!("{} to {}", signed("/delong/interval_95/0"), signed("/delong/interval_95/1")),
            signed("/bootstrap/difference"),
            format!("{} to {}", signed("/bootstrap/interval_95/0"), signed("/bootstrap/interval_95/1")),
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
        out += &format!("\n\nhighest {metric}, {chance}: {}  {}", name(best), visible::line(best));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
