//! A letter as its templates show it: a heading, a lead, and sections. Every text of others is escaped here, so that nothing is obeyed or
//! hidden by what shows the mail.

use chrono::{DateTime, Utc};
use provost_domain::features::title as feature_title;
use provost_domain::job::JobStatus;
use provost_domain::mail::{ActivatedLetter, DriftLetter, JobLetter, Letter, ModelFigures};
use provost_domain::model::FeatureImportance;
use provost_domain::schedule::TrainingTrigger;
use provost_domain::visible;

const NO_REASON: &str = "It gave no reason.";

/// A model's figures.
pub struct Model {
    pub name: String,
    pub is_best: bool,
    pub target: String,
    pub cv_mean: String,
    pub cv_std: String,
    /// Name, name within a sentence, and value.
    pub figures: Vec<(&'static str, &'static str, String)>,
    pub model_id: String,
    pub version: String,
    pub samples: String,
    pub took: String,
}

/// A feature with its importance.
pub struct Feature {
    pub rank: u32,
    pub name: String,
    pub score: String,
    /// Of the most important one's, in per cent.
    pub share: u64,
}

/// An entry of a list.
#[derive(Default)]
pub struct Item {
    /// What it begins with.
    pub kind: String,
    pub text: String,
    /// What is added in small letters.
    pub added: String,
}

/// A fact about the job or the switch.
pub struct Fact {
    pub name: &'static str,
    /// The name with what makes it as wide as the others.
    pub label: String,
    pub value: String,
    /// The value on one line.
    pub line: String,
    /// It is an id.
    pub is_code: bool,
}

/// A part of a mail; what is empty is not shown.
#[derive(Default)]
pub struct Section {
    pub title: &'static str,
    /// As long as the title.
    pub rule: String,
    pub note: String,
    pub is_error: bool,
    pub models: Vec<Model>,
    pub features: Vec<Feature>,
    pub items: Vec<Item>,
    pub facts: Vec<Fact>,
}

/// A whole letter.
pub struct LetterView {
    pub heading: &'static str,
    pub rule: String,
    pub colour: &'static str,
    pub preview: String,
    pub lead: String,
    /// The lead where the text goes on with the error.
    pub lead_text: String,
    pub sections: Vec<Section>,
}

impl Section {
    fn titled(title: &'static str) -> Self {
        Self { title, rule: "-".repeat(title.chars().count()), ..Self::default() }
    }

    fn note(text: &str, is_error: bool) -> Self {
        Self { note: shown(text), is_error, ..Self::default() }
    }
}

/// A text of others.
fn shown(text: &str) -> String {
    visible::lines(&text.replace("\r\n", "\n")).into_owned()
}

