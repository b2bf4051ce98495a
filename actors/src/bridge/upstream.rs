//! A client of the bus that acts as an upstream service, on its own connection: it publishes events and receives
//! announcements. It knows the contract and nothing of the Bridge.

use super::amqp::{Intake, Link, Message, Outlet, Published, Result};
use super::topology::EVENTS;
use crate::options::BridgeOptions;
use provost_domain::event::STRUCTURED;
use serde_json::Value;

/// How many events are published before their confirms are awaited.
const AT_A_TIME: usize = 500;

pub struct Upstream {
    link: Link,
    outlet: Outlet,
    heard: Intake,
}

impl Upstream {
    /// Subscribes to everything published from now on.
    pub async fn open(options: &BridgeOptions) -> Result<Self> {
        let link = Link::open(&options.url, options.ca_file.as_deref(), "provost demo", options.wait).await?;
        let heard = link.subscribe(EVENTS, "#").await?;
        let outlet = link.outlet().await?;
        Ok(Self { link, outlet, heard })
    }

    /// Publishes events in structured mode, each with its routing key; returns how many the broker confirmed.
    pub async fn publish(&self, events: &[(&str, Value)]) -> Result<usize> {
        let mut confirmed = 0;
        for some in events.chunks(AT_A_TIME) {
            let message = |(key, event): &(&str, Value)| {
                let id = event["id"].as_str().unwrap_or_default();
                Message::new(EVENTS, key, STRUCTURED, id, event.to_string().into_bytes())
            };
            let messages: Vec<Message> = some.iter().map(message).collect();
            let outcomes = self.outlet.publish(&messages).await?;
            confirmed += outcomes.iter().filter(|o| **o == Published::Confirmed).count();
        }
        Ok(confirmed)
    }

    /// The next event: its routing key, and the event as received.
    pub async fn next_event(&mut self) -> Result<(String, Value)> {
        loop {
            let message = self.heard.next().await?.message;
            if let Ok(event) = serde_json::from_slice(&message.body) {
                return Ok((message.routing_key().to_owned(), event));
            }
        }
    }

    pub async fn close(self) {
        self.link.close().await;
    }
}
