//! A publisher that waits for the broker's confirm of everything.

use super::message::Message;
use super::{AmqpError, Result};
use futures_util::future::join_all;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, ConnectionStatus};
use std::borrow::Borrow;
use std::time::Duration;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The broker has it, safe in a queue.
    Confirmed,
    /// It came back: no queue wanted it (312), which a plain acknowledgement does not tell.
    Unroutable(String),
    /// The broker could not take it, such as for a queue that is full.
    Refused,
}

/// Publishes on a channel of its own.
pub struct Outlet {
    channel: Channel,
    connection: ConnectionStatus,
    wait: Duration,
}

impl Outlet {
    pub(super) fn new(channel: Channel, connection: ConnectionStatus, wait: Duration) -> Self {
        Self { channel, connection, wait }
    }

    /// Publishes all, `mandatory`, and answers in order. While the broker holds back publishers (`blocked`) it is waited
    /// for without an end; a broker that is merely silent is an error, and then what was published is not known.
    pub async fn publish<M: Borrow<Message>>(&self, messages: &[M]) -> Result<Vec<Published>> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let all = join_all(messages.iter().map(|message| async move {
            let Message { exchange, routing_key, properties, body } = message.borrow();
            let confirm = self
                .channel
                .basic_publish(exchange.clone(), routing_key.clone(), options, body, properties.clone())
                .await?;
            Ok::<_, lapin::Error>(match confirm.await? {
                Confirmation::Ack(None) => Published::Confirmed,
                Confirmation::Ack(Some(returned)) => {
                    Published::Unroutable(format!("{} {}", returned.reply_code, returned.reply_text))
                }
                Confirmation::Nack(_) | Confirmation::NotRequested => Published::Refused,
            })
        }));
        let mut all = std::pin::pin!(all);
        loop {
            match tokio::time::timeout(self.wait, &mut all).await {
                Ok(outcomes) => return outcomes.into_iter().map(|o| o.map_err(AmqpError::from)).collect(),
                Err(_) if self.connection.connected() && self.connection.blocked() => {}
                Err(_) => return Err(AmqpError::Mute(self.wait, "basic.publish")),
            }
        }
    }
}
