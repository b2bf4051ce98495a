//! `/models/{id}`: how good a model is, on which rows, and when it served.

mod arriving;
mod decisions;
mod fairness;
pub mod figures;
mod verdict;

use super::chart::Figure;
use super::facts::plain;
use super::shell::{Section, Shell};
use super::text::{Moment, Score, activated_by, algorithm, count, percent, said, short, shown, span, three};
use super::{PageError, State, html};
use crate::export::Format;
use crate::http::BASE;
use crate::http::models::record;
use crate::http::page::Query;
use crate::http::problem::{only, readable};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use arriving::{PATIENCE, regions, stream, title};
use askama::Template;
use decisions::Decisions;
use fairness::Fairness;
use provost_domain::model::{Activation, SetCoverage};
use provost_domain::{Algorithm, ModelId, ModelVersion, TrainingMetrics};
use std::collections::BTreeMap;
use verdict::verdict;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/models/{model_id}").route(readable().to(page)).default_service(only("GET, HEAD")))
        .service(web::resource("/models/{model_id}/live").route(web::get().to(stream)).default_service(only("GET")));
}

/// A metric beside the value that always predicting the more frequent outcome would reach.
struct MetricRow {
    name: &'static str,
    score: Score,
    baseline: String,
}

/// A period in which the model served, who activated it, and why.
struct Service {
    from: Moment,
    until: Option<Moment>,
    by: String,
    why: String,
}

