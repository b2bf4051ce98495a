//! Models side by side, on the rows that are in all of their test parts.

use crate::error::RegistryError;
use crate::evaluator::title;
use crate::scoring::Opened;
use chrono::{DateTime, Utc};
use provost_domain::evaluation::{
    ComparedModel, ComparedScore, ComparisonPlotData, ModelComparisonResponse, PairSignificance,
};
use provost_domain::verdict::Standing;
use provost_domain::{ModelId, TargetMetric};
use provost_learn::LearnError;
use provost_learn::intervals::intervals;
use provost_learn::metrics::metric;
use provost_learn::stats::{clustered_bootstrap, delong, mcnemar};
use provost_plots::Format;
use provost_store::Artifacts;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

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

/// Scores, tests, verdicts and plots. The best model is the best by the first model's target metric, if that was asked for,
/// else by the first metric asked for; a tie goes to the one named first.
pub fn compare(
    models: &[Opened],
    metrics: &[TargetMetric],
    artifacts: Option<&Artifacts>,
    at: DateTime<Utc>,
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
    let id = |i: usize| models[i].record.version.model_id.clone();
    let mut table = BTreeMap::new();
    for m in metrics.iter().filter(|_| scored) {
        let row: BTreeMap<String, f64> = (0..models.len()).map(|i| (id(i).to_string(), score(*m, i))).collect();
        table.insert(m.to_string(), row);
    }
    let mut metric_intervals: BTreeMap<String, BTreeMap<String, [f64; 2]>> = BTreeMap::new();
    for (m, p) in models.iter().zip(&common.p) {
        let found = intervals(&common.y, p, m.model.threshold);
        for (name, interval) in found.into_iter().filter(|(name, _)| table.contains_key(name)) {
            metric_intervals.entry(name).or_default().insert(m.record.version.model_id.to_string(), interval);
        }
    }
    let best = highest(models.len(), |i| score(best_metric, i)).filter(|_| scored);
    let labels = labels(models);
    let mut pairs = BTreeMap::new();
    for a in 0..models.len() {
        for b in a + 1..models.len() {
            let mut pair = significance(models, &common, a, b, best_metric, not_comparable.clone());
            pair.verdict = pair.sentence(&labels[a], &labels[b]);
            pairs.insert(format!("{}_vs_{}", pair.model_a, pair.model_b), pair);
        }
    }
    let mut beyond_chance = BTreeMap::new();
    for m in metrics.iter().filter(|_| not_comparable.is_none()) {
        let first = highest(models.len(), |i| score(*m, i));
        let first = first.filter(|a| (0..models.len()).all(|b| b == *a || is_above(models, &common, *m, *a, b)));
        beyond_chance.extend(first.map(|i| (m.to_string(), id(i))));
    }
    let mut response = ModelComparisonResponse {
        models: models.iter().map(|m| m.record.version.clone()).collect(),
        metric_comparison: table,
        statistical_significance: pairs,
        best_model_id: best.map(id),
        best_metric: best_metric.to_string(),
        comparison_plots: BTreeMap::new(),
        verdict: String::new(),
        rows: common.y.len() as u64,
        metric_intervals_95: metric_intervals,
        highest_beyond_chance: beyond_chance,
        warnings: Vec::new(),
    };
    response.verdict = match (&not_comparable, Standing::of(&response)) {
        (None, Some(standing)) => standing.sentence(|of| {
            let at = models.iter().position(|m| m.record.version.model_id == *of);
            at.map_or_else(|| of.to_string(), |at| labels[at].clone())
        }),
        (Some(why), _) => format!("The models cannot be compared: {why}"),
        (None, None) => "The models were not compared".to_owned(),
    };
    if let (Some(artifacts), true) = (artifacts, scored) {
        let mut order: Vec<usize> = (0..models.len()).collect();
        let auc = |i: usize| metric(TargetMetric::AucRoc, &common.y, &common.p[i], 0.5);
        order.sort_by(|a, b| auc(*b).total_cmp(&auc(*a)));
        let compared = order.iter().map(|i| ComparedModel {
            label: labels[*i].clone(),
            scores: metrics.iter().map(|m| compared_score(&response, m.as_str(), &id(*i))).collect(),
        });
        let data = ComparisonPlotData {
            date: at.format("%Y-%m-%d").to_string(),
            rows: response.rows,
            models: compared.collect(),
        };
        response.comparison_plots = draw(&data, artifacts)?;
    }
    Ok(response)
}

