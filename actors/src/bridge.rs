//! The Bridge stands between RabbitMQ and the system: inbound events into the inbox, the outbox onto the bus.
//!
//! The work runs on two threads, one per connection, with runtimes of their own: thousands of deliveries a second are
//! kept off the actors' thread. The actor starts the threads, sees their panics, and ends them when it ends.

pub mod amqp;
mod connect;
mod consumer;
mod dead_letter;
mod env;
mod inbox;
mod kept_answers;
pub(crate) mod listener;
pub mod parked;
mod predictions;
mod publisher;
mod publisher_channel;
mod queue_consumer;
mod relay;
mod session;
mod state;
pub mod topology;
mod unrouted;
pub mod upstream;

pub use crate::options::Address;
pub use amqp::AmqpError;
pub use dead_letter::HEADERS as PARKED_HEADERS;

use crate::failures::Kind;
use crate::jobs::Jobs;
use crate::options::{BridgeOptions, BridgeResources};
use crate::outbox::EVENTS;
use crate::panics::Owner;
use crate::retry::{never, retry, stopped_within};
use crate::serving::PredictionService;
use crate::supervise::{Slot, Status};
use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use env::BridgeEnv;
use inbox::Inbox;
use publisher_channel::PublishQueue;
use state::{Side, State};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// What a broker's queues hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub waiting: u64,
    pub parked: u64,
}

/// What a look at a broker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// None if the queues are not there yet.
    pub queues: Option<Waiting>,
    /// Exchanges and queues that are there with another type or other arguments than the service declares, so that it could
    /// never begin: the broker's words for each.
    pub unfit: Vec<String>,
}

/// Connects once, reads the depths of the queues and disconnects. Nothing is declared.
pub async fn check(options: &BridgeOptions) -> Result<Check, AmqpError> {
    let link = amqp::Link::open(&options.url, options.ca_file.as_deref(), "provost doctor", options.wait).await?;
    let mut depths = Vec::new();
    for queue in [topology::DATA, topology::TRAIN, topology::PARKED] {
        depths.push(link.depth(queue).await?.map(|depth| u64::from(depth.messages)));
    }
    let unfit = link.unfit(&topology::TOPOLOGY).await?;
    link.close().await;
    let queues = match depths[..] {
        [Some(data), Some(train), Some(parked)] => Some(Waiting { waiting: data + train, parked }),
        _ => None,
    };
    Ok(Check { queues, unfit })
}

/// How often the outbox is cut to its bound. Real time: it guards the disk.
const TRIM_EVERY: Duration = Duration::from_secs(10);
/// Longest wait for a side to end.
const END_WITHIN: Duration = Duration::from_secs(8);

pub struct Bridge {
    resources: Arc<BridgeResources>,
    jobs: Slot<Jobs>,
    predictions: PredictionService,
    state: State,
    /// Dropped with the actor, which ends the threads too.
    stop_consumer: watch::Sender<bool>,
    stop_publisher: watch::Sender<bool>,
    stop_trimming: watch::Sender<bool>,
    ended: watch::Sender<[bool; 2]>,
}

impl Bridge {
    pub(crate) fn new(resources: Arc<BridgeResources>, jobs: Slot<Jobs>, predictions: PredictionService) -> Self {
        Self {
            state: State::new(resources.metrics.clone()),
            resources,
            jobs,
            predictions,
            stop_consumer: watch::Sender::new(false),
            stop_publisher: watch::Sender::new(false),
            stop_trimming: watch::Sender::new(false),
            ended: watch::Sender::new([false; 2]),
        }
    }
}

impl Actor for Bridge {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        let trimming = trim(self.resources.clone(), self.state.clone(), self.stop_trimming.subscribe());
        ctx.spawn(trimming.into_actor(self));
        let Some(bridge) = self.resources.bus.clone() else { return };
        let (publisher, queued) = publisher_channel::channel();
        let (resources, state, jobs, ended) =
            (self.resources.clone(), self.state.clone(), self.jobs.clone(), self.ended.clone());
        let predictions = self.predictions.clone();
        let stops = (self.stop_consumer.subscribe(), self.stop_publisher.subscribe());
        let work = async move {
            let env = BridgeEnv {
                inbox: Inbox {
                    store: resources.inbox.clone(),
                    points: resources.points.clone(),
                    jobs,
                    max_bytes: bridge.max_message_bytes,
                    metrics: resources.metrics.clone(),
                },
                bridge,
                clock: resources.clock.clone(),
                predictions,
                responses: resources.responses.clone(),
                kept: Arc::default(),
                outbox: resources.outbox.clone(),
                health: resources.health.clone(),
                publisher,
                state,
                nudge: resources.nudge.clone(),
                watch_nudge: resources.watch_nudge.clone(),
                leases: resources.leases.clone(),
                failures: resources.failures.clone(),
                source: source(&resources).await,
            };
            let consuming = side(Side::Consumer, env.clone(), None, stops.0, ended.clone());
            let publishing = side(Side::Publisher, env, Some(queued), stops.1, ended);
            futures_util::future::join(consuming, publishing).await;
        };
        ctx.spawn(work.into_actor(self));
    }
}

