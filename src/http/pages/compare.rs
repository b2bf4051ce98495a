//! `/compare?ids=`: models on the rows that none of them was trained on.

use super::chart::{Curve, Figure, Range, key, ranges, roc};
use super::difference::{auc_difference, mark_of, pair_of};
use super::facts::plain;
use super::model::figures::roc_points;
use super::needs::name_of;
use super::shell::{Section, Shell};
use super::text::{Mark, Score, count, counted, metric, said, shown, signed};
use super::{PageError, State, html};
use crate::http::ids::model_id;
use crate::http::problem::{Problem, only, readable};
use actix_web::web::{self, Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::{ModelVersion, TargetMetric, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/compare").route(readable().to(page)).default_service(only("GET, HEAD")));
}

/// The most curves in one chart: more could not be told apart.
const CURVES: usize = 5;

struct Column {
    id: String,
    path: String,
    key: String,
    name: String,
    is_serving: bool,
    has_artifact: bool,
}

struct Cell {
    score: Score,
    /// Whether the score is higher than every other one beyond chance.
    is_highest: bool,
}

struct MetricRow {
    name: &'static str,
    cells: Vec<Cell>,
}

/// A model that is compared with the first one.
struct Pair {
    name: String,
    mark: Mark,
    verdict: String,
    changes: Option<String>,
    auc: Option<String>,
}

#[derive(Template)]
#[template(path = "compare/page.html")]
struct Page {
    shell: Shell,
    heading: String,
    verdict: String,
    rows: String,
    warnings: Vec<String>,
    columns: Vec<Column>,
    pairs: Vec<Pair>,
    metrics: Vec<MetricRow>,
    /// Whether any score is shown in bold.
    has_highest: bool,
    differences: Option<Figure>,
    curves: Option<Figure>,
    parameters: Vec<(String, Vec<String>)>,
}

#[derive(Template)]
#[template(path = "compare/choose.html")]
struct Choose {
    shell: Shell,
}

/// `ids=a&ids=b` and `ids=a,b`, without repeats.
fn wanted(request: &HttpRequest) -> Result<Vec<String>, PageError> {
    if request.query_string().len() > limits::QUERY {
        return Err(Problem::invalid("/ids", format!("the query has more than {} bytes", limits::QUERY)).into());
    }
    let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|error| Problem::invalid("/ids", format!("this is no query: {error}")))?;
    let mut seen = BTreeSet::new();
    let ids = pairs.iter().filter(|(name, _)| name == "ids").flat_map(|(_, value)| value.split(','));
    let ids: Vec<String> =
        ids.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty() && seen.insert(id.clone())).collect();
    if ids.len() > limits::MODEL_IDS {
        let message = format!("{} models are named; at most {} are compared", ids.len(), limits::MODEL_IDS);
        return Err(Problem::invalid("/ids", message).into());
    }
    Ok(ids)
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let names = wanted(&request)?;
    if names.len() < 2 {
        return html(&Choose { shell: Shell::of(&request, Section::Models, "Compare") });
    }
    let mut ids = Vec::with_capacity(names.len());
    for name in &names {
        ids.push(model_id(&state, name).await?);
    }
    let mut compared = state.handle.compare(ids.clone(), TargetMetric::ALL.to_vec(), false).await?;
    // The serving model comes first, because the others are compared with it.
    let mut models = std::mem::take(&mut compared.models);
    models.sort_by_cached_key(|model| (!model.is_active, ids.iter().position(|id| *id == model.model_id)));
    let versions = Arc::new(models);
    let parameters = {
        // Configurations may have long lists, so the compute threads compare them.
        let versions = versions.clone();
        state.compute.run(move || parameters(&versions)).await?
    };
    let models: Vec<&ModelVersion> = versions.iter().collect();
    let curves = curves(&state, &models).await?;
    let pairs = pairs(&compared, &models);
    let metrics = metrics(&compared, &models);
    let heading = match (&pairs[..], models.len()) {
        ([one], 2) => one.changes.clone().unwrap_or_else(|| "Two models".to_owned()),
        _ => counted(models.len() as u64, "model"),
    };
    html(&Page {
        shell: Shell::of(&request, Section::Models, format!("Compare {}", counted(models.len() as u64, "model"))),
        heading,
        verdict: sentence(&compared.verdict),
        rows: count(compared.rows),
        warnings: compared.warnings.iter().map(|text| said(text)).collect(),
        columns: models.iter().enumerate().map(|(at, model)| column(at, model)).collect(),
        has_highest: metrics.iter().flat_map(|row| &row.cells).any(|cell| cell.is_highest),
        metrics,
        differences: differences(&compared, &models),
        pairs,
        curves,
        parameters,
    })
}

/// The text with a full stop at its end.
fn sentence(text: &str) -> String {
    let text = said(text);
    if text.is_empty() || text.ends_with('.') { text } else { text + "." }
}

fn column(at: usize, model: &ModelVersion) -> Column {
    Column {
        id: model.model_id.to_string(),
        path: format!("/models/{}", model.model_id),
        key: key((at + 1).min(CURVES)),
        name: name_of(model.model_id.as_str()),
        is_serving: model.is_active,
        has_artifact: model.has_artifact(),
    }
}

