//! The records that the examples show: those of one small installation. Its rows are drawn from the documented
//! generating model, and its figures come from the code that scores models, so that they are real and consistent.

pub use super::super::example_ids::{job_id, minute, model_id};

use provost_domain::audit::{Act, AuditEntry, Deed, Head};
use provost_domain::evaluation::{
    CalibrationBin, EvaluationResults, ModelComparisonResponse, PairSignificance, TierMetrics,
};
use provost_domain::features::{FEATURES, FeatureTables};
use provost_domain::gate::{GateDecision, GateEvidence, GateOutcome};
use provost_domain::job::{
    JobEvent, JobEventKind, JobLogLine, JobProgress, JobStateChange, JobStatus, JobTrial, TrialStatus,
};
use provost_domain::model::{Activation, FeatureImportance, ImportanceKind, SetCoverage, TrainingMetrics};
use provost_domain::quality::{DataQualityReport, QualityAccumulator};
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use provost_domain::{Algorithm, ModelVersion, TargetMetric, TrainingConfig, TrainingJob, sample, verdict};
use provost_learn::Params;
use provost_learn::bootstrap::Draws;
use provost_learn::intervals::intervals;
use provost_learn::learners::learner;
use provost_learn::metrics::{brier, calibration_bins, metric, threshold_counts, tiers, training_metrics};
use provost_learn::stats::{Placements, mcnemar};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Name of a comparison's plot: that of an artifact.
pub const COMPARISON_PLOT: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.svg";
const MODEL_SHA256: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
pub const PERSON: &str = "key_01 (nightly)";
/// The better model of the examples, and the worse one.
const CHALLENGER: Algorithm = Algorithm::Xgboost;
const CHAMPION: Algorithm = Algorithm::RandomForest;

const ROWS: usize = 400;
const SEED: u64 = 7;
const FOLDS: usize = 5;
const DRAWS: u32 = 200;
const THRESHOLD: f64 = 0.5;
const TRAINING_ROWS: u64 = 4_200;

/// The rows that both models hold out, with the predictions of each.
struct Held {
    y: Vec<u8>,
    clusters: Vec<u64>,
    /// The challenger's predictions: the true probabilities.
    better: Vec<f64>,
    /// The champion's predictions: the true probabilities with noise.
    worse: Vec<f64>,
    quality: DataQualityReport,
}

fn held() -> &'static Held {
    static HELD: OnceLock<Held> = OnceLock::new();
    HELD.get_or_init(|| {
        let tables = FeatureTables::default();
        let mut quality = QualityAccumulator::new(&tables);
        let (mut y, mut clusters, mut better, mut worse) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (n, drawn) in sample::draw(ROWS, SEED).enumerate() {
            quality.add(&drawn.point, &tables.row(&drawn.point));
            if let Some(label) = drawn.point.decision.label() {
                let disturbance = (n as f64 * 0.618).fract() - 0.5;
                y.push(label);
                clusters.push(drawn.point.cluster_key());
                better.push(drawn.probability);
                worse.push((drawn.probability + disturbance).clamp(0.01, 0.99));
            }
        }
        let quality = quality.finish(&TrainingConfig { min_samples: 100, ..config() }, false, minute(0));
        Held { y, clusters, better, worse, quality }
    })
}

fn probabilities(algorithm: Algorithm) -> &'static [f64] {
    let held = held();
    if algorithm == CHAMPION { &held.worse } else { &held.better }
}

pub fn config() -> TrainingConfig {
    TrainingConfig {
        use_verified_only: false,
        target_metric: TargetMetric::AucRoc,
        tuning_iterations: 20,
        version_tag: Some("2026-spring".to_owned()),
        notes: Some("after the decisions of the fall cycle".to_owned()),
        ..TrainingConfig::default()
    }
}

pub fn quality() -> DataQualityReport {
    held().quality.clone()
}

