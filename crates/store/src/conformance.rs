//! What every backend of [`Store`] must do, one function per property. A backend's tests give [`run`] a [`Backend`];
//! a property that does not hold panics.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a suite of assertions: a panic is its way to say no

mod jobs;
mod leases;
mod locks;
mod messages;
mod models;
mod needs;
mod points;
mod predictions;
mod retention;
pub mod samples;
mod watch;

use crate::error::StoreError;
use crate::store::Store;
use async_trait::async_trait;
use std::sync::Arc;

/// Makes stores for the suite.
#[async_trait]
pub trait Backend: Send + Sync {
    /// A store of its own with nothing in it.
    async fn empty(&self) -> Arc<dyn Store>;
    /// Closes this store and opens the same data again.
    async fn reopened(&self, store: Arc<dyn Store>) -> Arc<dyn Store>;
}

/// One function per room, which runs its properties, each on an empty store.
macro_rules! rooms {
    ($($room:ident: $($property:ident),+;)+) => {
        $(pub async fn $room(backend: &impl Backend) {
            $(
                eprintln!("conformance: {}::{}", stringify!($room), stringify!($property));
                $room::$property(backend.empty().await).await;
            )+
        })+

        /// Runs every property. Needs a tokio runtime; with several threads the races are real ones.
        pub async fn run(backend: &impl Backend) {
            $($room(backend).await;)+
            reopening(backend).await;
        }
    };
}

rooms! {
    points: outcomes, duplicates_in_one_batch, content_is_kept, order_and_selection, points_are_found_by_their_ids, a_stream_can_be_left,
        mark_moves_with_changes, arrivals_count_what_is_new, a_refused_batch_leaves_nothing, points_are_read_as_they_were_recorded;
    jobs: life_cycle, saves_are_compared, claims_fence_older_writers, claims_race, saves_race, events_are_numbered,
        events_race, queue_is_bounded, pages_lose_and_repeat_nothing, pages_are_bounded_in_bytes, jobs_are_ranked, bad_cursors_are_named,
        keys_repeat_responses,
        trials_are_idempotent, trials_are_read_in_parts, trials_of_an_older_epoch_are_refused, numbers_survive;
    leases: held_until_given_up_or_silent, takings_race, beats_race_with_a_taking, units_are_compared,
        units_of_an_older_epoch_are_refused, open_units_are_listed;
    models: registration_is_idempotent, names, activation_moves_one_pointer, unknown_models_are_not_activated,
        activations_race, activations_of_a_time, decisions, decisions_on_another_champion, histories_are_bounded_in_bytes, pages, evaluations_stay_readable, failed_evaluations_hide_nothing;
    messages: outbox_goes_with_its_change, outbox_is_in_order, inbox_is_deduplicated, inbox_and_points_are_one_step,
        responses_expire, responses_are_counted_by_owner, responses_race, retractions, outbox_is_bounded, triggers, triggers_arrive_with_their_event,
        triggers_lead_to_one_job, schedulers_race, schedule, slots;
    locks: keys_are_kept_with_their_deeds, the_earliest_revocation_counts, deeds_make_a_chain, pages_of_the_log_are_bounded_in_bytes, appends_race,
        sessions_are_seen_and_ended, sessions_are_bounded;
    predictions: an_empty_log_has_nothing, entries_come_back_as_they_were, a_refused_entry_leaves_nothing, lists_are_filtered,
        outcomes_are_joined, a_retraction_removes_entries, the_shadow_is_compared, the_log_is_bounded, each_caller_has_a_share_of_the_log,
        the_shadow_selection_is_kept, parts_of_the_log_are_read;
    needs: needs_are_raised_once, needs_are_dealt_with, younger_facts_open_needs_again, dealt_needs_are_forgotten;
    watch: nothing_is_watched_at_first, windows_go_with_the_state, a_window_is_replaced_by_its_own, windows_are_listed,
        watchers_race, windows_learn_of_outcomes;
    retention: old_messages_are_forgotten, old_windows_are_forgotten, expired_sessions_are_forgotten, ended_jobs_keep_their_record, steps_are_bounded, artifacts_in_use;
}

/// Everything that was answered as stored is there after the store is opened again.
pub async fn reopening(backend: &impl Backend) {
    eprintln!("conformance: reopening");
    let store = backend.empty().await;
    store.ping().await.unwrap();
    let installation = store.installation().await.unwrap();
    let point = samples::point("p-1", 1);
    store.record_points(vec![point.clone()]).await.unwrap();
    let mark = store.point_totals().await.unwrap();
    let job = samples::create(&store, samples::job(1, 0)).await;
    let job = store.save_job(job, vec![samples::event(1)], vec![samples::message("m-1")]).await.unwrap();
    let id = job.job.job_id.clone();
    let trial = samples::trial(&id, 0);
    store.record_trial(job.epoch, trial.clone()).await.unwrap();
    let model = samples::model(1, &id);
    let evaluation = samples::evaluation("task-1", &model);
    store.register_model(model.clone(), evaluation.clone(), vec![]).await.unwrap();
    let model_id = model.version.model_id.clone();
    let active = store.activate_model(&model_id, None, None, samples::at(5), vec![]).await.unwrap();
    let response = samples::response("key", samples::at(0));
    store.store_response(response.clone()).await.unwrap();

    store.close();
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))), "it is closed");
    let store = backend.reopened(store).await;
    assert_eq!(store.installation().await.unwrap(), installation);
    assert_eq!(points::all(&store, false).await, [point]);
    assert_eq!(store.point_totals().await.unwrap(), mark);
    assert_eq!(store.job(&id).await.unwrap(), Some(job.clone()));
    assert_eq!(store.unfinished_jobs().await.unwrap(), [(&job).into()]);
    assert_eq!(store.unreadable(), [""; 0]);
    assert_eq!(store.job_events(&id, 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.trials(&id, trial.algorithm).await.unwrap(), [trial]);
    assert_eq!(store.model(&model_id).await.unwrap(), Some(active));
    assert_eq!(store.active_model().await.unwrap(), Some(model_id.clone()));
    assert_eq!(store.activations(None, 10).await.unwrap().items.len(), 1);
    assert_eq!(store.evaluation(&model_id).await.unwrap(), Some(evaluation));
    assert_eq!(store.stored_response("key", samples::at(1)).await.unwrap(), Some(response));
    assert_eq!(store.outbox_pending("event", 10).await.unwrap(), [samples::message("m-1")]);
    // The number after the last is remembered too.
    store.save_job(job, vec![samples::event(2)], vec![]).await.unwrap();
    let numbers: Vec<u64> = store.job_events(&id, 0, 10).await.unwrap().iter().map(|e| e.seq).collect();
    assert_eq!(numbers, [1, 2]);
}
