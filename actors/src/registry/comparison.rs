//! Models side by side, on the rows that are in all of their test parts.

use crate::error::RegistryError;
use crate::evaluator::title;
use crate::scoring::Opened;
use provost_domain::TargetMetric;
use provost_domain::evaluation::{ModelComparisonResponse, PairSignificance};
use provost_learn::LearnError;
use provost_learn::metrics::metric;
use provost_learn::stats::{clustered_bootstrap, delong, mcnemar};
use provost_plots::Format;
use provost_store::Artifacts;
use std::collections::BTreeMap;

/// With fewer rows in common nothing is tested.
const MIN_ROWS: usize = 100;
const BOOTSTRAP_DRAWS: u32 = 1000;
const BOOTSTRAP_SEED: u64 = 0x636f_6d70;

/// The rows in all test parts, with each model's probabilities on them.
struct Common {
    y: Vec<u8>,
    clusters: Vec<u64>,
    /// A vector per model.
    p: Vec<Vec<f64>>,
}

/// Rows are found again by their id; a row whose label differs between snapshots is none of them.
fn common(models: &[Opened]) -> Result<Common, LearnError> {
    // Row id to (how many test parts it is in, its label).
    let mut seen: BTreeMap<u128, (usize, u8)> = BTreeMap::new();
    for (nth, m) in models.iter().enumerate() {
        for row in m.test.iter().map(|r| *r as usize) {
            let (id, label) = (m.data.snapshot.row_ids[row], m.data.dataset.y()[row]);
            let entry = seen.entry(id).or_insert((0, label));
            if entry.0 == nth && entry.1 == label {
                entry.0 += 1;
            }
        }
    }
    seen.retain(|_, (times, _)| *times == models.len());
    let mut p = Vec::with_capacity(models.len());
    let mut clusters = Vec::new();
    for (nth, m) in models.iter().enumerate() {
        let mut rows: Vec<u32> =
            m.test.iter().copied().filter(|r| seen.contains_key(&m.data.snapshot.row_ids[*r as usize])).collect();
        rows.sort_by_key(|r| m.data.snapshot.row_ids[*r as usize]);
        p.push(m.model.predict_proba(m.data.dataset.x(), &rows)?);
        if nth == 0 {
            clusters = rows.iter().map(|r| m.data.snapshot.clusters[*r as usize]).collect();
        }
    }
    Ok(Common { y: seen.values().map(|(_, label)| *label).collect(), clusters, p })
}

impl Common {
    /// Why nothing can be tested on these rows, if so.
    fn not_comparable(&self) -> Option<String> {
        let positives = self.y.iter().filter(|l| **l == 1).count();
        if self.y.len() < MIN_ROWS {
            return Some(format!("{} rows are in all test parts; at least {MIN_ROWS} are needed", self.y.len()));
        }
        (positives == 0 || positives == self.y.len())
            .then(|| format!("the {} rows in all test parts are of one class", self.y.len()))
    }
}

/// Scores, tests and plots. The best model is the best by the first model's target metric, if that was asked for, else by
/// the first metric asked for; a tie goes to the one named first.
pub fn compare(
    models: &[Opened],
    metrics: &[TargetMetric],
    artifacts: Option<&Artifacts>,
) -> Result<ModelComparisonResponse, RegistryError> {
    let common = common(models)?;
    let not_comparable = common.not_comparable();
    let target = models.first().map(|m| m.record.version.training_config.target_metric);
    let best_metric = target
        .filter(|t| metrics.contains(t))
        .or_else(|| metrics.first().copied())
        .ok_or_else(|| RegistryError::Invalid("metrics: at least one is needed".to_owned()))?;
    let score = |m: TargetMetric, i: usize| metric(m, &common.y, &common.p[i], models[i].model.threshold);
    let scored = !common.y.is_empty();
    let mut table = BTreeMap::new();
    for m in metrics.iter().filter(|_| scored) {
        let row: BTreeMap<String, f64> =
            (0..models.len()).map(|i| (models[i].record.version.model_id.to_string(), score(*m, i))).collect();
        table.insert(m.to_string(), row);
    }
    let mut best: Option<(usize, f64)> = None;
    for i in (0..models.len()).filter(|_| scored) {
        let s = score(best_metric, i);
        if best.is_none_or(|(_, top)| s > top) {
            best = Some((i, s));
        }
    }
    let mut pairs = BTreeMap::new();
    for a in 0..models.len() {
        for b in a + 1..models.len() {
            let pair = significance(models, &common, a, b, best_metric, not_comparable.clone());
            pairs.insert(format!("{}_vs_{}", pair.model_a, pair.model_b), pair);
        }
    }
    let mut plots = BTreeMap::new();
    if let (Some(artifacts), true) = (artifacts, scored) {
        let bars: Vec<(String, Vec<(String, f64)>)> = (0..models.len())
            .map(|i| {
                let version = &models[i].record.version;
                let tail = version.model_id.as_str();
                let label = format!("{} …{}", title(version.algorithm), &tail[tail.len().saturating_sub(4)..]);
                (label, metrics.iter().map(|m| (m.to_string(), score(*m, i))).collect())
            })
            .collect();
        for format in [Format::Png, Format::Svg] {
            let drawn = provost_plots::comparison(&bars, format);
            let bytes = drawn.map_err(|e| RegistryError::Plot(e.to_string()))?;
            let ending = format.extension();
            let name = if format == Format::Png {
                "metric_comparison".to_owned()
            } else {
                format!("metric_comparison_{ending}")
            };
            plots.insert(name, format!("/compare/plots/{}.{ending}", artifacts.put(&bytes)?));
        }
    }
    Ok(ModelComparisonResponse {
        models: models.iter().map(|m| m.record.version.clone()).collect(),
        metric_comparison: table,
        statistical_significance: pairs,
        best_model_id: best.map(|(i, _)| models[i].record.version.model_id.clone()),
        best_metric: best_metric.to_string(),
        comparison_plots: plots,
    })
}

fn significance(
    models: &[Opened],
    common: &Common,
    a: usize,
    b: usize,
    target: TargetMetric,
    not_comparable: Option<String>,
) -> PairSignificance {
    let (y, pa, pb) = (&common.y, &common.p[a], &common.p[b]);
    let (ta, tb) = (models[a].model.threshold, models[b].model.threshold);
    let tested = not_comparable.is_none();
    PairSignificance {
        model_a: models[a].record.version.model_id.clone(),
        model_b: models[b].record.version.model_id.clone(),
        rows: y.len() as u64,
        not_comparable,
        mcnemar: tested.then(|| mcnemar(y, pa, ta, pb, tb)),
        delong: tested.then(|| delong(y, pa, pb)),
        bootstrap: tested
            .then(|| clustered_bootstrap(target, y, pa, ta, pb, tb, &common.clusters, BOOTSTRAP_SEED, BOOTSTRAP_DRAWS)),
    }
}
