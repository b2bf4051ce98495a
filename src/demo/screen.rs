//! What the demo shows: lines within 80 columns on a terminal or in a file, objects with `--json`.

use crate::cli::show;
use indicatif::ProgressBar;
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::verdict::Standing;
use provost_domain::visible;
use provost_domain::{JobId, ModelId, ModelVersion, TargetMetric};
use serde_json::{Value, json};
use std::io::IsTerminal;

pub struct Screen {
    pub json: bool,
    colour: bool,
}

impl Screen {
    pub fn new(json: bool) -> Self {
        let colour = !json && std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour }
    }

    /// One line, escaped before it is coloured.
    fn paint(&self, code: &str, text: &str) -> String {
        let text = visible::line(text);
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into_owned() }
    }
    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }
    fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }
    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }
    /// `text` is painted and escaped by the caller.
    fn say(&self, text: &str, object: impl FnOnce() -> Value) {
        if self.json { show::object(&object()) } else { show::painted(text) }
    }
    fn human(&self, text: &str) {
        if !self.json {
            show::painted(text);
        }
    }

    pub fn title(&self) {
        self.human(&format!("\n  {}  from applications to a model in service\n", self.bold("Provost")));
    }

    fn done(&self, name: &str, what: &str, seconds: f64) -> String {
        let what = visible::line(what);
        let pad = 54usize.saturating_sub(what.chars().count());
        let time = self.dim(&format!("{:>8}", show::seconds(seconds)));
        format!("  {} {} {what}{} {time}", self.green("✓"), self.bold(&format!("{name:<8}")), " ".repeat(pad))
    }

    pub fn step(&self, name: &str, what: &str, seconds: f64, object: Value) {
        self.say(&self.done(name, what, seconds), || json!({ "step": name, "seconds": seconds, "result": object }));
    }

    pub fn note(&self, text: &str) {
        self.say(&format!("    {}", self.dim(text)), || json!({ "note": text }));
    }

    pub fn heading(&self, name: &str, what: &str) {
        self.human(&format!("\n  {}  {}", self.bold(name), visible::line(what)));
    }

    /// An event as it was heard on the bus.
    pub fn event(&self, at: &str, topic: &str, text: &str, event: &Value) {
        let topic = self.bold(&format!("{topic:<24}"));
        let line = format!("  {} {topic} {}", self.dim(at), visible::line(text));
        self.say(&line, || json!({ "step": "event", "event": event }));
    }

    pub fn training(&self, job: &JobId) {
        self.human(&format!(
            "\n  {}  six algorithms, tuned by cross-validation\n  {}",
            self.bold("Training"),
            self.dim(job.as_str())
        ));
    }

    /// One algorithm is through; the bar stays below.
    pub fn trained(&self, algorithm: &str, seconds: f64, bar: &ProgressBar) {
        if self.json {
            return;
        }
        let (time, algorithm) = (self.dim(&format!("{:>8}", show::seconds(seconds))), visible::line(algorithm));
        bar.suspend(|| show::painted(&format!("  {} {algorithm:<63} {time}", self.green("✓"))));
    }

    pub fn activated(&self, best: &ModelId, reason: &str, plots: usize) {
        self.say(
            &format!(
                "\n  {} {} {}, with {plots} plots as PNG and SVG\n             {}",
                self.green("✓"),
                self.bold("active  "),
                visible::line(algorithm_of(best)),
                self.dim(reason)
            ),
            || json!({ "step": "activate", "model_id": best, "reason": reason, "plots": plots }),
        );
    }

    pub fn leaderboard(&self, models: &[ModelVersion], best: &ModelId, bayes: Option<f64>) {
        let rows: Vec<Vec<String>> = models
            .iter()
            .enumerate()
            .map(|(i, m)| {
                vec![
                    format!("{}", i + 1),
                    format!("{}{}", m.algorithm, if m.model_id == *best { " ●" } else { "" }),
                    format!("{:.3} ± {:.3}", m.metrics.cv_mean, m.metrics.cv_std),
                    format!("{:.3}", m.metrics.f1_score),
                    format!("{:.3}", m.metrics.auc_roc),
                    format!("{:.3}", m.metrics.accuracy),
                    show::seconds(m.metrics.training_time_seconds),
                ]
            })
            .collect();
        let head = ["#", "algorithm", "cv f1", "f1", "auc", "accuracy", "trained in"];
        let mut legend = self.dim("● is active; cv f1 on training rows, the others on rows held out");
        if let Some(auc) = bayes {
            let active = models.iter().find(|m| m.model_id == *best);
            for line in truth(auc, active).lines() {
                legend.push_str(&format!("\n  {}", self.dim(line.trim_start())));
            }
        }
        self.say(
            &format!("\n{}\n\n  {legend}", show::table(&head, &rows)),
            || json!({ "step": "leaderboard", "bayes_auc": bayes, "active_model_id": best, "models": models.iter().map(|m| {
                json!({ "model_id": m.model_id, "algorithm": m.algorithm, "cv_mean": m.metrics.cv_mean,
                    "f1_score": m.metrics.f1_score, "auc_roc": m.metrics.auc_roc, "accuracy": m.metrics.accuracy })
            }).collect::<Vec<_>>() }),
        );
    }

    /// What the comparison says of the models, and why one of them is active.
    pub fn verdict(&self, compared: &ModelComparisonResponse, active: &ModelId) {
        let Some(standing) = Standing::of(compared) else { return };
        let sentence = standing.sentence(|id| algorithm_of(id).to_owned());
        self.say(&format!("\n{}", show::wrapped(&sentence, "  ")), || {
            json!({ "step": "compare", "verdict": sentence, "active_model_id": active, "rows": compared.rows,
                "first_model_id": standing.first, "alike": standing.alike(),
                "statistical_significance": compared.statistical_significance })
        });
    }

    pub fn addresses(&self, address: &str, base: &str, job: &JobId, best: &ModelId, seconds: f64) {
        let (docs, status) = (format!("{address}/docs"), format!("{address}{base}/status"));
        let (jobs, models) = (format!("{base}/jobs/{job}"), format!("{base}/models/{best}"));
        let plot = format!("{base}/evaluate/{best}/plots/roc_curve.png");
        self.say(
            &format!(
                "\n  {}  {docs}\n  {}  {status}\n\n  {} {address} {}\n  {jobs}\n  {models}\n  {plot}\n\n  {}",
                self.bold("Documentation"), self.bold("Status       "), self.bold("Below"),
                self.bold("lie the job, the active model and its ROC curve:"),
                self.dim(&format!("all of it in {}", show::seconds(seconds)))
            ),
            || json!({ "step": "done", "seconds": seconds, "docs": docs, "status": status, "job": format!("{address}{jobs}"),
                "model": format!("{address}{models}"), "plot": format!("{address}{plot}") }),
        );
    }

    /// With `--exit` nobody answers at the addresses any more.
    pub fn over(&self, data: &std::path::Path, address: &str) {
        let data = data.display().to_string();
        let shown = visible::line(&data);
        self.say(
            &format!("\n  They answer again with\n  provost serve --data-dir {shown} --listen {address}"),
            || json!({ "step": "over", "data_dir": data.to_string() }),
        );
    }

    pub fn serving(&self, address: &str) {
        self.say(
            &format!("\n  Serving at {}. Ctrl-C stops it.", self.bold(address)),
            || json!({ "step": "serving", "url": address }),
        );
    }
}

/// What the true probabilities reach, and why a model may lie above it.
fn truth(bayes: f64, active: Option<&ModelVersion>) -> String {
    let mut text = format!("the true probabilities behind the sample reach an auc of {bayes:.3} on all rows.");
    if let Some([low, high]) = active.and_then(|m| m.metrics.intervals_95.get(TargetMetric::AucRoc.as_str())) {
        let matrix = active.map(|m| m.metrics.confusion_matrix).unwrap_or_default();
        let rows: u64 = matrix.iter().flatten().sum();
        text += &format!(
            " On {} held-out rows a model's auc may lie above that by luck: the active one's 95 % interval is {low:.3} to {high:.3}",
            show::thousands(rows)
        );
    }
    show::wrapped(&text, "  ")
}

/// `model_{algorithm}_{id}`
fn algorithm_of(id: &ModelId) -> &str {
    let text = id.as_str();
    text.strip_prefix("model_").and_then(|t| t.rsplit_once('_')).map_or(text, |(algorithm, _)| algorithm)
}
