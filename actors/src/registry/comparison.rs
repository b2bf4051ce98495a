//! Compares models on the rows that are in all of their test parts.

use crate::error::RegistryError;
use crate::scoring::Opened;
use chrono::{DateTime, Utc};
use provost_domain::evaluation::{
    ComparedModel, ComparedScore, ComparisonPlotData, ModelComparisonResponse, PairSignificance,
};
use provost_domain::verdict::Standing;
use provost_domain::{ModelId, ModelVersion, TargetMetric, limits};
use provost_learn::LearnError;
use provost_learn::bootstrap::Draws;
use provost_learn::intervals::intervals;
use provost_learn::metrics::metric;
use provost_learn::stats::{Placements, mcnemar};
use provost_plots::Format;
use provost_store::Artifacts;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// With fewer common rows no test is made.
const MIN_ROWS: usize = 100;
const BOOTSTRAP_DRAWS: u32 = 1000;
const BOOTSTRAP_SEED: u64 = 0x636f_6d70;

/// Models, and the rows that are in all of their test parts. Rows are matched by id; a row whose label differs between
/// snapshots is excluded.
#[derive(Default)]
pub struct Common {
    models: Vec<Scored>,
    /// Ascending.
    ids: Vec<u128>,
    /// The labels by row, from the first model's snapshot.
    y: Vec<u8>,
    clusters: Vec<u64>,
}

/// A model and its probabilities on the common rows.
struct Scored {
    version: ModelVersion,
    threshold: f64,
    p: Vec<f64>,
}

impl Common {
    /// Adds a model: rows that are not in its test part are dropped.
    pub fn with(mut self, opened: Opened) -> Result<Self, LearnError> {
        let snapshot = &opened.data.snapshot;
        let mut rows: Vec<(u128, u32)> = opened.test.iter().map(|r| (snapshot.row_ids[*r as usize], *r)).collect();
        rows.sort_unstable();
        rows.dedup_by_key(|(id, _)| *id);
        let label = |row: u32| opened.data.dataset.y()[row as usize];
        if self.models.is_empty() {
            self.ids = rows.iter().map(|(id, _)| *id).collect();
            self.y = rows.iter().map(|(_, row)| label(*row)).collect();
            self.clusters = rows.iter().map(|(_, row)| snapshot.clusters[*row as usize]).collect();
        } else {
            rows.retain(|(id, row)| self.ids.binary_search(id).is_ok_and(|at| self.y[at] == label(*row)));
            let kept: Vec<bool> =
                self.ids.iter().map(|id| rows.binary_search_by_key(id, |(id, _)| *id).is_ok()).collect();
            retain(&mut self.ids, &kept);
            retain(&mut self.y, &kept);
            retain(&mut self.clusters, &kept);
            self.models.iter_mut().for_each(|model| retain(&mut model.p, &kept));
        }
        let rows: Vec<u32> = rows.into_iter().map(|(_, row)| row).collect();
        let p = opened.model.predict_proba(opened.data.dataset.x(), &rows)?;
        self.models.push(Scored { version: opened.record.version, threshold: opened.model.threshold, p });
        Ok(self)
    }

    /// Why these rows allow no tests, if they do not.
    fn not_comparable(&self) -> Option<String> {
        let positives = self.y.iter().filter(|l| **l == 1).count();
        if self.y.len() < MIN_ROWS {
            return Some(format!("{} rows are in all test parts; at least {MIN_ROWS} are needed", self.y.len()));
        }
        (positives == 0 || positives == self.y.len())
            .then(|| format!("the {} rows in all test parts are of one class", self.y.len()))
    }
}

fn retain<T>(list: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    list.retain(|_| kept.next().is_some_and(|kept| *kept));
}

/// Computes scores, tests, verdicts and plots. The best model is the best by the first model's target metric if that
/// metric was requested, else by the first requested metric; on a tie the first named. `wanted` is called between the
/// steps, and its error ends the work.
pub fn compare(
    common: &Common,
    metrics: &[TargetMetric],
    artifacts: Option<&Artifacts>,
    at: DateTime<Utc>,
    wanted: impl Fn() -> Result<(), RegistryError>,
) -> Result<ModelComparisonResponse, RegistryError> {
    let models = &common.models[..];
    let not_comparable = common.not_comparable();
    let target = models.first().map(|m| m.version.training_config.target_metric);
    let best_metric = target
        .filter(|t| metrics.contains(t))
        .or_else(|| metrics.first().copied())
        .ok_or_else(|| RegistryError::Invalid("metrics: at least one is needed".to_owned()))?;
    let score = |m: TargetMetric, i: usize| metric(m, &common.y, &models[i].p, models[i].threshold);
    let scored = !common.y.is_empty();
    let id = |i: usize| models[i].version.model_id.clone();
    let mut table = BTreeMap::new();
    for m in metrics.iter().filter(|_| scored) {
        let row: BTreeMap<String, f64> = (0..models.len()).map(|i| (id(i).to_string(), score(*m, i))).collect();
        table.insert(m.to_string(), row);
    }
    let mut metric_intervals: BTreeMap<String, BTreeMap<String, [f64; 2]>> = BTreeMap::new();
    for m in models {
        wanted()?;
        let found = intervals(&common.y, &m.p, m.threshold);
        for (name, interval) in found.into_iter().filter(|(name, _)| table.contains_key(name)) {
            metric_intervals.entry(name).or_default().insert(m.version.model_id.to_string(), interval);
        }
    }
    let best = highest(models.len(), |i| score(best_metric, i)).filter(|_| scored);
    let labels = labels(models);
    let tests = Tests::prepare(common, best_metric, not_comparable.is_none(), &wanted)?;
    let mut pairs = BTreeMap::new();
    for a in 0..models.len() {
        for b in a + 1..models.len() {
            wanted()?;
            let mut pair = tests.pair(a, b, not_comparable.clone());
            pair.verdict = pair.sentence(&labels[a], &labels[b]);
            pairs.insert(format!("{}_vs_{}", pair.model_a, pair.model_b), pair);
        }
    }
    let mut beyond_chance = BTreeMap::new();
    for m in metrics.iter().filter(|_| not_comparable.is_none()) {
        wanted()?;
        let first = highest(models.len(), |i| score(*m, i)).filter(|a| tests.is_above_all(*m, *a));
        beyond_chance.extend(first.map(|i| (m.to_string(), id(i))));
    }
    let mut response = ModelComparisonResponse {
        models: listed(models.iter().map(|m| m.version.clone()).collect()),
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
            let at = models.iter().position(|m| m.version.model_id == *of);
            at.map_or_else(|| of.to_string(), |at| labels[at].clone())
        }),
        (Some(why), _) => format!("The models cannot be compared: {why}"),
        (None, None) => "The models were not compared".to_owned(),
    };
    if let (Some(artifacts), true) = (artifacts, scored) {
        let mut order: Vec<usize> = (0..models.len()).collect();
        let auc = |i: usize| metric(TargetMetric::AucRoc, &common.y, &models[i].p, 0.5);
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
        wanted()?;
        response.comparison_plots = draw(&data, artifacts)?;
    }
    Ok(response)
}

