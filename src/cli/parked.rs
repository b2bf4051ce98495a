//! `provost parked`: the messages that could not be processed.

use super::common::{Common, Output};
use super::{prefix, show};
use crate::error::{Error, Result};
use crate::open;
use clap::{Args, Subcommand};
use provost_actors::bridge::AmqpError;
use provost_actors::bridge::parked::{Outcome, Parked, ParkingQueue, Which, Whole};
use serde_json::{Value, json};

#[derive(Args)]
pub struct ParkedArgs {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Subcommand)]
pub enum Action {
    /// List parked messages, the oldest first, and leave them parked
    List {
        /// The most entries shown
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Show one message with its headers and body, and leave it parked
    Show {
        /// The message's id, or a prefix that no other message's id has
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Send messages to their queue again and remove them from the parking queue
    Replay(Chosen),
    /// Remove messages from the parking queue for good
    Discard(Chosen),
}

#[derive(Args)]
pub struct Chosen {
    /// Whole ids of messages
    #[arg(required_unless_present = "all", value_name = "ID")]
    pub ids: Vec<String>,
    /// Every message that is parked now
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    #[command(flatten)]
    pub common: Common,
}

/// How many messages, the oldest first, are searched for a prefix of an id.
const LOOKED_AT: u32 = 10_000;

impl Chosen {
    // Whole ids only: senders choose the ids, so that a message that is gone may have had a prefix of another message's id.
    fn which(&self) -> Which {
        if self.all { Which::All } else { Which::Ids(self.ids.iter().cloned().collect()) }
    }
}

/// Why the work on the queue failed.
enum Ended {
    Bus(AmqpError),
    Command(Error),
}

impl From<AmqpError> for Ended {
    fn from(error: AmqpError) -> Self {
        Ended::Bus(error)
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Ended::Command(error)
    }
}

/// The message with this id, else the only one whose id has this prefix.
async fn find(queue: &ParkingQueue, written: &str) -> std::result::Result<Option<Whole>, Ended> {
    if let Some(whole) = queue.show(written).await? {
        return Ok(Some(whole));
    }
    let (listed, _) = queue.list(LOOKED_AT).await?;
    match prefix::only("messages", written, listed.iter().map(|message| message.id.as_str()))? {
        Some(id) => Ok(queue.show(id).await?),
        None => Ok(None),
    }
}

pub fn run(args: &ParkedArgs) -> Result<()> {
    match &args.action {
        Action::List { limit, common } => {
            let (messages, all) = on_queue(common, async |queue| Ok(queue.list(*limit).await?))?;
            list(&messages, all, &common.output);
            Ok(())
        }
        Action::Show { id, common } => {
            let found = on_queue(common, async |queue| find(queue, id).await)?;
            let whole = found.ok_or_else(|| Error::failed(format!("no parked message {id}")))?;
            show::tell(common.output.json, || told(&whole), || text(&whole));
            Ok(())
        }
        Action::Replay(chosen) => {
            let outcome = on_queue(&chosen.common, async |queue| Ok(queue.replay(&chosen.which()).await?))?;
            report("replayed", &outcome, chosen.common.output.json)
        }
        Action::Discard(chosen) => {
            let outcome = on_queue(&chosen.common, async |queue| Ok(queue.discard(&chosen.which()).await?))?;
            report("discarded", &outcome, chosen.common.output.json)
        }
    }
}

/// Runs `work` on the parking queue of the broker in the settings.
fn on_queue<T>(common: &Common, work: impl AsyncFn(&ParkingQueue) -> std::result::Result<T, Ended>) -> Result<T> {
    let settings = common.settings()?;
    let Some(bridge) = &settings.bridge.options else {
        return Err(Error::usage_with("no message broker is configured", "set bridge.url (PROVOST_BRIDGE__URL)"));
    };
    open::runtime()?
        .block_on(async {
            let queue = ParkingQueue::open(bridge).await?;
            let outcome = work(&queue).await?;
            queue.close().await;
            Ok(outcome)
        })
        .map_err(|ended: Ended| match ended {
            Ended::Bus(e) => Error::failed(format!("{}: {e}", bridge.url)),
            Ended::Command(e) => e,
        })
}

fn list(messages: &[Parked], all: u32, output: &Output) {
    if output.json {
        for message in messages {
            show::object(&json!(message));
        }
        return;
    }
    if messages.is_empty() {
        show::line("Nothing is parked.");
        return;
    }
    let rows: Vec<Vec<String>> = messages
        .iter()
        .map(|m| {
            vec![
                m.id.clone(),
                m.at.clone().unwrap_or_else(|| "-".to_owned()),
                m.queue.clone(),
                m.bytes.to_string(),
                m.reason.clone(),
                m.detail.clone(),
            ]
        })
        .collect();
    let head = ["id", "parked at", "queue", "bytes", "reason", "detail"];
    show::line(&show::fitted(&head, &rows, output.width()));
    if (messages.len() as u64) < u64::from(all) {
        show::line(&format!("  {} of {all}; --limit shows more", messages.len()));
    }
}

fn body(whole: &Whole) -> Value {
    serde_json::from_slice(&whole.body).unwrap_or_else(|_| String::from_utf8_lossy(&whole.body).into_owned().into())
}

fn told(whole: &Whole) -> Value {
    let mut told = json!(whole.summary);
    if let Some(told) = told.as_object_mut() {
        told.insert("content_type".to_owned(), json!(whole.content_type));
        told.insert("headers".to_owned(), json!(whole.headers));
        told.insert("body".to_owned(), body(whole));
    }
    told
}

fn text(whole: &Whole) -> String {
    let Parked { id, reason, detail, queue, bytes, .. } = &whole.summary;
    let mut rows = vec![
        vec!["id".to_owned(), id.clone()],
        vec!["reason".to_owned(), reason.clone()],
        vec!["detail".to_owned(), detail.clone()],
        vec!["queue".to_owned(), queue.clone()],
        vec!["bytes".to_owned(), bytes.to_string()],
        vec!["content type".to_owned(), whole.content_type.clone().unwrap_or_else(|| "-".to_owned())],
    ];
    rows.extend(whole.headers.iter().map(|(name, value)| vec![name.clone(), value.clone()]));
    let body = match body(whole) {
        Value::String(text) => text,
        json => serde_json::to_string_pretty(&json).unwrap_or_default(),
    };
    // Indented deeper than everything that does not come from the sender.
    let body: Vec<String> = body.lines().map(|line| format!("    {line}")).collect();
    format!("{}\n\n{}", show::table(&["", "value"], &rows), body.join("\n"))
}

fn report(done: &str, outcome: &Outcome, json: bool) -> Result<()> {
    if json {
        show::object(&json!({ done: outcome.done, "stayed": outcome.stayed, "missing": outcome.missing }));
    } else {
        show::line(&format!("{} {done}", outcome.done.len()));
    }
    let stayed = outcome.stayed.iter().map(|(id, why)| format!("{id}: {why}"));
    let missing = outcome.missing.iter().map(|id| format!("{id}: no such parked message"));
    let faults: Vec<String> = stayed.chain(missing).collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::failed(faults.join("\n"))) }
}
