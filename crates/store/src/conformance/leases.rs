//! Properties of leases and of units of work.

use super::samples::{at, create, job, message, unit};
use crate::error::StoreError;
use crate::store::Store;
use provost_domain::lease::UnitState;
use std::sync::Arc;
use tokio::task::JoinSet;

pub async fn held_until_given_up_or_silent(store: Arc<dyn Store>) {
    assert_eq!(store.lease("job").await.unwrap(), None);
    let first = store.take_lease("job", "a", None).await.unwrap().unwrap();
    assert_eq!((first.name.as_str(), first.holder.as_str(), first.epoch), ("job", "a", 1));
    assert_eq!(store.take_lease("job", "b", None).await.unwrap(), None);
    assert_eq!(store.take_lease("other", "b", None).await.unwrap().unwrap().epoch, 1, "names are apart");
    // After a beat, the state seen before is outdated.
    let beaten = store.renew_lease(&first).await.unwrap().unwrap();
    assert_eq!((beaten.epoch, beaten.beat), (1, first.beat + 1));
    assert_eq!(store.take_lease("job", "b", Some(first.clone())).await.unwrap(), None);
    // Unchanged since it was seen.
    let taken = store.take_lease("job", "b", Some(beaten.clone())).await.unwrap().unwrap();
    assert_eq!((taken.holder.as_str(), taken.epoch), ("b", 2));
    assert_eq!(store.renew_lease(&beaten).await.unwrap(), None, "it is another's");
    store.release_lease(&beaten).await.unwrap();
    assert_eq!(store.lease("job").await.unwrap(), Some(taken.clone()), "nor can it be given up");
    let again = store.take_lease("job", "b", None).await.unwrap().unwrap();
    assert_eq!(again.epoch, 3, "its holder may take it anew");
    assert_eq!(store.renew_lease(&taken).await.unwrap(), None);
    store.release_lease(&again).await.unwrap();
    assert_eq!(store.renew_lease(&again).await.unwrap(), None, "what was given up does not beat");
    assert!(!store.lease("job").await.unwrap().unwrap().is_held());
    let next = store.take_lease("job", "c", None).await.unwrap().unwrap();
    assert_eq!((next.holder.as_str(), next.epoch), ("c", 4));
}

/// If several take a lease that is free or has fallen silent, exactly one gets it.
pub async fn takings_race(store: Arc<dyn Store>) {
    let mut seen = None;
    for round in 1..=3 {
        let mut takings = JoinSet::new();
        for n in 0..8 {
            let (store, seen) = (Arc::clone(&store), seen.clone());
            let holder = format!("{round}-{n}");
            takings.spawn(async move { store.take_lease("job", &holder, seen).await.unwrap() });
        }
        let taken: Vec<_> = takings.join_all().await.into_iter().flatten().collect();
        assert_eq!(taken.len(), 1, "round {round}");
        assert_eq!(taken[0].epoch, round);
        seen = store.lease("job").await.unwrap();
        assert_eq!(seen.as_ref(), taken.first());
    }
}

/// Of a beat and a takeover based on the state before it, exactly one succeeds.
pub async fn beats_race_with_a_taking(store: Arc<dyn Store>) {
    for round in 0..8 {
        let name = format!("lease-{round}");
        let held = store.take_lease(&name, "a", None).await.unwrap().unwrap();
        let (one, two) = (Arc::clone(&store), Arc::clone(&store));
        let (beat, seen) = (held.clone(), held);
        let beating = tokio::spawn(async move { one.renew_lease(&beat).await.unwrap() });
        let taking = tokio::spawn(async move { two.take_lease(&seen.name.clone(), "b", Some(seen)).await.unwrap() });
        let (beaten, taken) = (beating.await.unwrap(), taking.await.unwrap());
        assert!(beaten.is_some() != taken.is_some(), "{beaten:?} and {taken:?}");
        assert_eq!(store.lease(&name).await.unwrap(), beaten.or(taken));
    }
}

fn is_conflict<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { .. }))
}

pub async fn units_are_compared(store: Arc<dyn Store>) {
    let job = create(&store, job(1, 0)).await;
    let offered = store.offer_unit(unit("u", &job, 0), vec![message("m")]).await.unwrap();
    assert_eq!(store.unit("u").await.unwrap(), Some(offered.clone()));
    assert_eq!(store.unit("v").await.unwrap(), None);
    assert_eq!(store.outbox_pending("event", 10).await.unwrap(), [message("m")]);
    assert!(is_conflict(&store.offer_unit(unit("u", &job, 0), vec![message("n")]).await), "an id names one unit");
    assert_eq!(store.outbox_count("event").await.unwrap(), 1);
    let mut saves = JoinSet::new();
    for n in 0..8 {
        let (store, mut unit) = (Arc::clone(&store), offered.clone());
        unit.lease.holder = format!("worker {n}");
        unit.progress = 0.1 + 0.2;
        saves.spawn(async move { store.save_unit(unit).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = saves.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1, "one save of one revision wins");
    assert!(lost.iter().all(is_conflict));
    let won = won.into_iter().next().unwrap().unwrap();
    assert!(won.rev > offered.rev);
    assert_eq!(store.unit("u").await.unwrap(), Some(won));
    let missing = store.save_unit(unit("v", &job, 0)).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing}");
}

pub async fn units_of_an_older_epoch_are_refused(store: Arc<dyn Store>) {
    let old = create(&store, job(1, 0)).await;
    let new = store.claim_job(&old.job.job_id, old.epoch).await.unwrap();
    assert!(is_conflict(&store.offer_unit(unit("u", &old, 0), vec![]).await));
    store.offer_unit(unit("u", &new, 0), vec![]).await.unwrap();
    let missing = store.offer_unit(unit("v", &job(9, 9), 0), vec![]).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing}");
}

pub async fn open_units_are_listed(store: Arc<dyn Store>) {
    let job = create(&store, job(1, 0)).await;
    let mut late = unit("a", &job, 9);
    late.created_at = at(9);
    let late = store.offer_unit(late, vec![]).await.unwrap();
    let early = store.offer_unit(unit("b", &job, 1), vec![]).await.unwrap();
    assert_eq!(store.open_units().await.unwrap(), [early.clone(), late.clone()], "oldest first");
    for (mut unit, state) in [(early, UnitState::Done), (late, UnitState::Withdrawn)] {
        unit.state = state;
        store.save_unit(unit).await.unwrap();
    }
    assert_eq!(store.open_units().await.unwrap(), []);
}