#[derive(Template)]
#[template(path = "model/page.html")]
struct Page {
    shell: Shell,
    id: String,
    name: &'static str,
    short: String,
    version: String,
    tag: String,
    is_serving: bool,
    has_artifact: bool,
    /// The address of the stream for the parts that are not known yet.
    live: Option<String>,
    regions: BTreeMap<&'static str, String>,
    compare: Option<String>,
    /// A sentence on the model's drift, and whether there is an alarm.
    drift: Option<(String, bool)>,
    metrics: Vec<MetricRow>,
    rows: String,
    decisions: Option<Decisions>,
    histogram: Option<Figure>,
    figures: Vec<Figure>,
    bands: Vec<[String; 5]>,
    services: Vec<Service>,
    may_roll_back: bool,
    facts: Vec<(&'static str, String)>,
    parameters: Vec<(String, String)>,
    job: (String, String),
    parent: Option<(String, String)>,
    trained: Moment,
    notes: String,
    /// Formats of files that the model can be downloaded as, with their names.
    exports: Vec<(&'static str, &'static str)>,
    api: String,
}

fn metrics(metrics: &TrainingMetrics) -> (Vec<MetricRow>, u64) {
    let [[tn, fp], [fn_, tp]] = metrics.confusion_matrix;
    let (n, positives) = (tn + fp + fn_ + tp, fn_ + tp);
    let share = if n > 0 { positives as f64 / n as f64 } else { f64::NAN };
    // The baseline predicts the more frequent outcome for everybody. If that is rejection, the baseline finds no
    // acceptance.
    let says_yes = share > 0.5;
    let yes = |value: f64| if says_yes { value } else { 0.0 };
    let ends = |name: &str| metrics.intervals_95.get(name).copied();
    let score = |name: &str, value: f64| Score::share(value, ends(name));
    let rows = vec![
        MetricRow { name: "AUC", score: Score::new(metrics.auc_roc, ends("auc_roc")), baseline: "0.500".to_owned() },
        MetricRow {
            name: "Accuracy",
            score: score("accuracy", metrics.accuracy),
            baseline: percent(share.max(1.0 - share)),
        },
        MetricRow { name: "Precision", score: score("precision", metrics.precision), baseline: percent(yes(share)) },
        MetricRow { name: "Recall", score: score("recall", metrics.recall), baseline: percent(yes(1.0)) },
        MetricRow {
            name: "F1",
            score: Score::new(metrics.f1_score, ends("f1_score")),
            baseline: three(yes(2.0 * share / (1.0 + share))),
        },
    ];
    (rows, n)
}

/// How often a set of plausible outcomes contains the real outcome.
fn held(coverage: Option<SetCoverage>) -> String {
    let Some(SetCoverage { asked, accepted, rejected }) = coverage else { return "not measured".to_owned() };
    let share = |share: Option<f64>| share.map_or_else(|| "—".to_owned(), percent);
    format!("{} of acceptances, {} of rejections; {} was asked for", share(accepted), share(rejected), percent(asked))
}

/// The files of a model that operators can download.
fn exports(version: &ModelVersion, may_operate: bool) -> Vec<(&'static str, &'static str)> {
    if !may_operate || !version.has_artifact() {
        return Vec::new();
    }
    let name = |format: Format| match format {
        Format::Onnx => Some("ONNX"),
        Format::XgboostJson => (version.algorithm == Algorithm::Xgboost).then_some("XGBoost JSON"),
        Format::Artifact => Some("artifact"),
    };
    Format::ALL.into_iter().filter_map(|format| Some((format.as_str(), name(format)?))).collect()
}

/// The periods in which this model served, from the newest activations.
fn services(activations: &[Activation], id: &ModelId, now: chrono::DateTime<chrono::Utc>) -> Vec<Service> {
    activations
        .iter()
        .enumerate()
        .filter(|(_, activation)| activation.model_id == *id)
        .map(|(at, activation)| Service {
            from: Moment::new(activation.activated_at, now),
            until: at
                .checked_sub(1)
                .and_then(|next| activations.get(next))
                .map(|next| Moment::new(next.activated_at, now)),
            by: activated_by(activation.activated_by.as_deref()),
            why: activation.reason.as_deref().map(said).unwrap_or_default(),
        })
        .collect()
}

async fn page(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let step = query.read("threshold", None, |text| match text.parse::<u32>() {
        Ok(step) if step <= 100 => Ok(Some(step)),
        _ => Err("a whole number of per cent from 0 to 100 is allowed".to_owned()),
    });
    query.check()?;
    let record = record(&state, &path).await?;
    let (version, store) = (&record.version, state.handle.store());
    let now = state.handle.options().clock.now();
    let id = version.model_id.clone();
    let (verdict, active) = verdict(&state, &record, PATIENCE).await?;
    let fairness = Fairness::of(&state, version, PATIENCE).await;
    let results = store.evaluation(&id).await?.and_then(|evaluation| evaluation.results);
    let activations = store.activations(None, 200).await?.items;
    let (metrics, rows) = metrics(&version.metrics);
    let shell = Shell::of(&request, Section::Models, title(&verdict, version));
    let own_step = (record.threshold * 100.0).round().clamp(0.0, 100.0) as usize;
    let counts = results.as_ref().and_then(|results| results.threshold_counts.as_ref());
    // The model's own threshold may lie between two steps. For it, the confusion matrix of the evaluation is shown.
    let own = results.as_ref().map(|results| results.metrics.confusion_matrix).filter(|_| step.is_none());
    let decisions = counts
        .and_then(|counts| Decisions::of(counts, step.map_or(own_step, |step| step as usize), record.threshold, own));
    let histogram = counts
        .and_then(|counts| figures::histogram(counts, step.map_or(record.threshold, |step| f64::from(step) / 100.0)));
    let may_roll_back = version.is_active && activations.first().is_some_and(|a| a.previous_model_id.is_some());
    html(&Page {
        id: id.to_string(),
        name: algorithm(version.algorithm),
        short: short(id.as_str()),
        version: version.version.clone(),
        tag: version.version_tag.as_deref().map(shown).unwrap_or_default(),
        is_serving: version.is_active,
        has_artifact: version.has_artifact(),
        live: (verdict.is_awaited || fairness.is_awaited).then(|| format!("/models/{id}/live")),
        regions: regions(&id, &verdict, &fairness)?,
        drift: super::watch::since(&state, &id).await?,
        compare: active.map(|active| format!("/compare?ids={active}&ids={id}")),
        metrics,
        rows: count(rows),
        decisions,
        histogram,
        figures: results.as_ref().map(|results| figures::figures(results, &record)).unwrap_or_default(),
        bands: results.as_ref().map(figures::bands).unwrap_or_default(),
        services: services(&activations, &id, now),
        may_roll_back: may_roll_back && shell.may_operate,
        facts: vec![
            ("Training rows", count(version.training_samples)),
            ("Training time", span(version.metrics.training_time_seconds)),
            ("Iterations", count(version.metrics.iterations_completed)),
            ("Threshold", percent(record.threshold)),
            (
                "Cross-validated",
                format!(
                    "{} ± {} {}",
                    super::text::three(version.metrics.cv_mean),
                    super::text::three(version.metrics.cv_std),
                    super::text::metric(version.training_config.target_metric)
                ),
            ),
            ("Plausible outcomes hold", held(version.metrics.set_coverage)),
            ("By", version.created_by.as_deref().map(shown).unwrap_or_default()),
        ],
        parameters: version.hyperparameters.iter().map(|(name, value)| (shown(name), plain(value))).collect(),
        job: (format!("/jobs/{}", record.job_id), short(record.job_id.as_str())),
        parent: version
            .parent_model_id
            .as_ref()
            .map(|id| (format!("/models/{id}"), super::needs::name_of(id.as_str()))),
        trained: Moment::new(version.training_date, now),
        notes: version.notes.as_deref().map(shown).unwrap_or_default(),
        exports: exports(version, shell.may_operate),
        api: format!("{BASE}/models/{id}"),
        shell,
    })
}
