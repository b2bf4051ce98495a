//! The consumer of one queue: gather a batch, read it, record it, then move what cannot stay and acknowledge. The stages overlap,
//! each holds one batch, and the prefetch bounds them all.

use super::amqp::{Acker, Intake, Link, Message, Published, Received, Result};
use super::dead_letter::{self, DETAIL, Next, REASON};
use super::env::BridgeEnv;
use super::inbox::{Event, StoreAway, Verdict, read};
use crate::clock::SystemClock;
use crate::panics::Owner;
use crate::retry::{Backoff, retry, stopped_within};
use provost_domain::event::{Refusal, RefusalCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Deliveries that wait to be moved while the publisher is away; with more the consumer stops.
const HELD: usize = 100;
/// Longest that a delivery is held; brokers close a channel that holds one for half an hour.
const HELD_FOR: Duration = Duration::from_secs(600);
/// Interval between tries to move held deliveries.
const HELD_RETRY: Duration = Duration::from_secs(1);
/// Pauses while the store cannot be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Deliveries with what they say.
struct Batch {
    received: Vec<Received>,
    events: Vec<std::result::Result<Event, Refusal>>,
}

/// Why the stages ended without a fault of the broker.
enum End {
    Stopped,
    /// With the batch that could not be recorded.
    StoreAway(StoreAway, Batch),
}

/// Consumes until `stop`; with the store away it gives everything back and waits. An error is the connection's.
pub async fn run(env: &BridgeEnv, link: &Link, queue: &'static str, stop: watch::Receiver<bool>) -> Result<()> {
    loop {
        let prefetch = env.bridge.batch.saturating_mul(env.bridge.prefetch_batches);
        let mut intake = link.intake(queue, prefetch).await?;
        let end = stages(env, &mut intake, stop.clone()).await?;
        intake.release().await?;
        match end {
            End::Stopped => return Ok(()),
            End::StoreAway(why, batch) => {
                tracing::warn!(queue, error = %why, "the store is away: consuming stops");
                env.state.store(queue, Some(why.0));
                if !store_is_back(env, queue, &batch, stop.clone()).await {
                    return Ok(());
                }
                env.state.store(queue, None);
                tracing::info!(queue, "the store is back: consuming goes on");
            }
        }
    }
}

/// Waits until the store records what it could not record before. These deliveries went back to the broker already: they come
/// again as duplicates. Asking only for a sign of life would not do: a store that is full gives one, and every round of
/// deliveries counts against a message. False: stopped.
async fn store_is_back(env: &BridgeEnv, queue: &'static str, batch: &Batch, mut stop: watch::Receiver<bool>) -> bool {
    // It could not record them just now.
    let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
    if stopped_within(backoff.failed(), &mut stop).await {
        return false;
    }
    let record = || async {
        env.health.ping().await.map_err(|e| e.to_string())?;
        env.inbox.record(&batch.events, &batch.received, env.clock.now()).await.map_err(|e| e.0)
    };
    let policy = backoff.policy(|error: &String, _| {
        env.state.store(queue, Some(error.clone()));
        true
    });
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    // Real time: it is the store's own.
    let Ok((_, tally)) = retry(&SystemClock::new(), policy, stopped, record).await else { return false };
    env.state.count(|c| {
        c.taken += tally.taken;
        c.duplicates += tally.duplicates;
    });
    if tally.news {
        env.nudge.notify_one();
        env.watch_nudge.notify_one();
    }
    true
}

async fn stages(env: &BridgeEnv, intake: &mut Intake, stop: watch::Receiver<bool>) -> Result<End> {
    let queue = intake.queue();
    let (to_record, batches) = mpsc::channel(1);
    let (to_settle, verdicts) = mpsc::channel(2);
    // The stages end one after the other, each with its channel: what was recorded is still acknowledged.
    let (gathered, recorded, settled) = tokio::join!(
        gather(env, intake, to_record, stop),
        record(env, batches, to_settle),
        settle(env, queue, verdicts)
    );
    settled?;
    match recorded {
        Some(end) => Ok(end),
        None => gathered.map(|()| End::Stopped),
    }
}

async fn gather(
    env: &BridgeEnv,
    intake: &mut Intake,
    to_record: mpsc::Sender<Batch>,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let most = usize::from(env.bridge.batch);
    loop {
        let first = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            () = to_record.closed() => return Ok(()),
            first = intake.next() => first?,
        };
        // Real time: how long the first delivery may wait for company.
        let until = Instant::now() + env.bridge.batch_wait;
        let mut received = Vec::with_capacity(most);
        received.push(first);
        let mut fault = None;
        while received.len() < most && fault.is_none() {
            let next = match intake.ready() {
                Some(next) => next,
                None => match tokio::time::timeout_at(until, intake.next()).await {
                    Ok(next) => next,
                    Err(_) => break,
                },
            };
            match next {
                Ok(delivery) => received.push(delivery),
                Err(e) => fault = Some(e),
            }
        }
        if let Some(fault) = fault {
            // What came before the fault comes again.
            return Err(fault);
        }
        let (max_bytes, now) = (env.inbox.max_bytes, env.clock.now());
        // Not `off_the_arbiter`: a panic here is the Bridge's, and ends it.
        let owner = Owner::current();
        let reading = tokio::task::spawn_blocking(move || {
            let read =
                || Batch { events: received.iter().map(|r| read(&r.message, max_bytes, now)).collect(), received };
            match &owner {
                Some(owner) => owner.run(read),
                None => read(),
            }
        });
        let batch = match reading.await {
            Ok(batch) => batch,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            Err(_) => return Ok(()),
        };
        if to_record.send(batch).await.is_err() {
            return Ok(());
        }
    }
}

