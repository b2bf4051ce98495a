//! `/watch`: whether the serving model still sees data like its training data, and how good its predictions are.

mod drift;
mod performance;

use super::chart::Figure;
use super::shell::{Section, Shell};
use super::text::{Mark, Moment, counted, short};
use super::{PageError, State, html};
use crate::http::problem::{only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use drift::AlarmRow;
use provost_domain::ModelId;
use provost_domain::watch::WindowKind;
use provost_domain::watch_alarm::DriftAlarm;
use provost_domain::watch_record::WatchedWindow;
use provost_store::{StoreError, WindowFilter};

pub use drift::since;

/// Newest windows of each kind that are shown.
const WINDOWS: u32 = 50;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/watch").route(readable().to(page)).default_service(only("GET, HEAD")));
}

/// What is known of the windows of one kind.
struct KindView {
    heading: &'static str,
    id: &'static str,
    /// A sentence on how many there are.
    summary: String,
    figure: Option<Figure>,
    /// The features of the chart, in the order of its series.
    names: Vec<(String, String)>,
    alarms: Vec<AlarmRow>,
    /// The address of the newest window's record.
    record: Option<String>,
}

#[derive(Template)]
#[template(path = "watch/page.html")]
struct Page {
    shell: Shell,
    verdict: Mark,
    verdict_text: String,
    since: Option<Moment>,
    /// Id, short id.
    model: Option<(String, String)>,
    /// Why there is nothing to see yet.
    hint: Option<&'static str>,
    kinds: Vec<KindView>,
    performance: Vec<Figure>,
    performance_summary: String,
}

/// The newest windows of a kind, the newest first.
async fn windows(state: &State, model: &ModelId, kind: WindowKind) -> Result<Vec<WatchedWindow>, StoreError> {
    let filter = WindowFilter { model_id: Some(model.clone()), kind: Some(kind) };
    Ok(state.handle.store().watched_windows(filter, None, WINDOWS).await?.items)
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let options = state.handle.options();
    let now = options.clock.now();
    let model = state.handle.store().active_model().await?;
    let (mut predictions, mut points) = (Vec::new(), Vec::new());
    if let Some(model) = &model {
        predictions = windows(&state, model, WindowKind::Predictions).await?;
        points = windows(&state, model, WindowKind::Points).await?;
    }
    let standing: Vec<DriftAlarm> =
        [&predictions, &points].into_iter().filter_map(|windows| DriftAlarm::standing(windows)).collect();
    let since = standing.iter().map(|alarm| alarm.since).min();
    let any = predictions.len() + points.len();
    let (verdict, verdict_text) = if let Some(alarm) = standing.first() {
        (Mark::NEEDS, format!("The data has drifted: {}.", alarm.summary()))
    } else if any > 0 {
        let seen = counted(any as u64, "window");
        (Mark::DONE, format!("No drift: the serving model sees what it was trained on, by {seen}."))
    } else {
        (Mark::TO_DO, "Nothing has been compared yet.".to_owned())
    };
    let hint = match (&model, any) {
        _ if !options.watch.enabled => Some("Watching is switched off (watch.enabled)."),
        (None, _) => Some("No model serves, so there is nothing to watch."),
        (Some(_), 0) => Some(
            "A window closes once enough predictions were made or points recorded (watch.window), or after a while (watch.close_after).",
        ),
        _ => None,
    };
    html(&Page {
        shell: Shell::of(&request, Section::Watch, format!("{} Watch", verdict.shape)),
        verdict,
        verdict_text,
        since: since.map(|since| Moment::new(since, now)),
        model: model.as_ref().map(|id| (id.to_string(), short(id.as_str()))),
        hint,
        performance_summary: performance::summary(&predictions),
        performance: performance::figures(&predictions),
        kinds: vec![
            drift::view(WindowKind::Predictions, &predictions, now),
            drift::view(WindowKind::Points, &points, now),
        ],
    })
}