/// The position with the highest score; of equal ones the first.
fn highest(models: usize, score: impl Fn(usize) -> f64) -> Option<usize> {
    (0..models).rev().max_by(|a, b| score(*a).total_cmp(&score(*b)))
}

/// Whether a model scores higher than another beyond chance: the 95 % interval of the difference lies above 0.
fn is_above(models: &[Opened], common: &Common, metric: TargetMetric, a: usize, b: usize) -> bool {
    let (pa, pb) = (&common.p[a], &common.p[b]);
    let (ta, tb) = (models[a].model.threshold, models[b].model.threshold);
    let difference = match metric {
        TargetMetric::AucRoc => delong(&common.y, pa, pb),
        _ => clustered_bootstrap(metric, &common.y, pa, ta, pb, tb, &common.clusters, BOOTSTRAP_SEED, BOOTSTRAP_DRAWS),
    };
    difference.side() == Ordering::Greater
}

/// Each model's algorithm and the end of its id.
fn labels(models: &[Opened]) -> Vec<String> {
    let ids: Vec<&str> = models.iter().map(|m| m.record.version.model_id.as_str()).collect();
    let algorithms = models.iter().map(|m| m.record.version.algorithm);
    algorithms.zip(tails(&ids)).map(|(algorithm, tail)| format!("{} …{tail}", title(algorithm))).collect()
}

/// The ends of ids, of at least four characters and as many as tell them apart.
fn tails<'a>(ids: &[&'a str]) -> Vec<&'a str> {
    let tails = |n: usize| -> Vec<&'a str> { ids.iter().map(|id| &id[id.len().saturating_sub(n)..]).collect() };
    let differ = |n: &usize| tails(*n).into_iter().collect::<BTreeSet<_>>().len() == ids.len();
    tails((4..32).find(differ).unwrap_or(32))
}

fn compared_score(response: &ModelComparisonResponse, metric: &str, id: &ModelId) -> ComparedScore {
    let value = response.metric_comparison.get(metric).and_then(|by_model| by_model.get(id.as_str()));
    let interval = response.metric_intervals_95.get(metric).and_then(|by_model| by_model.get(id.as_str()));
    ComparedScore {
        metric: metric.to_owned(),
        value: value.copied().unwrap_or(f64::NAN),
        interval: interval.copied(),
        highest: response.highest_beyond_chance.get(metric) == Some(id),
    }
}

/// The plot's addresses by name.
fn draw(data: &ComparisonPlotData, artifacts: &Artifacts) -> Result<BTreeMap<String, String>, RegistryError> {
    let kinds = [
        ("metric_comparison", Format::Png, false),
        ("metric_comparison_svg", Format::Svg, false),
        ("metric_comparison_narrow_svg", Format::Svg, true),
    ];
    let mut plots = BTreeMap::new();
    for (name, format, narrow) in kinds {
        let drawn = provost_plots::comparison(data, format, narrow);
        let bytes = drawn.map_err(|e| RegistryError::Plot(e.to_string()))?;
        let address = format!("/compare/plots/{}.{}", artifacts.put(&bytes)?, format.extension());
        plots.insert(name.to_owned(), address);
    }
    Ok(plots)
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
        verdict: String::new(),
        not_comparable,
        mcnemar: tested.then(|| mcnemar(y, pa, ta, pb, tb)),
        delong: tested.then(|| delong(y, pa, pb)),
        bootstrap: tested
            .then(|| clustered_bootstrap(target, y, pa, ta, pb, tb, &common.clusters, BOOTSTRAP_SEED, BOOTSTRAP_DRAWS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_models_of_one_algorithm_have_different_labels() {
        assert_eq!(tails(&["model_xgboost_01ab", "model_xgboost_01cd"]), ["01ab", "01cd"]);
        assert_eq!(tails(&["model_xgboost_1f01ab", "model_xgboost_2f01ab"]), ["1f01ab", "2f01ab"]);
        assert_eq!(tails(&["ab"]), ["ab"]);
    }

    #[test]
    fn the_highest_is_the_first_of_equal_ones() {
        let highest = |scores: &[f64]| super::highest(scores.len(), |i| scores[i]);
        assert_eq!((highest(&[0.5, 0.7, 0.7]), highest(&[0.7, 0.7, 0.5]), highest(&[])), (Some(1), Some(0), None));
    }
}
