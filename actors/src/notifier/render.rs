//! Renders a mail: subject, text and HTML. The templates are compiled in and load nothing.

use super::letter_view::{LetterView, metric_name, score, words};
use askama::Template;
use provost_domain::mail::{JobLetter, Letter};
use provost_domain::visible;

/// The most characters of a subject.
const SUBJECT: usize = 150;

pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    subject: &'a str,
    mail: &'a LetterView,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a> {
    mail: &'a LetterView,
}

pub fn render(letter: &Letter) -> Result<Rendered, askama::Error> {
    let subject = match letter {
        Letter::Completed(job) => completed_subject(job),
        Letter::Failed(job) => failed_subject(job),
        Letter::Drift(drift) => {
            let first = drift.changes.first().map_or("the data has changed", String::as_str);
            format!("Drift: {first}")
        }
        Letter::Activated(a) => format!("Active now: {} {}", words(a.model.algorithm.as_str()), a.model.version),
    };
    let subject = one_line(&subject);
    let mail = LetterView::of(letter);
    let (text, html) = (Text { mail: &mail }.render()?, Html { subject: &subject, mail: &mail }.render()?);
    Ok(Rendered { subject, text, html })
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

/// Subjects contain texts of clients: their line breaks must not create headers.
fn one_line(subject: &str) -> String {
    let words: Vec<&str> = subject.split_ascii_whitespace().collect();
    let line = visible::line(&words.join(" ")).into_owned();
    match line.char_indices().nth(SUBJECT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
