//! The demo's output: lines within 80 columns, a progress bar below them while a step runs, and the time since the demo
//! began; with `--json`, objects.

use crate::cli::show;
use crate::client::BASE;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::verdict::Standing;
use provost_domain::visible;
use provost_domain::{JobId, ModelId, ModelVersion, TargetMetric};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Columns for a step's name, and for the time.
const NAME: usize = 8;
const CLOCK: usize = 6;
/// How often the bar's time is redrawn.
const TICK: Duration = Duration::from_millis(250);
/// Columns of the whole leaderboard.
const WIDE_TABLE: usize = 79;

#[derive(Clone)]
pub struct Screen {
    pub json: bool,
    colour: bool,
    width: usize,
    began: Instant,
    bar: ProgressBar,
}

/// `1:05`, `1:02:03`
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

impl Screen {
    pub fn new(json: bool) -> Self {
        let colour = !json && show::colours(std::io::stdout().is_terminal());
        let bar = ProgressBar::with_draw_target(Some(100), show::target(json));
        let style = ProgressStyle::with_template("  {bar:20.green/dim} {pos:>3} %  {wide_msg} {clock:>6}");
        if let Ok(style) = style {
            let time = |state: &ProgressState, out: &mut dyn Write| {
                let _ = write!(out, "{}", clock(state.elapsed())); // writes into memory, which cannot fail
            };
            bar.set_style(style.with_key("clock", time).progress_chars("━╸─"));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self { json, colour, width: show::width(), began: Instant::now(), bar }
    }

    /// The progress bar, in per cent.
    pub fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// Shows the running step and the finished share of it.
    pub fn progress(&self, what: &str, share: f64) {
        self.bar.set_message(what.to_owned());
        self.bar.set_position((share.clamp(0.0, 1.0) * 100.0) as u64);
    }

    /// Hides the bar: no step is running.
    pub fn rest(&self) {
        self.bar.finish_and_clear();
    }

    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Colours one line after escaping it.
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
    /// Dims each line.
    fn dim_lines(&self, text: &str) -> String {
        text.lines().map(|line| self.dim(line)).collect::<Vec<_>>().join("\n")
    }
    /// Prints `text`, which the caller has escaped and coloured, above the bar.
    fn say(&self, text: &str, object: impl FnOnce() -> Value) {
        self.bar.suspend(|| if self.json { show::object(&object()) } else { show::painted(text) });
    }
    fn human(&self, text: &str) {
        if !self.json {
            self.bar.suspend(|| show::painted(text));
        }
    }

    pub fn title(&self) {
        self.human(&format!("\n  {}  from applications to a model in service\n", self.bold("Provost")));
    }

    /// The line of a finished step, with the time in the last column.
    fn done(&self, name: &str, what: &str) -> String {
        let indent = " ".repeat(NAME + 5);
        let what = visible::line(what);
        let lines = show::wrapped_at(&what, &indent, self.width.saturating_sub(CLOCK + 1));
        let mut lines = lines.lines().map(|line| line.get(indent.len()..).unwrap_or_default());
        let first = lines.next().unwrap_or_default();
        let pad = self.width.saturating_sub(indent.len() + first.chars().count() + CLOCK);
        let time = self.dim(&format!("{:>CLOCK$}", clock(self.began.elapsed())));
        let mut out =
            format!("  {} {} {first}{}{time}", self.green("✓"), self.bold(&format!("{name:<NAME$}")), " ".repeat(pad));
        lines.for_each(|line| out += &format!("\n{indent}{line}"));
        out
    }

    /// Prints a finished step. `seconds` is its duration, for `--json`.
    pub fn step(&self, name: &str, what: &str, seconds: f64, object: Value) {
        self.say(&self.done(name, what), || json!({ "step": name, "seconds": seconds, "result": object }));
    }

    pub fn note(&self, text: &str) {
        let shown = self.dim_lines(&show::wrapped_at(text, "    ", self.width));
        self.say(&shown, || json!({ "note": text }));
    }

    pub fn heading(&self, name: &str, what: &str) {
        self.human(&format!("\n  {}  {}", self.bold(name), visible::line(what)));
    }

    /// Prints an event received over the bus.
    pub fn event(&self, at: &str, topic: &str, text: &str, event: &Value) {
        let topic = self.bold(&format!("{topic:<24}"));
        let line = format!("  {} {topic} {}", self.dim(at), visible::line(text));
        self.say(&line, || json!({ "step": "event", "event": event }));
    }

    /// Counts a finished algorithm. With `--json` the job's own objects report it.
    pub fn trained(&self, algorithm: &str) {
        self.human(&self.done("trained", algorithm));
    }

    pub fn activated(&self, best: &ModelId, reason: &str, plots: usize) {
        let what = format!("{}: {reason}; its {plots} plots are drawn", algorithm_of(best));
        self.say(
            &self.done("active", &what),
            || json!({ "step": "activate", "model_id": best, "reason": reason, "plots": plots }),
        );
    }

    pub fn leaderboard(&self, models: &[ModelVersion], best: &ModelId, bayes: Option<f64>) {
        let rows = models.iter().enumerate().map(|(i, m)| {
            vec![
                format!("{}", i + 1),
                format!("{}{}", m.algorithm, if m.model_id == *best { " ●" } else { "" }),
                format!("{:.3} ± {:.3}", m.metrics.cv_mean, m.metrics.cv_std),
                format!("{:.3}", m.metrics.f1_score),
                format!("{:.3}", m.metrics.auc_roc),
                format!("{:.3}", m.metrics.accuracy),
                show::seconds(m.metrics.training_time_seconds),
            ]
        });
        let head = ["#", "algorithm", "cv f1", "f1", "auc", "accuracy", "trained in"];
        // A narrow terminal shows the table without its last two columns.
        let columns = if self.width < WIDE_TABLE { head.len() - 2 } else { head.len() };
        let rows: Vec<Vec<String>> = rows.map(|row| row.into_iter().take(columns).collect()).collect();
        let mut legend = "● is active; cv f1 on training rows, the others on rows held out".to_owned();
        if let Some(auc) = bayes {
            legend += &format!(". {}", truth(auc, models.iter().find(|m| m.model_id == *best)));
        }
        let legend = self.dim_lines(&show::wrapped_at(&legend, "  ", self.width));
        self.say(
            &format!("\n{}\n\n{legend}", show::table(&head[..columns], &rows)),
            || json!({ "step": "leaderboard", "bayes_auc": bayes, "active_model_id": best, "models": models.iter().map(|m| {
                json!({ "model_id": m.model_id, "algorithm": m.algorithm, "cv_mean": m.metrics.cv_mean,
                    "f1_score": m.metrics.f1_score, "auc_roc": m.metrics.auc_roc, "accuracy": m.metrics.accuracy })
            }).collect::<Vec<_>>() }),
        );
    }

    /// Prints the result of the comparison, and why the active model was chosen.
    pub fn verdict(&self, compared: &ModelComparisonResponse, active: &ModelId) {
        let standing = Standing::of(compared);
        // Without tests, the comparison explains why there are none.
        let sentence = standing
            .as_ref()
            .map_or_else(|| compared.verdict.clone(), |standing| standing.sentence(|id| algorithm_of(id).to_owned()));
        let sentence = visible::line(&sentence);
        self.say(&format!("\n{}", show::wrapped_at(&sentence, "  ", self.width)), || {
            json!({ "step": "compare", "verdict": sentence, "active_model_id": active, "rows": compared.rows,
                "first_model_id": standing.as_ref().map(|s| &s.first), "alike": standing.as_ref().map(Standing::alike),
                "statistical_significance": compared.statistical_significance })
        });
    }

    /// With `--json`: prints the addresses of the results.
    pub fn addresses(&self, address: &str, job: &JobId, best: &ModelId) {
        if self.json {
            let below = |path: &str| format!("{address}{BASE}{path}");
            show::object(&json!({ "step": "done", "seconds": self.seconds(), "docs": format!("{address}/docs"),
                "status": below("/status"), "job": below(&format!("/jobs/{job}")), "model": below(&format!("/models/{best}")),
                "plot": below(&format!("/evaluate/{best}/plots/roc_curve.png")) }));
        }
    }

    /// Prints commands to copy, each with what it shows.
    fn next(&self, heading: &str, commands: &[(String, &str)]) {
        let widest = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
        let mut out = format!("\n  {}", self.bold(heading));
        for (command, what) in commands {
            let pad = " ".repeat(widest.saturating_sub(command.chars().count()) + 3);
            // If an explanation does not fit beside its command, the command is printed alone.
            let room = !what.is_empty() && widest + 7 + what.chars().count() <= self.width;
            let what = if room { format!("{pad}{}", self.dim(what)) } else { String::new() };
            out += &format!("\n    {}{what}", visible::line(command));
        }
        self.human(&out);
    }

    /// The end with `--exit`: the service has stopped. `program` is the command that starts this program.
    pub fn over(&self, program: &str, data: &std::path::Path, address: &str) {
        let data = data.display().to_string();
        let serve = format!("{program} serve --data-dir {data} --listen {address}");
        self.next(&format!("Told in {}. Next, to serve it:", show::seconds(self.seconds())), &[(serve, "")]);
        if self.json {
            show::object(&json!({ "step": "over", "data_dir": data }));
        }
    }

    /// The end without `--exit`: the service runs. `arguments` are what a command needs to find the service.
    pub fn serving(&self, address: &str, program: &str, arguments: &str) {
        let command = |name: &str| format!("{program} {name}{arguments}");
        let told = show::seconds(self.seconds());
        self.next(
            &format!("Told in {told}. Next, in a browser:"),
            &[
                (format!("{address}/"), "where all of it can be seen"),
                (format!("{address}/docs"), "every route, to try"),
            ],
        );
        self.next(
            "or in another terminal:",
            &[
                (command("status"), "the service and its parts"),
                (command("models"), "the versions, and which one is active"),
                (command("jobs"), "the training jobs"),
            ],
        );
        let [first, second] = curl(address);
        self.next("or ask for the next application:", &[(first, ""), (second, "")]);
        let stops = format!("Serving at {}. Ctrl-C stops it.", self.bold(address));
        self.say(&format!("\n  {stops}"), || json!({ "step": "serving", "url": address }));
    }

    /// The answer to Ctrl-C, printed before anything is stopped.
    pub fn stopping(&self, begun: bool) {
        self.rest();
        let what = if begun { "Stopping; run again, it goes on from the last finished trial." } else { "Stopping." };
        let shown = show::wrapped_at(what, "  ", self.width);
        self.say(&format!("\n{shown}"), || json!({ "step": "stopping" }));
    }
}

/// A command that requests a prediction.
fn curl(address: &str) -> [String; 2] {
    [
        format!("curl {address}{BASE}/predict \\"),
        r#"  --json '{"profile": {"gpa": 3.8}, "program": {"acceptance_rate": 0.3}}'"#.to_owned(),
    ]
}

/// The AUC of the true probabilities, and why a model's AUC may be higher.
fn truth(bayes: f64, active: Option<&ModelVersion>) -> String {
    let mut text = format!("The true probabilities behind the sample reach an auc of {bayes:.3} on all rows");
    if let Some([low, high]) = active.and_then(|m| m.metrics.intervals_95.get(TargetMetric::AucRoc.as_str())) {
        let matrix = active.map(|m| m.metrics.confusion_matrix).unwrap_or_default();
        let rows: u64 = matrix.iter().flatten().sum();
        text += &format!(
            "; on {} held-out rows a model's auc may lie above that by luck: the active one's 95 % interval is {low:.3} to {high:.3}",
            show::thousands(rows)
        );
    }
    text
}

/// `model_{algorithm}_{id}`
fn algorithm_of(id: &ModelId) -> &str {
    let text = id.as_str();
    text.strip_prefix("model_").and_then(|t| t.rsplit_once('_')).map_or(text, |(algorithm, _)| algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_hours_only_where_there_are_some() {
        assert_eq!([0, 65, 3723].map(|s| clock(Duration::from_secs(s))), ["0:00", "1:05", "1:02:03"]);
    }

    #[test]
    fn a_long_step_goes_on_below_its_own_text() {
        let mut screen = Screen::new(false);
        screen.width = 60;
        let shown = screen.done("active", &"word ".repeat(20));
        assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
        assert!(shown.lines().next().is_some_and(|line| line.ends_with("0:00")), "{shown}");
        assert!(shown.lines().skip(1).all(|line| line.starts_with("             word")), "{shown}");
        assert_eq!(shown.matches("word").count(), 20);
    }
}
