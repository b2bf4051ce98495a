//! Records a request in the audit log: once before the request has any effect, and again with its outcome.
//!
//! A request that cannot be recorded is not carried out (503), so nothing is done that the log does not have. Storing
//! the outcome can fail if the store goes away in between. The first entry then stands alone, which means that the
//! request may have been carried out; the error is in the process's log.

use super::Caller;
use crate::http::problem::Problem;
use actix_web::HttpResponse;
use actix_web::http::header;
use provost_actors::clock::Clock;
use provost_domain::audit::{Act, Deed};
use provost_store::Store;
use std::sync::Arc;

/// Longest path that is recorded whole, in characters.
const LONGEST: usize = 500;

/// Ids that a handler adds to the audit entry.
#[derive(Default)]
struct Noted(Vec<(&'static str, String)>);

/// Adds an id to the answer's audit entry.
pub fn note(response: &mut HttpResponse, name: &'static str, value: &str) {
    let mut extensions = response.extensions_mut();
    let mut noted = extensions.remove::<Noted>().unwrap_or_default();
    noted.0.push((name, value.to_owned()));
    extensions.insert(noted);
}

/// A request that was admitted. If it is dropped without an answer (the client went away), the log records it as broken
/// off.
pub struct Recorded {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    who: String,
    subject: String,
    number: u64,
    open: bool,
}

impl Recorded {
    pub async fn begin(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        caller: &Caller,
        method: &str,
        path: &str,
    ) -> Result<Self, Problem> {
        let (who, subject) = (caller.who(), format!("{method} {}", path.chars().take(LONGEST).collect::<String>()));
        let deed = Deed::new(clock.now(), &who, Act::HttpRequest, &subject).with("address", caller.address.to_string());
        let entries = store.append_audit(vec![deed]).await.map_err(|error| {
            const REFUSED: &str = "refused: the request cannot be recorded in the audit log";
            // Every request fails here while the store is unavailable; the store's health reports that.
            if error.may_pass() {
                tracing::warn!(%error, who, subject, "{REFUSED}");
            } else {
                tracing::error!(%error, who, subject, "{REFUSED}");
            }
            let mut problem = Problem::from(error);
            problem.detail = format!(
                "the request was not carried out, because it cannot be recorded in the audit log: {}",
                problem.detail
            );
            problem
        })?;
        let number = entries.last().map_or(0, |entry| entry.number);
        if let Some(entry) = entries.last() {
            // A copy of the chain's head outside of the store: if logs are collected on another machine, nobody on this
            // one can change the copy.
            tracing::info!(target: "audit", number, hash = entry.hash, who, subject, "a request that the audit log keeps");
        }
        Ok(Self { store, clock, who, subject, number, open: true })
    }

    pub async fn end(mut self, response: &HttpResponse) {
        self.open = false;
        let mut deed = self.deed(response.status().as_str());
        if let Some(Noted(noted)) = response.extensions().get::<Noted>() {
            for (name, value) in noted {
                deed = deed.with(name, value);
            }
        }
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
        for (name, value) in [
            ("location", header(header::LOCATION)),
            ("replay", header(header::HeaderName::from_static("idempotent-replay"))),
        ] {
            if let Some(value) = value {
                deed = deed.with(name, value);
            }
        }
        append(&self.store, deed, self.number).await;
    }

    fn deed(&self, outcome: &str) -> Deed {
        Deed::new(self.clock.now(), &self.who, Act::HttpAnswer, &self.subject)
            .with_outcome(outcome)
            .with("request", self.number.to_string())
    }
}

async fn append(store: &Arc<dyn Store>, deed: Deed, request: u64) {
    let (who, subject, outcome) = (deed.who.clone(), deed.subject.clone(), deed.outcome.clone());
    if let Err(error) = store.append_audit(vec![deed]).await {
        tracing::error!(%error, request, who, subject, outcome, "what came of a request is missing in the audit log");
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (store, deed, number) = (self.store.clone(), self.deed("broken off"), self.number);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move { append(&store, deed, number).await });
            }
            Err(_) => tracing::error!(request = number, "what came of a request is missing in the audit log"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::pass::Pass;
    use super::*;
    use chrono::DateTime;
    use provost_actors::clock::TestClock;
    use provost_store::SqliteStore;
    use std::net::{IpAddr, Ipv4Addr};

    async fn begun(store: &Arc<dyn Store>) -> Result<Recorded, Problem> {
        let caller = Caller { holder: None, pass: Pass::Unlocked, address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let clock = Arc::new(TestClock::new(DateTime::UNIX_EPOCH));
        Recorded::begin(store.clone(), clock, &caller, "POST", "/train").await
    }

    #[actix_web::test]
    async fn a_request_is_recorded_before_and_after_also_if_it_breaks_off() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), DateTime::UNIX_EPOCH).unwrap());
        let recorded = begun(&store).await.unwrap();
        assert_eq!(store.audit_head().await.unwrap().number, 1, "before it has any effect");
        let mut response = HttpResponse::Accepted().finish();
        note(&mut response, "task", "task_1");
        recorded.end(&response).await;

        drop(begun(&store).await.unwrap());
        // The entry is written behind; the store's own thread does it.
        while store.audit_head().await.unwrap().number < 4 {
            tokio::task::yield_now().await;
        }
        let log = store.audit_after(0, 9).await.unwrap();
        let told: Vec<_> = log.iter().map(|e| (e.deed.act, e.deed.outcome.as_deref())).collect();
        let (asked, answered) = (Act::HttpRequest, Act::HttpAnswer);
        assert_eq!(told, [(asked, None), (answered, Some("202")), (asked, None), (answered, Some("broken off"))]);
        assert_eq!((&log[1].deed.details["task"][..], &log[1].deed.details["request"][..]), ("task_1", "1"));
        assert_eq!(log[3].deed.details["request"], "3");
    }
}
