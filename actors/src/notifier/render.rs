//! What a letter looks like: subject, text and HTML. The templates are compiled in and use nothing from elsewhere.

use chrono::{DateTime, Utc};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context};
use provost_domain::mail::{JobLetter, Letter};
use provost_domain::visible;
use std::sync::LazyLock;

/// Characters of a subject.
const SUBJECT: usize = 150;

const TEMPLATES: [(&str, &str); 10] = [
    ("base.html", include_str!("templates/base.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("job.html", include_str!("templates/job.html")),
    ("activated.html", include_str!("templates/activated.html")),
    ("parts.txt", include_str!("templates/parts.txt")),
    ("base.txt", include_str!("templates/base.txt")),
    ("job.txt", include_str!("templates/job.txt")),
    ("activated.txt", include_str!("templates/activated.txt")),
    ("drift.html", include_str!("templates/drift.html")),
    ("drift.txt", include_str!("templates/drift.txt")),
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, String>> =
    LazyLock::new(|| environment().map_err(|e| e.to_string()));

pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

pub fn render(letter: &Letter) -> Result<Rendered, Error> {
    let environment = ENVIRONMENT.as_ref().map_err(|e| Error::new(ErrorKind::SyntaxError, e.clone()))?;
    let (template, heading, subject) = match letter {
        Letter::Completed(job) => ("job", "Training completed", completed_subject(job)),
        Letter::Failed(job) => ("job", "Training failed", failed_subject(job)),
        Letter::Activated(a) => {
            let model = format!("{} {}", words(a.model.algorithm.as_str()), a.model.version);
            ("activated", "A new model is active", format!("Active now: {model}"))
        }
        Letter::Drift(drift) => {
            let first = drift.changes.first().map_or("the data has changed", String::as_str);
            ("drift", "The data has drifted", format!("Drift: {first}"))
        }
    };
    let subject = one_line(&subject);
    // No text of others is obeyed or hidden by what shows the mail, whichever place of a template it comes to.
    let mut letter = serde_json::to_value(letter)
        .map_err(|e| Error::new(ErrorKind::BadSerialization, "the letter is no JSON").with_source(e))?;
    escape(&mut letter);
    let context = context! { letter => Value::from(Serde(&letter)), heading, subject => &subject };
    Ok(Rendered {
        text: environment.get_template(&format!("{template}.txt"))?.render(&context)?,
        html: environment.get_template(&format!("{template}.html"))?.render(&context)?,
        subject,
    })
}

fn completed_subject(job: &JobLetter) -> String {
    let best = job.models.first().filter(|m| Some(&m.model_id) == job.best_model_id.as_ref());
    best.map_or_else(
        || "Training completed".to_owned(),
        |m| {
            let (name, metric) = (words(m.algorithm.as_str()), metric_name(job.target_metric.as_str()));
            format!("Training completed: {name} is best, {metric} {}", score(m.cv_mean))
        },
    )
}

fn failed_subject(job: &JobLetter) -> String {
    let why = job.error_message.as_deref().and_then(|e| e.lines().next()).unwrap_or_default();
    if why.is_empty() { "Training failed".to_owned() } else { format!("Training failed: {why}") }
}

/// Escapes every text in it.
fn escape(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = visible::lines(&text.replace("\r\n", "\n")).into_owned(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(escape),
        serde_json::Value::Object(members) => members.values_mut().for_each(escape),
        _ => {}
    }
}

/// Subjects contain texts of clients: line breaks in them must not make headers.
fn one_line(subject: &str) -> String {
    let words: Vec<&str> = subject.split_ascii_whitespace().collect();
    let line = visible::line(&words.join(" ")).into_owned();
    match line.char_indices().nth(SUBJECT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    let html = |name: &str| if name.ends_with(".txt") { AutoEscape::None } else { AutoEscape::Html };
    environment.set_auto_escape_callback(html);
    environment.add_filter("words", |word: &str| words(word));
    environment.add_filter("metric", |word: &str| metric_name(word));
    environment.add_filter("score", score);
    environment.add_filter("percent", |share: f64| (share.clamp(0.0, 1.0) * 100.0).round());
    environment.add_filter("took", took);
    environment.add_filter("thousands", thousands);
    environment.add_filter("when", when);
    environment.add_filter("line", |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" "));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// `random_forest` as people write it.
fn words(word: &str) -> String {
    match word {
        "xgboost" => "XGBoost".to_owned(),
        _ => {
            let text = word.replace('_', " ");
            let mut letters = text.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}

fn metric_name(word: &str) -> String {
    match word {
        "f1_score" => "F1 score".to_owned(),
        "auc_roc" => "AUC".to_owned(),
        _ => words(word).to_lowercase(),
    }
}

fn score(value: f64) -> String {
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

/// A time of the letter, which serialises as RFC 3339.
fn when(text: &str) -> Result<String, Error> {
    let at: DateTime<Utc> =
        text.parse().map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("`{text}` is no time: {e}")))?;
    Ok(at.format("%e %B %Y, %H:%M UTC").to_string().trim_start().to_owned())
}