crate::takes_messages!(Bridge);

impl Drop for Bridge {
    fn drop(&mut self) {
        for stop in [&self.stop_consumer, &self.stop_publisher, &self.stop_trimming] {
            stop.send_replace(true);
        }
    }
}

/// The component's name in reports of failures.
const COMPONENT: &str = "bridge";
const INSTALLATION: &str = "reading the installation";
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
const TRIMMING: &str = "trimming the outbox";

/// The `source` of what this installation announces.
async fn source(resources: &BridgeResources) -> String {
    let policy = resources.failures.policy(COMPONENT, INSTALLATION, Kind::of, PAUSES);
    let read = retry(&*resources.clock, policy, never(), || resources.installation.installation()).await;
    resources.failures.succeeded(COMPONENT, INSTALLATION);
    // The policy never gives up.
    let created_at = read.map(|installation| installation.created_at).unwrap_or_default();
    format!("/provost/{:x}", created_at.timestamp_micros())
}

/// Runs a side on a thread of its own and waits for its end; a panic there is one here.
async fn side(
    side: Side,
    env: BridgeEnv,
    queued: Option<PublishQueue>,
    stop: watch::Receiver<bool>,
    ended: watch::Sender<[bool; 2]>,
) {
    let (done, end) = oneshot::channel();
    let owner = Owner::current();
    let body = move || {
        let run = || session::run(side, &env, queued, &stop);
        let owned = || match &owner {
            Some(owner) => owner.run(run),
            None => run(),
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(owned));
        // An error means that the actor is gone.
        let _ = done.send(outcome);
    };
    let name = if side == Side::Consumer { "bridge-consumer" } else { "bridge-publisher" };
    if let Err(e) = std::thread::Builder::new().name(name.to_owned()).spawn(body) {
        panic!("no thread for the bridge: {e}");
    }
    match end.await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(e))) => panic!("no runtime for the bridge: {e}"),
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(_) => {}
    }
    ended.send_modify(|ended| ended[side as usize] = true);
}

/// Keeps the outbox within its bound, whether there is a bus or not.
async fn trim(resources: Arc<BridgeResources>, state: State, mut stop: watch::Receiver<bool>) {
    let mut told = false;
    while !stopped_within(TRIM_EVERY, &mut stop).await {
        let keep = resources.announcements;
        match resources.outbox.outbox_trim(EVENTS, keep).await {
            Ok(given_up) => {
                resources.failures.succeeded(COMPONENT, TRIMMING);
                if given_up > 0 {
                    state.count(|c| c.given_up += given_up);
                    if resources.bus.is_some() {
                        tracing::warn!(given_up, keep, "the outbox is full: the oldest announcements are given up");
                    } else if !std::mem::replace(&mut told, true) {
                        // Nobody waits for them: that is said once, and is no fault.
                        tracing::info!(
                            given_up,
                            keep,
                            "no bus is configured: of the announcements only the newest are kept, older ones are given up"
                        );
                    }
                }
            }
            Err(e) => {
                resources.failures.failed(COMPONENT, TRIMMING, Kind::of(&e), &e.to_string());
            }
        }
    }
}

impl Handler<Status> for Bridge {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.state.tell(self.resources.bus.is_none()))
    }
}

/// The two steps of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BridgeStop {
    /// Takes no more events; what was taken is acknowledged, the rest is left to the broker.
    Consuming,
    /// Announces what is left, as far as the broker is there, and ends.
    All,
}

impl Message for BridgeStop {
    type Result = ();
}

impl Handler<BridgeStop> for Bridge {
    type Result = ResponseActFuture<Self, ()>;
    fn handle(&mut self, stop: BridgeStop, _: &mut Context<Self>) -> Self::Result {
        self.stop_consumer.send_replace(true);
        if stop == BridgeStop::All {
            self.stop_publisher.send_replace(true);
            self.stop_trimming.send_replace(true);
        }
        let mut ended = self.ended.subscribe();
        let disabled = self.resources.bus.is_none();
        let waiting = async move {
            if disabled {
                return;
            }
            let over = |ended: &[bool; 2]| {
                ended[Side::Consumer as usize] && (stop == BridgeStop::Consuming || ended[Side::Publisher as usize])
            };
            if tokio::time::timeout(END_WITHIN, ended.wait_for(over)).await.is_err() {
                tracing::warn!("the bridge had not ended in time");
            }
        };
        Box::pin(waiting.into_actor(self))
    }
}
