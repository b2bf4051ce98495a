//! Finds the jobs that the address asks for. The store's indexes give the state and the order. For any other condition,
//! jobs are read in this order and checked, up to a limit, and the page says how many were.

use super::super::PageError;
use super::super::text::{algorithm, reason};
use crate::http::page::{Query, cursor_fault, encode};
use provost_domain::job::JobStatus;
use provost_domain::schedule::TriggerType;
use provost_domain::{Algorithm, TrainingJob, limits};
use provost_store::{JobRank, Store};
use std::sync::Arc;

/// About how many jobs a page has.
const PAGE: usize = 40;
/// How many jobs are read at a time, and how many are checked for one page.
const STEP: u32 = 50;
const LOOKED_THROUGH: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    Newest,
    Longest,
    Best,
}

impl Sort {
    const ALL: [Sort; 3] = [Sort::Newest, Sort::Longest, Sort::Best];

    pub fn word(self) -> &'static str {
        match self {
            Sort::Newest => "newest",
            Sort::Longest => "longest",
            Sort::Best => "best",
        }
    }

    /// The rank by which the store sorts; None for the newest first.
    fn rank(self) -> Option<JobRank> {
        match self {
            Sort::Newest => None,
            Sort::Longest => Some(JobRank::Duration),
            Sort::Best => Some(JobRank::Score),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Sort::Newest => "newest first",
            Sort::Longest => "longest first",
            Sort::Best => "best score first",
        }
    }
}

/// An option of a field.
pub struct Choice {
    pub value: &'static str,
    pub name: &'static str,
    pub is_chosen: bool,
}

/// What the address asks for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub status: Option<JobStatus>,
    algorithm: Option<Algorithm>,
    reason: Option<TriggerType>,
    /// Text to search for in ids, errors, tags, notes and names of submitters.
    pub text: String,
    pub sort: Sort,
}

/// The jobs of a page.
pub struct Found {
    pub jobs: Vec<TrainingJob>,
    pub next: Option<String>,
    pub note: String,
}

impl Asked {
    pub fn read(query: &mut Query) -> Self {
        fn word<T>(text: &str, parse: impl Fn(&str) -> Option<T>, allowed: &str) -> Result<Option<T>, String> {
            match text {
                "" => Ok(None),
                text => parse(text).map(Some).ok_or_else(|| allowed.to_owned()),
            }
        }
        let named = |text: &str| Sort::ALL.into_iter().find(|sort| sort.word() == text);
        Self {
            status: query.read("status", None, |text| word(text, JobStatus::parse, "a job's state is allowed")),
            algorithm: query.read("algorithm", None, |text| word(text, Algorithm::parse, "an algorithm is allowed")),
            reason: query.read("reason", None, |text| word(text, TriggerType::parse, "a kind of trigger is allowed")),
            text: query.read("text", String::new(), |text| match limits::fits(text, limits::ID) {
                true => Ok(text.trim().to_owned()),
                false => Err(format!("up to {} characters are allowed", limits::ID)),
            }),
            sort: query
                .read("sort", None, |text| word(text, named, "newest, longest or best is allowed"))
                .unwrap_or_default(),
        }
    }

    /// The same query for jobs in this state.
    pub fn of_status(&self, status: Option<JobStatus>) -> Self {
        Self { status, ..self.clone() }
    }

    pub fn is_filtered(&self) -> bool {
        self.status.is_some() || self.looks_through()
    }

    /// Whether jobs must be read to decide which ones match.
    fn looks_through(&self) -> bool {
        self.algorithm.is_some() || self.reason.is_some() || !self.text.is_empty()
    }

    fn fits(&self, job: &TrainingJob) -> bool {
        let kind = job.triggers.first().map_or(TriggerType::Manual, |trigger| trigger.trigger_type);
        let text = self.text.to_lowercase();
        let has = |part: Option<&str>| part.is_some_and(|part| part.to_lowercase().contains(&text));
        let texts = [
            Some(job.job_id.as_str()),
            job.error_message.as_deref(),
            job.created_by.as_deref(),
            job.config.version_tag.as_deref(),
            job.config.notes.as_deref(),
        ];
        self.algorithm.is_none_or(|wanted| job.config.algorithms.contains(&wanted))
            && self.reason.is_none_or(|wanted| kind == wanted)
            && (text.is_empty() || texts.into_iter().any(has))
    }