type Settled = Vec<(Received, Verdict)>;

/// Answers why it ended before the batches did.
async fn record(env: &BridgeEnv, mut batches: mpsc::Receiver<Batch>, to_settle: mpsc::Sender<Settled>) -> Option<End> {
    while let Some(batch) = batches.recv().await {
        match env.inbox.record(&batch.events, &batch.received, env.clock.now()).await {
            Ok((verdicts, tally)) => {
                env.state.count(|c| {
                    c.taken += tally.taken;
                    c.duplicates += tally.duplicates;
                });
                if tally.news {
                    env.nudge.notify_one();
                    env.watch_nudge.notify_one();
                }
                if to_settle.send(batch.received.into_iter().zip(verdicts).collect()).await.is_err() {
                    return None;
                }
            }
            Err(away) => return Some(End::StoreAway(away, batch)),
        }
    }
    None
}

/// A delivery that is to go elsewhere.
struct Move {
    acker: Acker,
    message: Arc<Message>,
    next: Next,
}

async fn settle(env: &BridgeEnv, queue: &str, mut verdicts: mpsc::Receiver<Settled>) -> Result<()> {
    let wait = env.bridge.wait;
    let mut held: Vec<Move> = Vec::new();
    let mut since = Instant::now();
    loop {
        if held.is_empty() {
            since = Instant::now();
        } else if since.elapsed() > HELD_FOR {
            tracing::warn!(queue, deliveries = held.len(), "could not be moved and go back to their queue");
            for stuck in held.drain(..) {
                acknowledged(env, stuck.acker.reject(wait).await?);
            }
        }
        let batch = tokio::select! {
            batch = verdicts.recv(), if held.len() < HELD => match batch {
                Some(batch) => batch,
                // What is still held goes back with the consumer.
                None => return Ok(()),
            },
            () = tokio::time::sleep(HELD_RETRY), if !held.is_empty() => Vec::new(),
        };
        let mut moves = std::mem::take(&mut held);
        let late = moves.len();
        let mut done = Vec::with_capacity(batch.len());
        for (received, verdict) in batch {
            match verdict {
                Verdict::Done => done.push(received.acker),
                verdict => moves.push(movement(env, queue, received, verdict)),
            }
        }
        tell(queue, &moves[late..]);
        let gone = if moves.is_empty() { Vec::new() } else { publish(env, moves, &mut held).await };
        if held.is_empty() && late == 0 {
            // All of the batch, and everything before it, is dealt with.
            let last = done.iter().chain(&gone).max_by_key(|acker| acker.tag());
            if let Some(last) = last {
                acknowledged(env, last.ack_all_to_here(wait).await?);
            }
            continue;
        }
        for acker in done.iter().chain(&gone) {
            acknowledged(env, acker.ack(wait).await?);
        }
    }
}