/// The text on one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl LetterView {
    pub fn of(letter: &Letter) -> Self {
        match letter {
            Letter::Completed(job) => Self::of_job("Training completed", job),
            Letter::Failed(job) => Self::of_job("Training failed", job),
            Letter::Activated(activated) => Self::of_activation(activated),
            Letter::Drift(drift) => Self::of_drift(drift),
        }
    }

    fn of_job(heading: &'static str, job: &JobLetter) -> Self {
        let took = took(job.running_seconds);
        let is_failed = job.status == JobStatus::Failed;
        let models = job.models.len();
        let error = job.error_message.as_deref().filter(|error| !error.is_empty()).unwrap_or(NO_REASON);
        let trained = format!("{models} model{} trained in {took}.", if models == 1 { "" } else { "s" });
        let (preview, lead, lead_text) = match is_failed {
            true => {
                (line(&shown(error)), format!("The job failed after {took}."), format!("The job failed after {took}:"))
            }
            false => (trained.clone(), trained.clone(), trained),
        };
        let mut sections = Vec::new();
        if is_failed {
            sections.push(Section::note(error, true));
        }
        sections.extend(job.gate.as_deref().filter(|gate| !gate.is_empty()).map(|gate| Section::note(gate, false)));
        if models > 0 {
            let best = |m: &ModelFigures| Some(&m.model_id) == job.best_model_id.as_ref();
            let shown = job.models.iter().map(|m| model(m, best(m))).collect();
            sections.push(Section { models: shown, ..Section::titled("Models") });
        }
        sections.extend(features("What matters most to the best model", &job.top_features));
        if !job.warnings.is_empty() {
            let mut items: Vec<Item> =
                job.warnings.iter().map(|w| Item { text: shown(w), ..Item::default() }).collect();
            if job.more_warnings > 0 {
                let added = format!("and {} more, in the job's record", job.more_warnings);
                items.push(Item { added, ..Item::default() });
            }
            sections.push(Section { items, ..Section::titled("Warnings") });
        }
        if !job.triggers.is_empty() {
            let items = job.triggers.iter().map(trigger).collect();
            sections.push(Section { items, ..Section::titled("Why it ran") });
        }
        let algorithms: Vec<String> = job.algorithms.iter().map(|a| words(a.as_str())).collect();
        let facts = [
            ("Job", Some(job.job_id.to_string())),
            ("Algorithms", Some(algorithms.join(", "))),
            ("Chosen by", Some(metric_name(job.target_metric.as_str()))),
            ("Asked by", some(job.created_by.as_deref())),
            ("Queued", Some(when(job.created_at))),
            ("Started", job.started_at.map(when)),
            ("Ended", job.completed_at.map(when)),
            ("Tag", some(job.version_tag.as_deref())),
            ("Notes", some(job.notes.as_deref())),
        ];
        sections.push(Section { facts: aligned(facts, 12), ..Section::titled("The job") });
        let colour = if is_failed { "#b3261e" } else { "#1b7f4d" };
        let rule = "=".repeat(heading.chars().count());
        Self { heading, rule, colour, preview, lead, lead_text, sections }
    }

    fn of_activation(letter: &ActivatedLetter) -> Self {
        let heading = "A new model is active";
        let name = format!("{} {}", words(letter.model.algorithm.as_str()), shown(&letter.model.version));
        let lead = format!("{name} serves since {}.", when(letter.activated_at));
        let mut sections = Vec::new();
        let reason = letter.reason.as_deref().filter(|reason| !reason.is_empty());
        sections.extend(reason.map(|reason| Section::note(reason, false)));
        sections.push(Section { models: vec![model(&letter.model, false)], ..Section::titled("The active model") });
        if let Some(previous) = &letter.previous {
            sections.push(Section { models: vec![model(previous, false)], ..Section::titled("The one before") });
        }
        sections.extend(features("What matters most to it", &letter.top_features));
        let before = letter.previous_model_id.as_ref().map(ToString::to_string);
        let facts = [
            ("By", Some(some(letter.activated_by.as_deref()).unwrap_or_else(|| "unknown".to_owned()))),
            ("At", Some(when(letter.activated_at))),
            ("Before", Some(before.unwrap_or_else(|| "none was active".to_owned()))),
            ("Tag", some(letter.version_tag.as_deref())),
            ("Notes", some(letter.notes.as_deref())),
        ];
        let mut facts = aligned(facts, 8);
        for fact in facts.iter_mut().filter(|fact| fact.name == "Before") {
            fact.is_code = letter.previous_model_id.is_some();
        }
        sections.push(Section { facts, ..Section::titled("The switch") });
        Self {
            heading,
            rule: "=".repeat(heading.len()),
            colour: "#0b62a8",
            preview: format!("{name} serves from now on."),
            lead_text: lead.clone(),
            lead,
            sections,
        }
    }

    fn of_drift(letter: &DriftLetter) -> Self {
        let heading = "The data has drifted";
        let (kind, since) = (letter.kind.as_str(), when(letter.since));
        let given = "What the serving model is given is not what it was trained on:";
        let mut items: Vec<Item> =
            letter.changes.iter().map(|change| Item { text: shown(change), ..Item::default() }).collect();
        if letter.more_changes > 0 {
            items.push(Item { text: format!("{} more", letter.more_changes), ..Item::default() });
        }
        let window = format!("{} {kind}, until {}", thousands(letter.rows), when(letter.to));
        let moved = letter.predictions_moved.map(|share| (share.clamp(0.0, 1.0) * 100.0).round());
        let facts = [
            ("Model", Some(letter.model_id.to_string())),
            ("Window", Some(window)),
            ("Moved", moved.map(|share| format!("at least {share} % of the predictions"))),
        ];
        Self {
            heading,
            rule: "=".repeat(heading.len()),
            colour: "#0b62a8",
            preview: format!("The data has changed since {since}."),
            lead: format!("{given} two windows of {kind} in a row have shown it, since {since}."),
            lead_text: format!("{given} two windows\nof {kind} in a row have shown it, since {since}."),
            sections: vec![
                Section { items, ..Section::titled("What has changed") },
                Section { facts: aligned(facts, 8), ..Section::titled("Where") },
            ],
        }
    }
}

