//! A consumer of one queue.

use super::message::Message;
use super::{AmqpError, Result, within};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicNackOptions, BasicRejectOptions};
use lapin::{Channel, Consumer};
use std::time::Duration;

/// A delivery: a message that this consumer holds until it is acknowledged.
pub struct Received {
    /// The message was delivered before, and may have had its effect.
    pub redelivered: bool,
    pub message: Message,
    pub acker: Acker,
}

/// Settles one delivery.
pub struct Acker {
    tag: u64,
    inner: lapin::Acker,
}

impl From<Delivery> for Received {
    fn from(delivery: Delivery) -> Self {
        let Delivery { delivery_tag, exchange, routing_key, redelivered, properties, data, acker } = delivery;
        let message = Message { exchange, routing_key, properties, body: data };
        Self { redelivered, message, acker: Acker { tag: delivery_tag, inner: acker } }
    }
}

impl Acker {
    /// The delivery tag; increases with each delivery of a channel.
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// False: not acknowledged; the message will be delivered again on a newer channel.
    pub async fn ack(&self, wait: Duration) -> Result<bool> {
        within(wait, "basic.ack", self.inner.ack(BasicAckOptions::default())).await
    }

    /// Acknowledges this and every earlier delivery of its consumer.
    pub async fn ack_all_to_here(&self, wait: Duration) -> Result<bool> {
        within(wait, "basic.ack", self.inner.ack(BasicAckOptions { multiple: true })).await
    }

    /// Returns the message to the queue as failed: brokers that count attempts count this one.
    pub async fn reject(&self, wait: Duration) -> Result<bool> {
        within(wait, "basic.reject", self.inner.reject(BasicRejectOptions { requeue: true })).await
    }
}

pub struct Intake {
    queue: &'static str,
    channel: Channel,
    consumer: Consumer,
    wait: Duration,
}

impl Intake {
    pub(super) fn new(queue: &'static str, channel: Channel, consumer: Consumer, wait: Duration) -> Self {
        Self { queue, channel, consumer, wait }
    }

    pub fn queue(&self) -> &'static str {
        self.queue
    }

    /// The next delivery. Dropping the future loses no delivery.
    pub async fn next(&mut self) -> Result<Received> {
        match self.consumer.next().await {
            Some(delivery) => Ok(Received::from(delivery?)),
            None => Err(AmqpError::Cancelled(self.queue.to_owned())),
        }
    }

    /// The next delivery, if it has already arrived.
    pub fn ready(&mut self) -> Option<Result<Received>> {
        self.next().now_or_never()
    }

    /// Stops consuming, and returns unacknowledged deliveries without counting them as failures.
    pub async fn release(self) -> Result<()> {
        let tag = self.consumer.tag();
        within(self.wait, "basic.cancel", self.channel.basic_cancel(tag, BasicCancelOptions::default())).await?;
        let options = BasicNackOptions { multiple: true, requeue: true };
        within(self.wait, "basic.nack", self.channel.basic_nack(0, options)).await?;
        within(self.wait, "channel.close", self.channel.close(200, "OK".into())).await
    }
}