fn pairs(compared: &ModelComparisonResponse, models: &[&ModelVersion]) -> Vec<Pair> {
    let Some((first, others)) = models.split_first() else { return Vec::new() };
    let pair = |second: &&&ModelVersion| {
        let (pair, is_a) = pair_of(compared, &first.model_id, &second.model_id)?;
        let difference = auc_difference(pair, is_a);
        let mark = mark_of(difference);
        let changes = pair.mcnemar.as_ref().map(|test| {
            let (right, wrong) =
                if is_a { (test.only_a_right, test.only_b_right) } else { (test.only_b_right, test.only_a_right) };
            let (all, rows) = (count(right + wrong), count(pair.rows));
            format!("{all} of {rows} answers change: {} now right, {} now wrong", count(right), count(wrong))
        });
        let auc = difference.map(|(d, [low, high])| format!("AUC {}, {} to {}", signed(d), signed(low), signed(high)));
        let verdict = pair.not_comparable.as_deref().map(said).unwrap_or_default();
        Some(Pair { name: name_of(second.model_id.as_str()), mark, verdict, changes, auc })
    };
    others.iter().filter_map(|second| pair(&second)).collect()
}

fn metrics(compared: &ModelComparisonResponse, models: &[&ModelVersion]) -> Vec<MetricRow> {
    let row = |one: &TargetMetric| {
        let scores = compared.metric_comparison.get(one.as_str())?;
        let ends = compared.metric_intervals_95.get(one.as_str());
        let highest = compared.highest_beyond_chance.get(one.as_str());
        let cell = |model: &&ModelVersion| {
            let id = model.model_id.as_str();
            let value = scores.get(id).copied().unwrap_or(f64::NAN);
            let ends = ends.and_then(|ends| ends.get(id).copied());
            let is_share = matches!(one, TargetMetric::Accuracy | TargetMetric::Precision | TargetMetric::Recall);
            Cell {
                score: if is_share { Score::share(value, ends) } else { Score::new(value, ends) },
                is_highest: highest == Some(&model.model_id),
            }
        };
        Some(MetricRow { name: metric(*one), cells: models.iter().map(cell).collect() })
    };
    let mut all: Vec<MetricRow> = TargetMetric::ALL.iter().filter_map(row).collect();
    // The AUC first: it depends on no threshold.
    all.sort_by_key(|row| row.name != metric(TargetMetric::AucRoc));
    all
}

fn differences(compared: &ModelComparisonResponse, models: &[&ModelVersion]) -> Option<Figure> {
    let (first, others) = models.split_first()?;
    let range = |(at, second): (usize, &&ModelVersion)| {
        let (pair, is_a) = pair_of(compared, &first.model_id, &second.model_id)?;
        let (value, interval) = auc_difference(pair, is_a)?;
        Some(Range {
            name: name_of(second.model_id.as_str()),
            value,
            interval: Some(interval),
            series: (at + 2).min(CURVES),
        })
    };
    let found: Vec<Range> = others.iter().enumerate().filter_map(range).collect();
    let note = format!("against {}; right of the line is better", name_of(first.model_id.as_str()));
    (!found.is_empty()).then(|| ranges("Difference of the AUC", &found, Some(0.0), note))
}

async fn curves(state: &State, models: &[&ModelVersion]) -> Result<Option<Figure>, PageError> {
    let mut curves = Vec::new();
    for model in models.iter().take(CURVES) {
        let results = state.handle.store().evaluation(&model.model_id).await?.and_then(|e| e.results);
        let counts = results.as_ref().and_then(|results| results.threshold_counts.as_ref());
        let [[tn, fp], [fn_, tp]] = model.metrics.confusion_matrix;
        let share = |part: u64, whole: u64| if whole > 0 { part as f64 / whole as f64 } else { 0.0 };
        curves.push(Curve {
            name: name_of(model.model_id.as_str()),
            points: counts.map(roc_points).unwrap_or_default(),
            decision: Some((share(fp, fp + tn), share(tp, tp + fn_))),
        });
    }
    let note = if models.len() > CURVES {
        format!("the first {CURVES}; marks are the thresholds")
    } else {
        "marks are the thresholds".to_owned()
    };
    Ok((!curves.is_empty()).then(|| roc(&curves, note)))
}

/// What differs between the models' parameters and configurations.
fn parameters(models: &[ModelVersion]) -> Vec<(String, Vec<String>)> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, model) in models.iter().enumerate() {
        let config = serde_json::to_value(&model.training_config).unwrap_or_default();
        let configured = config.as_object().into_iter().flatten();
        let own = model.hyperparameters.iter().chain(configured);
        for (name, value) in own.filter(|(name, _)| !matches!(name.as_str(), "algorithms" | "notes" | "grids")) {
            let cells = all.entry(shown(name)).or_insert_with(|| vec!["–".to_owned(); models.len()]);
            cells[at] = plain(value);
        }
    }
    all.into_iter().filter(|(_, cells)| cells.iter().any(|cell| *cell != cells[0])).collect()
}