fn some(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(shown)
}

/// The facts that there are, with labels of this width.
fn aligned<const N: usize>(facts: [(&'static str, Option<String>); N], width: usize) -> Vec<Fact> {
    let fact = |(name, value): (&'static str, Option<String>)| {
        let value = value?;
        let label = format!("{:<width$}", format!("{name}:"));
        Some(Fact { name, label, line: line(&value), is_code: matches!(name, "Job" | "Model"), value })
    };
    facts.into_iter().filter_map(fact).collect()
}

fn model(m: &ModelFigures, is_best: bool) -> Model {
    Model {
        name: words(m.algorithm.as_str()),
        is_best,
        target: metric_name(m.target_metric.as_str()),
        cv_mean: score(m.cv_mean),
        cv_std: score(m.cv_std),
        figures: vec![
            ("AUC", "AUC", score(m.auc_roc)),
            ("F1", "F1", score(m.f1_score)),
            ("Accuracy", "accuracy", score(m.accuracy)),
            ("Precision", "precision", score(m.precision)),
            ("Recall", "recall", score(m.recall)),
        ],
        model_id: m.model_id.to_string(),
        version: shown(&m.version),
        samples: thousands(m.training_samples),
        took: took(m.training_time_seconds),
    }
}

fn features(title: &'static str, list: &[FeatureImportance]) -> Option<Section> {
    let most = list.first()?.importance_score;
    let share = |score: f64| if most > 0.0 { ((score / most).clamp(0.0, 1.0) * 100.0).round() as u64 } else { 0 };
    let features = list.iter().map(|f| Feature {
        rank: f.rank,
        name: feature_title(&f.feature_name).map_or_else(|| shown(&f.feature_name), str::to_owned),
        score: score(f.importance_score),
        share: share(f.importance_score),
    });
    Some(Section { features: features.collect(), ..Section::titled(title) })
}

fn trigger(t: &TrainingTrigger) -> Item {
    let reason = t.reason.as_deref().filter(|reason| !reason.is_empty()).map(shown);
    let count = t.new_samples_count.map(|count| format!("{} new data points", thousands(count)));
    let by = some(t.triggered_by.as_deref()).map(|by| format!("by {by}, ")).unwrap_or_default();
    Item {
        kind: words(t.trigger_type.as_str()),
        text: reason.or(count).unwrap_or_default(),
        added: format!("{by}{}", when(t.triggered_at)),
    }
}

impl Item {
    /// The entry on one line.
    pub fn line(&self) -> String {
        let text = match (self.kind.is_empty(), self.text.is_empty()) {
            (true, _) => line(&self.text),
            (false, true) => self.kind.clone(),
            (false, false) => format!("{}: {}", self.kind, line(&self.text)),
        };
        match (text.is_empty(), self.added.is_empty()) {
            (true, _) => line(&self.added),
            (false, true) => text,
            (false, false) => format!("{text} ({})", line(&self.added)),
        }
    }
}

/// `random_forest` as people write it.
pub fn words(word: &str) -> String {
    match word {
        "xgboost" => "XGBoost".to_owned(),
        _ => {
            let text = word.replace('_', " ");
            let mut letters = text.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}

pub fn metric_name(word: &str) -> String {
    match word {
        "f1_score" => "F1 score".to_owned(),
        "auc_roc" => "AUC".to_owned(),
        _ => words(word).to_lowercase(),
    }
}

pub fn score(value: f64) -> String {
    format!("{value:.3}")
}

fn took(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn when(at: DateTime<Utc>) -> String {
    at.format("%e %B %Y, %H:%M UTC").to_string().trim_start().to_owned()
}