/// A report on too few data for the configuration.
pub fn poor_quality() -> DataQualityReport {
    let tables = FeatureTables::default();
    let mut quality = QualityAccumulator::new(&tables);
    for drawn in sample::draw(20, SEED) {
        quality.add(&drawn.point, &tables.row(&drawn.point));
    }
    quality.finish(&config(), false, minute(0))
}

pub fn trigger() -> TrainingTrigger {
    let reason = Some("asked for over HTTP".to_owned());
    TrainingTrigger::new(TriggerType::Manual, minute(1), Some(PERSON.to_owned()), reason)
}

pub fn metrics(algorithm: Algorithm) -> TrainingMetrics {
    let (y, p) = (&held().y, probabilities(algorithm));
    let fold = y.len() / FOLDS;
    let scores: Vec<f64> = y
        .chunks_exact(fold)
        .zip(p.chunks_exact(fold))
        .map(|(y, p)| metric(config().target_metric, y, p, THRESHOLD))
        .collect();
    let set_coverage = Some(SetCoverage { asked: 0.9, accepted: Some(0.91), rejected: Some(0.89) });
    TrainingMetrics { set_coverage, ..training_metrics(y, p, THRESHOLD, &scores, 41.5, 200) }
}

pub fn tiers_of(algorithm: Algorithm) -> BTreeMap<String, TierMetrics> {
    tiers(&held().y, probabilities(algorithm), THRESHOLD)
}

fn bins(algorithm: Algorithm) -> Vec<CalibrationBin> {
    calibration_bins(&held().y, probabilities(algorithm))
}

/// Importance shares that halve from feature to feature.
pub fn importance() -> Vec<FeatureImportance> {
    let total = 2.0 - 0.5f64.powi(FEATURES.len() as i32 - 1);
    let share = |at: i32| 0.5f64.powi(at) / total;
    (1..)
        .zip(FEATURES)
        .map(|(rank, name)| FeatureImportance {
            feature_name: name.to_owned(),
            importance_score: share(rank as i32 - 1),
            rank,
        })
        .collect()
}

fn parameters(algorithm: Algorithm) -> Params {
    learner(algorithm).map(|learner| learner.defaults()).unwrap_or_default()
}

pub fn model(algorithm: Algorithm) -> ModelVersion {
    ModelVersion {
        model_id: model_id(algorithm),
        version: format!("{}_{TRAINING_ROWS}", minute(4).format("%Y%m%d")),
        algorithm,
        training_date: minute(4),
        training_samples: TRAINING_ROWS,
        training_config: config(),
        model_sha256: MODEL_SHA256.to_owned(),
        metrics: metrics(algorithm),
        feature_importance: importance(),
        hyperparameters: parameters(algorithm),
        model_path: MODEL_SHA256.to_owned(),
        scaler_path: None,
        is_active: algorithm == CHALLENGER,
        is_deprecated: false,
        parent_model_id: None,
        created_by: Some(PERSON.to_owned()),
        version_tag: config().version_tag,
        notes: config().notes,
    }
}

/// Both models, the newer first.
pub fn models() -> Vec<ModelVersion> {
    vec![model(CHALLENGER), model(CHAMPION)]
}

pub fn job(status: JobStatus) -> TrainingJob {
    let (completed, running) = (status == JobStatus::Completed, status == JobStatus::Running);
    let best = metrics(CHALLENGER).cv_mean;
    let done = match status {
        JobStatus::Completed => vec![CHAMPION, CHALLENGER],
        JobStatus::Running => vec![CHAMPION],
        _ => Vec::new(),
    };
    TrainingJob {
        job_id: job_id(),
        status,
        config: config(),
        progress_percentage: if completed { 100.0 } else { 62.5 },
        current_step: running.then(|| format!("training {CHALLENGER}")),
        trained_models: done.iter().map(|algorithm| model_id(*algorithm)).collect(),
        algorithms_completed: done,
        best_model_id: completed.then(|| model_id(CHALLENGER)),
        best_score: completed.then_some(best),
        started_at: Some(minute(1)),
        completed_at: completed.then(|| minute(5)),
        estimated_time_remaining_seconds: running.then_some(75.0),
        error_message: None,
        warnings: Vec::new(),
        cpu_usage_percent: Some(187.0),
        memory_usage_mb: Some(312.0),
        logs: Vec::new(),
        created_at: minute(1),
        created_by: Some(PERSON.to_owned()),
        triggers: vec![trigger()],
    }
}