fn movement(env: &BridgeEnv, queue: &str, received: Received, verdict: Verdict) -> Move {
    let Received { acker, message, .. } = received;
    let now = env.clock.now();
    let (message, next) = match verdict {
        Verdict::Later(why) => dead_letter::retried(message, queue, &why, now),
        Verdict::Park(refusal) => {
            let id = message.message_id().unwrap_or("-");
            tracing::debug!(queue, id, code = %refusal.code, detail = %refusal.detail, "an event is parked");
            (dead_letter::parked(message, queue, &refusal, now), Next::Parked)
        }
        // Not asked for: a message that is done does not move.
        Verdict::Done => (message, Next::Parked),
    };
    Move { acker, message: Arc::new(message), next }
}

/// One line for all of a batch: whoever publishes can send such events by the thousand.
fn tell(queue: &str, moves: &[Move]) {
    let header = |moved: &Move, name: &str| moved.message.header(name).unwrap_or_default();
    let parked_as =
        |moved: &Move, code: RefusalCode| moved.next == Next::Parked && header(moved, REASON) == code.as_str();
    let failed = |moved: &&Move| moved.next != Next::Parked || parked_as(moved, RefusalCode::Exhausted);
    if let Some(first) = moves.iter().find(failed) {
        let (events, why) = (moves.iter().filter(failed).count(), header(first, DETAIL));
        tracing::warn!(queue, events, why, "an event could not be taken in");
    }
    let mismatch = |moved: &&Move| parked_as(moved, RefusalCode::Mismatch);
    if let Some(first) = moves.iter().find(mismatch) {
        let (events, detail) = (moves.iter().filter(mismatch).count(), header(first, DETAIL));
        let id = first.message.message_id().unwrap_or("-");
        tracing::warn!(target: "audit", queue, events, id, detail, "an event was parked: mismatch");
    }
}

/// Publishes moves with confirms; those that arrived may be acknowledged, the others are held.
async fn publish(env: &BridgeEnv, moves: Vec<Move>, held: &mut Vec<Move>) -> Vec<Acker> {
    let messages = moves.iter().map(|m| m.message.clone()).collect();
    let Some(outcomes) = env.publisher.publish(messages, env.bridge.wait).await else {
        tracing::warn!(deliveries = moves.len(), "the publisher is away: what is to be moved is held");
        held.extend(moves);
        return Vec::new();
    };
    // One line for all: broken events may come by the thousand.
    let parked = || moves.iter().filter(|m| m.next == Next::Parked);
    if let Some(first) = parked().next() {
        let header = |name: &str| first.message.header(name).unwrap_or_default();
        tracing::info!(
            events = parked().count(),
            reason = header(REASON),
            detail = header(DETAIL),
            "events were parked"
        );
    }
    let mut gone = Vec::with_capacity(moves.len());
    for (moved, outcome) in moves.into_iter().zip(outcomes) {
        if outcome == Published::Confirmed {
            env.state.count(|c| match moved.next {
                Next::Parked => c.parked += 1,
                Next::Later(_) => c.retried += 1,
            });
            gone.push(moved.acker);
        } else {
            tracing::warn!(?outcome, to = moved.message.routing_key(), "a message could not be moved");
            held.push(moved);
        }
    }
    gone
}

fn acknowledged(env: &BridgeEnv, reached: bool) {
    if !reached {
        env.state.count(|c| c.unacknowledged += 1);
    }
}
