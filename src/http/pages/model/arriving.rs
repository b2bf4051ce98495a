//! The parts of a model's page that take time: the comparison with the serving model and the fairness audit. They
//! arrive as live regions, and the stream ends once both are there.

use super::super::live::{self, FeedKey, Regions, Source};
use super::super::text::{algorithm, short};
use super::super::{PageError, State, render};
use super::fairness::Fairness;
use super::verdict::{Verdict, verdict};
use crate::http::models::record;
use crate::http::{auth, event_stream};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_actors::Lane;
use provost_domain::key::Role;
use provost_domain::model::ModelRecord;
use provost_domain::{ModelId, ModelVersion};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinHandle;

#[derive(Template)]
#[template(path = "model/verdict.html")]
struct VerdictRegion<'a> {
    verdict: &'a Verdict,
}

#[derive(Template)]
#[template(path = "model/fairness.html")]
struct FairnessRegion<'a> {
    id: &'a ModelId,
    fairness: &'a Fairness,
}

pub fn regions(
    id: &ModelId,
    verdict: &Verdict,
    fairness: &Fairness,
) -> Result<BTreeMap<&'static str, String>, PageError> {
    Ok(BTreeMap::from([
        ("model-verdict", render(&VerdictRegion { verdict })?),
        ("model-fairness", render(&FairnessRegion { id, fairness })?),
    ]))
}

pub fn title(verdict: &Verdict, version: &ModelVersion) -> String {
    format!("{} {} {}", verdict.mark.shape, algorithm(version.algorithm), short(version.model_id.as_str()))
}

/// How long a page waits for the comparison and the audit before it is sent without them.
pub const PATIENCE: Duration = Duration::from_millis(150);
/// How long a stream waits for each of them.
const LONGEST: Duration = Duration::from_secs(600);

/// A value that is computed for a stream; the computation ends with the stream.
enum Part<T> {
    Awaited(JoinHandle<T>),
    Known(T),
}

impl<T: 'static> Part<T> {
    fn new(computed: impl Future<Output = T> + 'static) -> Self {
        // A spawned task has the operators' lane unless it is told otherwise: whoever may only read takes the readers' places.
        Self::Awaited(actix_web::rt::spawn(Lane::current().scope(computed)))
    }

    fn known(&self) -> Option<&T> {
        match self {
            Part::Awaited(_) => None,
            Part::Known(value) => Some(value),
        }
    }

    /// Waits until the value is known; never resolves for a value that is known already. If the computation panics, the
    /// value is `otherwise`.
    async fn settle(&mut self, otherwise: fn() -> T) {
        match self {
            Part::Awaited(task) => *self = Part::Known(task.await.unwrap_or_else(|_| otherwise())),
            Part::Known(_) => std::future::pending().await,
        }
    }
}

impl<T> Drop for Part<T> {
    fn drop(&mut self) {
        if let Part::Awaited(task) = self {
            task.abort();
        }
    }
}

struct Arriving {
    record: ModelRecord,
    verdict: Part<Verdict>,
    fairness: Part<Fairness>,
}

impl Source for Arriving {
    async fn read(&mut self) -> Result<Regions, PageError> {
        let (known_verdict, known_fairness) = (self.verdict.known(), self.fairness.known());
        let (no_verdict, no_fairness) = (Verdict::awaited(), Fairness::awaited());
        let (verdict, fairness) = (known_verdict.unwrap_or(&no_verdict), known_fairness.unwrap_or(&no_fairness));
        Ok(Regions {
            title: title(verdict, &self.record.version),
            regions: regions(&self.record.version.model_id, verdict, fairness)?,
            is_final: known_verdict.is_some() && known_fairness.is_some(),
        })
    }

    async fn changed(&mut self) {
        tokio::select! {
            () = self.verdict.settle(Verdict::failed) => {}
            () = self.fairness.settle(Fairness::failed) => {}
        }
    }
}

pub async fn stream(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    let slot = event_stream::slot(&state, &request)?;
    let record = record(&state, &path).await?;
    let verdict = {
        let (state, record) = (state.clone(), record.clone());
        Part::new(async move {
            let found = verdict(&state, &record, LONGEST).await;
            // What is still awaited after the longest wait has failed for this stream, which ends now.
            found.ok().map(|(verdict, _)| verdict).filter(|it| !it.is_awaited).unwrap_or_else(Verdict::failed)
        })
    };
    let fairness = {
        let (state, version) = (state.clone(), record.version.clone());
        Part::new(async move {
            let found = Fairness::of(&state, &version, LONGEST).await;
            if found.is_awaited { Fairness::failed() } else { found }
        })
    };
    let mut arriving = Arriving { record, verdict, fairness };
    let both = async {
        while arriving.verdict.known().is_none() || arriving.fairness.known().is_none() {
            arriving.changed().await;
        }
    };
    // Results that arrive soon are sent in one event.
    let _ = tokio::time::timeout(PATIENCE, both).await;
    let page = format!("/models/{}", arriving.record.version.model_id);
    let key = FeedKey { page, may_operate: auth::may(&request, Role::Operator) };
    Ok(live::stream(&state, &request, slot, key, arriving))
}