/// One event of each kind.
pub fn job_events() -> Vec<JobEvent> {
    let running = job(JobStatus::Running);
    let score = metrics(CHALLENGER).cv_scores;
    let trial = JobTrial {
        algorithm: CHALLENGER,
        index: 0,
        params: parameters(CHALLENGER),
        status: TrialStatus::Complete,
        score: metrics(CHALLENGER).cv_mean,
        fold_scores: score,
        seconds: 1.25,
    };
    (1..)
        .zip(JobEventKind::ALL)
        .map(|(seq, kind)| {
            let data = match kind {
                JobEventKind::State => of(&JobStateChange::from(&running)),
                JobEventKind::Progress => of(&JobProgress::from(&running)),
                JobEventKind::Trial => of(&trial),
                JobEventKind::Log => of(&JobLogLine { message: "attempt 1 of xgboost begins".to_owned() }),
            };
            JobEvent { seq, at: minute(1), kind: *kind, data }
        })
        .collect()
}

/// The record as it is sent.
pub fn of<T: Serialize>(record: &T) -> serde_json::Value {
    // Records are plain structs of texts, numbers, lists and maps with names: they always serialise.
    serde_json::to_value(record).unwrap_or_default()
}

/// An evaluation of the challenger, with the plots' addresses below `base`.
pub fn evaluation(base: &str) -> EvaluationResults {
    let algorithm = CHALLENGER;
    let plot = |name: &str| Some(format!("{base}/evaluate/{}/plots/{name}.png", model_id(algorithm)));
    let kind = ImportanceKind::of(algorithm);
    EvaluationResults {
        model_id: model_id(algorithm),
        evaluation_date: minute(4),
        metrics: metrics(algorithm),
        performance_by_university_tier: tiers_of(algorithm),
        calibration_score: brier(&held().y, probabilities(algorithm)),
        calibration_bins: bins(algorithm),
        feature_importance: importance(),
        importance_kind: Some(kind),
        importance_rows: Some(kind.rows(TRAINING_ROWS)),
        threshold_counts: Some(threshold_counts(&held().y, probabilities(algorithm))),
        confusion_matrix_plot: plot("confusion_matrix"),
        roc_curve_plot: plot("roc_curve"),
        feature_importance_plot: plot("feature_importance"),
        calibration_plot: plot("calibration"),
    }
}

/// The comparison of challenger and champion.
fn pair() -> PairSignificance {
    let Held { y, clusters, better, worse, .. } = held();
    let draws = |p: &[f64]| Draws::of(config().target_metric, y, p, THRESHOLD, clusters, SEED, DRAWS);
    let mut pair = PairSignificance {
        model_a: model_id(CHALLENGER),
        model_b: model_id(CHAMPION),
        rows: y.len() as u64,
        verdict: String::new(),
        not_comparable: None,
        mcnemar: Some(mcnemar(y, better, THRESHOLD, worse, THRESHOLD)),
        delong: Some(Placements::new(y, better).minus(&Placements::new(y, worse))),
        bootstrap: Some(draws(better).minus(&draws(worse))),
    };
    pair.verdict = pair.sentence("XGBoost", "Random forest");
    pair
}