/// The index of the highest score; the first among equals.
fn highest(models: usize, score: impl Fn(usize) -> f64) -> Option<usize> {
    (0..models).rev().max_by(|a, b| score(*a).total_cmp(&score(*b)))
}

/// Each model's algorithm and the end of its id.
fn labels(models: &[Scored]) -> Vec<String> {
    let ids: Vec<&str> = models.iter().map(|m| m.version.model_id.as_str()).collect();
    let algorithms = models.iter().map(|m| m.version.algorithm);
    algorithms.zip(tails(&ids)).map(|(algorithm, tail)| format!("{} …{tail}", algorithm.title())).collect()
}

/// The ends of ids, of at least four characters and long enough to be distinct.
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

/// Data for the tests of all pairs, computed once per model.
struct Tests<'a> {
    common: &'a Common,
    target: TargetMetric,
    /// By model; empty if no test is made.
    prepared: Vec<(Placements, Draws)>,
}

impl<'a> Tests<'a> {
    fn prepare(
        common: &'a Common,
        target: TargetMetric,
        tested: bool,
        wanted: &impl Fn() -> Result<(), RegistryError>,
    ) -> Result<Self, RegistryError> {
        let mut prepared = Vec::new();
        for model in common.models.iter().filter(|_| tested) {
            wanted()?;
            prepared.push((Placements::new(&common.y, &model.p), draws(common, target, model)));
        }
        Ok(Self { common, target, prepared })
    }

    fn pair(&self, a: usize, b: usize, not_comparable: Option<String>) -> PairSignificance {
        let (y, model_a, model_b) = (&self.common.y, &self.common.models[a], &self.common.models[b]);
        let both = self.prepared.get(a).zip(self.prepared.get(b));
        PairSignificance {
            model_a: model_a.version.model_id.clone(),
            model_b: model_b.version.model_id.clone(),
            rows: y.len() as u64,
            verdict: String::new(),
            not_comparable,
            mcnemar: both.map(|_| mcnemar(y, &model_a.p, model_a.threshold, &model_b.p, model_b.threshold)),
            delong: both.map(|((a, _), (b, _))| a.minus(b)),
            bootstrap: both.map(|((_, a), (_, b))| a.minus(b)),
        }
    }

    /// Whether a model scores higher than every other one beyond chance: the 95 % interval of each difference is above
    /// 0.
    fn is_above_all(&self, metric: TargetMetric, a: usize) -> bool {
        let own = |model: &Scored| draws(self.common, metric, model);
        let others = || (0..self.prepared.len()).filter(|b| *b != a);
        let (placements, prepared) = (|i: usize| &self.prepared[i].0, |i: usize| &self.prepared[i].1);
        if metric == TargetMetric::AucRoc {
            return others().all(|b| placements(a).minus(placements(b)).side() == Ordering::Greater);
        }
        if metric == self.target {
            return others().all(|b| prepared(a).minus(prepared(b)).side() == Ordering::Greater);
        }
        let first = own(&self.common.models[a]);
        others().all(|b| first.minus(&own(&self.common.models[b])).side() == Ordering::Greater)
    }
}

fn draws(common: &Common, metric: TargetMetric, model: &Scored) -> Draws {
    let Common { y, clusters, .. } = common;
    Draws::of(metric, y, &model.p, model.threshold, clusters, BOOTSTRAP_SEED, BOOTSTRAP_DRAWS)
}

/// The models for the answer. If together they exceed a page of a list, notes and grids are left out; the answer for a
/// single model has them.
pub fn listed(mut listed: Vec<ModelVersion>) -> Vec<ModelVersion> {
    let bytes = |version: &ModelVersion| serde_json::to_vec(version).map_or(0, |text| text.len());
    if listed.iter().map(bytes).sum::<usize>() > limits::PAGE_BYTES {
        for version in &mut listed {
            version.notes = None;
            version.training_config.notes = None;
            version.training_config.grids = None;
        }
    }
    listed
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
