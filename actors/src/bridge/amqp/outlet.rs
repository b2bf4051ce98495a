//! A publisher that waits for the broker's confirm of every message.

use super::message::Message;
use super::{AmqpError, Result};
use futures_util::future::join_all;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, ConnectionStatus};
use std::borrow::Borrow;
use std::time::Duration;

/// The result for a published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The broker has stored it in a queue.
    Confirmed,
    /// It was returned: no queue is bound for it (312). A plain acknowledgement does not show this.
    Unroutable(String),
    /// The broker refused it, for example because a queue is full.
    Refused,
}

/// Publishes on its own channel.
pub struct Outlet {
    channel: Channel,
    connection: ConnectionStatus,
    wait: Duration,
}

impl Outlet {
    pub(super) fn new(channel: Channel, connection: ConnectionStatus, wait: Duration) -> Self {
        Self { channel, connection, wait }
    }

    /// Publishes all messages as `mandatory`, and returns the results in order. While the broker blocks publishers
    /// (`blocked`) this waits without limit; if the broker is merely silent, that is an error, and it is unknown which
    /// messages were published.
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
