//! A job's claim on a trigger or an idempotency key, until the job exists or is given up.

use super::documents::{self, text};
use mongodb::bson::{Document, doc};

/// The job that a trigger or a key is reserved for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub job: String,
    /// The name of a join; a creation has none.
    pub joining: Option<String>,
}

impl Claim {
    pub fn of(job: &str) -> Self {
        Self { job: job.to_owned(), joining: None }
    }

    pub fn on(document: &Document) -> Option<Self> {
        let job = text(document, "provost.claim.job")?.to_owned();
        Some(Self { job, joining: text(document, "provost.claim.joining").map(str::to_owned) })
    }

    pub fn put_on(&self, document: &mut Document) {
        documents::set_meta(document, "claim", doc! {"job": self.job.as_str(), "joining": self.joining.as_deref()});
    }
}

/// What came of an attempt to claim something.
pub enum Claimed {
    /// It is reserved for the job.
    Mine,
    /// It has led to something else.
    Refused,
    /// Another job has claimed it, and must come to its end first.
    Held(Claim),
}
