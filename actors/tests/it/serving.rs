//! Predictions by the active model: who answers, and what a swap, a damaged model, another process and a full queue change.

use crate::silence::{expect_panics, expect_restarts, start};
use crate::support::{config, finished, options, submit, system};
use chrono::{DateTime, Utc};
use provost_actors::error::RegistryError;
use provost_actors::sampler::Sampler;
use provost_actors::serving::NotExplained;
use provost_actors::{Handle, PredictOptions, PredictionError, Predictions};
use provost_domain::event::Retraction;
use provost_domain::prediction::{LoggedFeatures, PredictionRecord};
use provost_domain::{Algorithm, ModelId, TrainingConfig, sample};
use provost_predict::application::Application;
use provost_store::{InboxEffect, InboxEntry, PredictionFilter};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

fn applications(rows: usize) -> Vec<Application> {
    sample::draw(rows, 11).map(|drawn| Application::from_point(drawn.point)).collect()
}

fn logistic(seed: u64) -> TrainingConfig {
    TrainingConfig { random_state: seed, ..config(&[Algorithm::LogisticRegression]) }
}

/// A model that was trained here and is not active.
async fn model(handle: &Handle, seed: u64) -> ModelId {
    let id = submit(handle, logistic(seed)).await;
    let job = finished(handle, &id).await;
    job.trained_models.first().cloned().unwrap_or_else(|| panic!("{:?}", job.error_message))
}

async fn activate(handle: &Handle, id: &ModelId) {
    handle.activate(id, None, None).await.unwrap();
}

fn serving(handle: &Handle) -> Option<ModelId> {
    handle.serving().map(|serving| serving.model_id.clone())
}

#[actix_rt::test]
async fn an_activated_model_answers_at_once_and_as_itself() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let none = handle.predict(applications(1), PredictOptions::default()).await;
    assert!(matches!(none, Err(PredictionError::NoActiveModel)), "{none:?}");
    let id = model(&handle, 1).await;
    activate(&handle, &id).await;
    assert_eq!(serving(&handle), Some(id.clone()));
    let rows = applications(100);
    let answered = handle.predict(rows.clone(), PredictOptions::default()).await.unwrap();
    assert_eq!((answered.rows.len(), &answered.model.model_id), (100, &id));
    let alone = handle.predict(vec![rows[7].clone()], PredictOptions::default()).await.unwrap();
    assert_eq!(alone.rows[0].prediction, answered.rows[7].prediction, "one row and many are answered alike");
    assert!(answered.rows.iter().all(|row| (0.0..=1.0).contains(&row.prediction.probability)));
    let unknown = ModelId::new(Algorithm::Xgboost, Utc::now(), 1);
    let named = PredictOptions { model: Some(unknown.clone()), ..PredictOptions::default() };
    assert!(matches!(handle.predict(rows, named).await, Err(PredictionError::UnknownModel(id)) if id == unknown));
}

#[actix_rt::test]
async fn a_swap_under_load_costs_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let models = [model(&handle, 1).await, model(&handle, 2).await];
    activate(&handle, &models[0]).await;
    let (asking, known) = (Handle::clone(&handle), models.clone());
    let load = actix_rt::spawn(async move {
        let mut seen = [0u32; 2];
        while seen.iter().sum::<u32>() < 400 || seen.contains(&0) {
            let answered = asking.predict(applications(3), PredictOptions::default()).await.unwrap();
            let by = known.iter().position(|id| *id == answered.model.model_id).unwrap();
            seen[by] += 1;
            assert!(asking.serving().is_some());
            actix_rt::task::yield_now().await;
        }
    });
    let mut swaps = 0;
    while !load.is_finished() {
        swaps += 1;
        activate(&handle, &models[swaps % 2]).await;
        assert_eq!(serving(&handle).as_ref(), Some(&models[swaps % 2]));
    }
    load.await.unwrap();
}

#[actix_rt::test]
async fn a_model_that_does_not_open_leaves_the_old_one_serving() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let (good, damaged) = (model(&handle, 1).await, model(&handle, 2).await);
    activate(&handle, &good).await;
    let sha = handle.store().model(&damaged).await.unwrap().unwrap().version.model_sha256;
    let path = artifact(&folder.path().join("artifacts"), &sha);
    std::fs::write(path, b"damage").unwrap();
    let refused = handle.activate(&damaged, None, None).await;
    assert!(matches!(&refused, Err(RegistryError::CannotServe { model, .. }) if *model == damaged), "{refused:?}");
    assert_eq!(serving(&handle), Some(good.clone()));
    assert_eq!(handle.store().active_model().await.unwrap(), Some(good));
}

/// The file of an artifact, wherever below the folder it is.
fn artifact(folder: &Path, sha: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "").contains(sha) {
                return path;
            }
        }
    }
    panic!("no artifact {sha}");
}