    /// The jobs that match, from a cursor on.
    pub async fn find(&self, store: &Arc<dyn Store>, cursor: Option<&str>) -> Result<Found, PageError> {
        let (mut jobs, mut looked) = (Vec::new(), 0);
        let mut next = cursor.map(str::to_owned);
        loop {
            let from = next.as_deref();
            let page = match self.sort.rank() {
                None => store.list_jobs(self.status, from, STEP).await,
                Some(rank) => store.ranked_jobs(rank, self.status, from, STEP).await,
            };
            let page = page.map_err(cursor_fault)?;
            looked += page.items.len();
            jobs.extend(page.items.into_iter().filter(|job| self.fits(job)));
            next = page.next;
            if next.is_none() || jobs.len() >= PAGE || looked >= LOOKED_THROUGH {
                break;
            }
        }
        let note = match &next {
            Some(_) if jobs.len() < PAGE => format!("{looked} jobs were looked through."),
            _ => String::new(),
        };
        Ok(Found { jobs, next, note })
    }

    /// The address of the page for this query, from a cursor on.
    pub fn path(&self, cursor: Option<&str>) -> String {
        let sort = (self.sort != Sort::default()).then(|| self.sort.word().to_owned());
        let pairs = [
            ("status", self.status.map(|status| status.to_string())),
            ("algorithm", self.algorithm.map(|algorithm| algorithm.to_string())),
            ("reason", self.reason.map(|reason| reason.to_string())),
            ("text", Some(self.text.clone()).filter(|text| !text.is_empty())),
            ("sort", sort),
            ("cursor", cursor.map(str::to_owned)),
        ];
        let given = pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encode(&value?))));
        let query: Vec<String> = given.collect();
        if query.is_empty() { "/jobs".to_owned() } else { format!("/jobs?{}", query.join("&")) }
    }

    pub fn algorithms(&self) -> Vec<Choice> {
        let any = Choice { value: "", name: "any", is_chosen: self.algorithm.is_none() };
        let each = Algorithm::ALL.into_iter().map(|one| Choice {
            value: one.as_str(),
            name: algorithm(one),
            is_chosen: self.algorithm == Some(one),
        });
        std::iter::once(any).chain(each).collect()
    }

    pub fn reasons(&self) -> Vec<Choice> {
        let any = Choice { value: "", name: "any", is_chosen: self.reason.is_none() };
        let each = TriggerType::ALL.iter().map(|one| Choice {
            value: one.as_str(),
            name: reason(*one),
            is_chosen: self.reason == Some(*one),
        });
        std::iter::once(any).chain(each).collect()
    }

    pub fn sorts(&self) -> Vec<Choice> {
        Sort::ALL.map(|one| Choice { value: one.word(), name: one.name(), is_chosen: self.sort == one }).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn an_address_says_what_is_shown_and_is_written_back() {
        let read = |uri: &str| {
            let mut query = Query::of(&TestRequest::with_uri(uri).to_http_request());
            let asked = Asked::read(&mut query);
            query.check().map(|()| asked)
        };
        for uri in [
            "/jobs",
            "/jobs?status=failed",
            "/jobs?status=completed&algorithm=xgboost&reason=scheduled&text=night%20run&sort=longest",
        ] {
            assert!(read(uri).is_ok_and(|asked| asked.path(None) == uri), "{uri}");
        }
        assert!(read("/jobs?status=&algorithm=&text=+").is_ok_and(|asked| asked.path(None) == "/jobs"));
        for uri in ["/jobs?status=lost", "/jobs?algorithm=oracle", "/jobs?reason=whim", "/jobs?sort=worst"] {
            assert!(read(uri).is_err(), "{uri}");
        }
    }
}
