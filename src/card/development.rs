//! Section 2: how the model was developed, and from which data.

use super::block::{Block, Section};
use super::data;
use super::numbers::{moment, three};
use super::records::Records;
use super::words::{feature, plain};
use provost_domain::config::Tuning;

pub fn section(records: &Records) -> Section {
    let (version, model) = (&records.model.version, &records.model);
    let config = &version.training_config;
    let mut blocks = vec![Block::heading("Design choices")];
    let (trials, more) = records.trials;
    let searched = match config.hyperparameter_tuning {
        Tuning::None => "no search: the parameters are the library's defaults".to_owned(),
        _ if trials == 0 => "the trials of the search are not on record any more".to_owned(),
        _ => format!("{}{trials} candidates were tried", if more { "more than " } else { "" }),
    };
    blocks.push(Block::facts([
        ("Search", plain(config.hyperparameter_tuning)),
        ("Candidates", searched),
        (
            "Chosen by",
            format!("{} on {} folds of the training rows", config.target_metric.title(), config.cross_validation_folds),
        ),
        (
            "Cross-validated",
            format!(
                "{} ± {} ({} folds)",
                three(version.metrics.cv_mean),
                three(version.metrics.cv_std),
                version.metrics.cv_scores.len()
            ),
        ),
        ("Feature selection", plain(config.feature_selection)),
        ("Features", plain(config.features)),
        ("Seed", config.random_state.to_string()),
        ("Iterations of the final fit", version.metrics.iterations_completed.to_string()),
        ("Decision threshold", three(model.threshold)),
    ]));
    blocks.push(Block::text(
        "Candidates were compared on out-of-fold predictions of the training rows. Probabilities were calibrated and the threshold \
         was set on the same predictions. No test row took part in any of this.",
    ));
    if !version.hyperparameters.is_empty() {
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut rows: Vec<Vec<String>> =
            version.hyperparameters.iter().map(|(name, value)| vec![name.clone(), text(value)]).collect();
        rows.sort();
        blocks.push(Block::table(&["Parameter", "Value"], rows));
    }
    let mut features: Vec<_> = version.feature_importance.iter().collect();
    features.sort_by_key(|f| f.rank);
    if !features.is_empty() {
        let row = |f: &&provost_domain::model::FeatureImportance| {
            vec![f.rank.to_string(), feature(&f.feature_name), three(f.importance_score)]
        };
        blocks.push(Block::table(&["Rank", "Feature", "Importance"], features.iter().map(row).collect()));
    }
    if let Some(job) = &records.job {
        blocks.push(Block::heading("The job that trained it"));
        blocks.push(Block::facts([
            ("Job", job.job_id.to_string()),
            ("Asked for", moment(job.created_at)),
            ("By", job.created_by.clone().unwrap_or_default()),
            ("Ended", job.completed_at.map(moment).unwrap_or_default()),
        ]));
        let why = job.triggers.iter().map(|t| {
            let (by, reason) = (t.triggered_by.clone().unwrap_or_default(), t.reason.clone().unwrap_or_default());
            vec![moment(t.triggered_at), plain(t.trigger_type), by, reason]
        });
        let why: Vec<Vec<String>> = why.collect();
        if !why.is_empty() {
            blocks.push(Block::table(&["When", "Reason for training", "By", "In words"], why));
        }
        if !job.warnings.is_empty() {
            blocks.push(Block::text("Warnings of the job:"));
            blocks.push(Block::List(job.warnings.clone()));
        }
    }
    blocks.extend(data::blocks(records));
    blocks.push(Block::heading("Human oversight"));
    blocks.push(Block::said(
        &records.texts.oversight,
        "Who looks at an estimate before an application is decided, and how can that person disagree with the estimate?",
    ));
    blocks.push(Block::heading("Cybersecurity"));
    blocks.push(Block::text(
        "Requests need a key with a role. Artifacts are named by their SHA-256 and checked at each load; no artifact holds code. \
         Every change is in an audit log whose entries hold the hash of the one before.",
    ));
    blocks.push(Block::blank("Which further measures protect the computer, the keys and the data?"));
    Section { number: 2, key: "development_process", title: "Elements of the system and of its development", blocks }
}