#[actix_rt::test]
async fn an_activation_by_another_process_is_seen_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (system(folder.path()).await, system(folder.path()).await);
    let id = model(&a, 1).await;
    activate(&a, &id).await;
    let began = Instant::now();
    while serving(&b).as_ref() != Some(&id) {
        assert!(began.elapsed() < Duration::from_secs(2), "two seconds have passed");
        actix_rt::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn a_restart_of_the_actor_costs_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path()).await;
    let failpoints = options.failpoints.clone();
    let handle = start(options).await.unwrap();
    let (first, second) = (model(&handle, 1).await, model(&handle, 2).await);
    activate(&handle, &first).await;
    failpoints.arm("serving", 1);
    expect_panics("failpoint serving", 1);
    expect_restarts(1);
    assert!(handle.activate(&second, None, None).await.is_err());
    assert_eq!(serving(&handle), Some(first));
    handle.predict(applications(50), PredictOptions::default()).await.unwrap();
    activate(&handle, &second).await;
    assert_eq!(serving(&handle), Some(second));
}

#[actix_rt::test]
async fn what_is_predicted_is_logged_behind_the_answer_once() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let id = model(&handle, 1).await;
    activate(&handle, &id).await;
    let rows = applications(40);
    let silent = PredictOptions { log: false, ..PredictOptions::default() };
    handle.predict(rows.clone(), silent).await.unwrap();
    let keyed = PredictOptions { key: Some("a key".to_owned()), ..PredictOptions::default() };
    let answered = handle.predict(rows.clone(), keyed.clone()).await.unwrap();
    let again = handle.predict(rows.clone(), keyed).await.unwrap();
    let ids = |p: &Predictions| p.rows.iter().map(|r| r.prediction_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&answered), ids(&again), "a repeated request has the same ids");
    let last = handle.predict(vec![rows[0].clone()], PredictOptions::default()).await.unwrap();
    // What was asked last is logged last.
    let logged = loop {
        let page = handle.store().predictions(PredictionFilter::default(), None, 1000).await.unwrap();
        if page.items.iter().any(|entry| entry.prediction_id == last.rows[0].prediction_id) {
            break page.items;
        }
        actix_rt::task::yield_now().await;
    };
    assert_eq!(logged.len(), 41);
    for row in &answered.rows {
        let entry = logged.iter().find(|entry| entry.prediction_id == row.prediction_id).unwrap();
        assert_eq!((&entry.data_point_id, &entry.model_id), (&row.data_point_id, &id));
        assert_eq!(entry.probability, row.prediction.probability);
        assert!(!entry.features.names().is_empty());
    }
}

#[actix_rt::test]
async fn a_shutdown_leaves_no_prediction_unlogged() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let id = model(&handle, 1).await;
    activate(&handle, &id).await;
    for _ in 0..20 {
        handle.predict(applications(100), PredictOptions::default()).await.unwrap();
    }
    handle.shutdown(Duration::from_secs(10)).await;
    assert_eq!(handle.store().prediction_totals().await.unwrap().entries, 2_000);
}

#[actix_rt::test]
async fn shadow_models_score_what_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let (active, shadow) = (model(&handle, 1).await, model(&handle, 2).await);
    activate(&handle, &active).await;
    handle.set_shadow(vec![shadow.clone(), active.clone()]).await.unwrap();
    handle.predict(applications(60), PredictOptions::default()).await.unwrap();
    let report = loop {
        let report = handle.shadow().await.unwrap();
        if report.models.iter().all(|model| model.predictions == 60) {
            break report;
        }
        actix_rt::task::yield_now().await;
    };
    assert_eq!(report.model_ids, [shadow, active]);
    let itself = &report.models[1];
    assert_eq!((itself.agreement, itself.mean_difference), (Some(1.0), Some(0.0)));
    assert_eq!((itself.with_outcome, &itself.metrics), (0, &None));
    assert_eq!(report.dropped, 0);
    let too_many = handle.set_shadow(vec![ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, 1); 4]).await;
    assert!(matches!(too_many, Err(PredictionError::TooManyShadows)));
    // The selection is the store's: another process takes it over.
    let other = system(folder.path()).await;
    while other.shadow().await.unwrap().model_ids.len() < 2 {
        actix_rt::task::yield_now().await;
    }
    assert!(handle.set_shadow(Vec::new()).await.unwrap().models.is_empty());
}

#[actix_rt::test]
async fn a_model_whose_artifact_goes_answers_as_long_as_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let (serves, opened, closed) = (model(&handle, 1).await, model(&handle, 2).await, model(&handle, 3).await);
    activate(&handle, &serves).await;
    let named = |id: &ModelId| PredictOptions { model: Some(id.clone()), ..PredictOptions::default() };
    handle.predict(applications(3), named(&opened)).await.unwrap();
    for id in [&serves, &opened, &closed] {
        let sha = handle.store().model(id).await.unwrap().unwrap().version.model_sha256;
        std::fs::remove_file(artifact(&folder.path().join("artifacts"), &sha)).unwrap();
    }
    assert_eq!(handle.predict(applications(100), PredictOptions::default()).await.unwrap().model.model_id, serves);
    assert_eq!(handle.predict(applications(3), named(&opened)).await.unwrap().model.model_id, opened);
    let refused = handle.predict(applications(3), named(&closed)).await;
    assert!(matches!(&refused, Err(PredictionError::CannotServe { model, .. }) if *model == closed), "{refused:?}");
}