/// The answer to a comparison, with the plots' addresses below `base`.
pub fn comparison(base: &str) -> ModelComparisonResponse {
    let y = &held().y;
    let both = [CHALLENGER, CHAMPION].map(|algorithm| (model_id(algorithm).to_string(), probabilities(algorithm)));
    let scores = TargetMetric::ALL.iter().map(|m| {
        let by_model = both.iter().map(|(id, p)| (id.clone(), metric(*m, y, p, THRESHOLD)));
        (m.to_string(), by_model.collect())
    });
    let mut metric_intervals: BTreeMap<String, BTreeMap<String, [f64; 2]>> = BTreeMap::new();
    for (id, p) in &both {
        for (name, interval) in intervals(y, p, THRESHOLD) {
            metric_intervals.entry(name).or_default().insert(id.clone(), interval);
        }
    }
    let pair = pair();
    ModelComparisonResponse {
        models: models(),
        metric_comparison: scores.collect(),
        verdict: pair.verdict.clone(),
        best_model_id: Some(pair.model_a.clone()),
        statistical_significance: BTreeMap::from([(format!("{}_vs_{}", pair.model_a, pair.model_b), pair)]),
        best_metric: config().target_metric.to_string(),
        comparison_plots: BTreeMap::from([(
            "metric_comparison_svg".to_owned(),
            format!("{base}/compare/plots/{COMPARISON_PLOT}"),
        )]),
        rows: y.len() as u64,
        metric_intervals_95: metric_intervals,
        highest_beyond_chance: BTreeMap::from([(TargetMetric::AucRoc.to_string(), model_id(CHALLENGER))]),
        warnings: Vec::new(),
    }
}

/// The activations, the newest first.
pub fn activations() -> Vec<Activation> {
    let activation = |rev: u64, algorithm, previous: Option<Algorithm>, reason: &str| Activation {
        rev,
        model_id: model_id(algorithm),
        previous_model_id: previous.map(model_id),
        activated_at: minute(4 + rev as i64),
        activated_by: Some(PERSON.to_owned()),
        reason: Some(reason.to_owned()),
    };
    vec![activation(2, CHALLENGER, Some(CHAMPION), "ranks better"), activation(1, CHAMPION, None, "the first one")]
}

pub fn decision() -> GateDecision {
    let pair = pair();
    let difference = pair.delong.clone();
    let (score, improvement_threshold) = (|a| metrics(a).auc_roc, 0.02);
    let improvement = score(CHALLENGER) - score(CHAMPION);
    let lower_bound = difference.as_ref().map_or(improvement, |d| d.interval_95[0]);
    GateDecision {
        job_id: job_id(),
        challenger_id: model_id(CHALLENGER),
        champion_id: Some(model_id(CHAMPION)),
        decided_at: minute(5),
        outcome: GateOutcome::Activated,
        reason: format!(
            "activated, because auc_roc rose by {} ({improvement_threshold} is needed), with a lower bound of {}",
            verdict::signed(improvement),
            verdict::signed(lower_bound)
        ),
        improvement_threshold,
        evidence: Some(GateEvidence {
            metric: TargetMetric::AucRoc,
            rows: pair.rows,
            clusters: {
                let mut clusters = held().clusters.clone();
                clusters.sort_unstable();
                clusters.dedup();
                clusters.len() as u64
            },
            challenger_score: score(CHALLENGER),
            champion_score: Some(score(CHAMPION)),
            improvement,
            lower_bound,
            alpha: 0.025,
            look: 1,
            delong: difference,
            mcnemar: pair.mcnemar,
        }),
    }
}

/// The entries of a request that changes something, the newest first.
pub fn audit(base: &str) -> Vec<AuditEntry> {
    let subject = format!("POST {base}/train");
    let asked = Deed::new(minute(1), PERSON, Act::HttpRequest, &subject).with("address", "127.0.0.1");
    let first = AuditEntry::after(&Head::origin(), asked);
    let answered = Deed::new(minute(1), PERSON, Act::HttpAnswer, &subject)
        .with_outcome("202")
        .with("request", first.number.to_string())
        .with("location", format!("{base}/jobs/{}", job_id()));
    let second = AuditEntry::after(&first.head(), answered);
    vec![second, first]
}