#[actix_rt::test]
async fn a_logged_prediction_is_explained_by_the_model_that_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let (first, second) = (model(&handle, 1).await, model(&handle, 2).await);
    activate(&handle, &first).await;
    let asked = PredictOptions { explain: true, ..PredictOptions::default() };
    let answered = handle.predict(applications(1), asked).await.unwrap();
    activate(&handle, &second).await;
    let record = loop {
        if let Some(record) = handle.store().prediction(&answered.rows[0].prediction_id).await.unwrap() {
            break record;
        }
        actix_rt::task::yield_now().await;
    };
    assert_eq!(record.model_id, first);
    let explained = handle.explain_logged(&record).await.unwrap().unwrap();
    assert_eq!(explained, answered.rows[0].explanation.clone().unwrap().unwrap());
    let gone = ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, 1);
    let record = PredictionRecord { model_id: gone, ..record };
    assert_eq!(handle.explain_logged(&record).await.unwrap(), Err(NotExplained::ModelDeleted));
    let record = PredictionRecord { model_id: first, features: LoggedFeatures::new([("gpa", Some(3.0))]), ..record };
    assert_eq!(handle.explain_logged(&record).await.unwrap(), Err(NotExplained::FeaturesNotLogged));
}

#[actix_rt::test]
async fn a_retracted_point_is_no_similar_row_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let id = model(&handle, 1).await;
    activate(&handle, &id).await;
    let nearest = async |application: Application| {
        let asked = PredictOptions { similar: 1, ..PredictOptions::default() };
        let answered = handle.predict(vec![application], asked).await.unwrap();
        let rows = answered.rows[0].similar.clone().unwrap().unwrap();
        [rows.accepted[0].distance, rows.rejected[0].distance]
    };
    // A point of the training part is its own nearest row.
    let mut found = None;
    for drawn in sample::draw(40, 7).filter(|drawn| drawn.point.decision.label().is_some()) {
        let label = usize::from(drawn.point.decision.label() == Some(0));
        if nearest(Application::from_point(drawn.point.clone())).await[label] == 0.0 {
            found = Some((drawn.point, label));
            break;
        }
    }
    let (point, label) = found.expect("of forty points some are trained on");
    let retraction = Retraction { data_point_id: point.data_point_id.clone(), seq: point.seq + 1 };
    let entry =
        InboxEntry { source: "/test".to_owned(), id: "1".to_owned(), payload_hash: "1".to_owned(), at: Utc::now() };
    handle.store().record_inbox(vec![(entry, InboxEffect::Retraction(retraction))]).await.unwrap();
    assert!(nearest(Application::from_point(point)).await[label] > 0.0, "the next one is nearest now");
}

/// Long: run by name, with `--ignored --nocapture`.
#[ignore = "takes minutes"]
#[actix_rt::test]
async fn ten_thousand_hot_swaps_under_load_cost_no_answer_and_no_memory() {
    const SWAPS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let models = [model(&handle, 1).await, model(&handle, 2).await];
    activate(&handle, &models[0]).await;
    let (asking, known, stop) = (Handle::clone(&handle), models.clone(), Rc::new(Cell::new(false)));
    let stopped = stop.clone();
    let load = actix_rt::spawn(async move {
        let (rows, silent) = (applications(1), PredictOptions { log: false, ..PredictOptions::default() });
        // How many took so many tenths of a microsecond; of constant size, since memory is what is measured.
        let mut took = vec![0u64; 10_000];
        while !stopped.get() {
            let began = Instant::now();
            let answered = asking.predict(rows.clone(), silent.clone()).await.unwrap();
            let tenths = began.elapsed().as_nanos() as usize / 100;
            took[tenths.min(9_999)] += 1;
            assert!(known.contains(&answered.model.model_id));
            actix_rt::task::yield_now().await;
        }
        took
    });
    let mut sampler = Sampler::new();
    let mut megabytes = || sampler.sample().unwrap().memory_mb;
    let mut before = 0.0;
    for swap in 0..SWAPS {
        activate(&handle, &models[swap % 2]).await;
        assert_eq!(serving(&handle).as_ref(), Some(&models[swap % 2]));
        if swap == SWAPS / 5 {
            before = megabytes();
        }
    }
    let after = megabytes();
    stop.set(true);
    let took = load.await.unwrap();
    let all: u64 = took.iter().sum();
    let at = |share: f64| {
        let mut seen = 0;
        let place = took.iter().position(|count| {
            seen += count;
            seen as f64 >= all as f64 * share
        });
        place.unwrap_or_default() as f64 / 10.0
    };
    let (median, p99) = (at(0.5), at(0.99));
    println!("{SWAPS} swaps, {all} predictions of one row: median {median} µs, p99 {p99} µs");
    println!("{before:.1} MiB after a fifth of them, {after:.1} MiB at the end");
    assert!((after / before - 1.0).abs() <= 0.02, "{before} MiB, then {after} MiB");
}
