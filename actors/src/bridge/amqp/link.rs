//! A connection with a channel for queries.

use super::intake::{Intake, Received};
use super::message::short;
use super::outlet::Outlet;
use super::{AmqpError, PRECONDITION_FAILED, Result, within};
use crate::bridge::topology::{Argument, Topology};
use crate::options::Address;
use crate::pem;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionBuilder, ConnectionProperties, ExchangeKind};
use std::path::Path;
use std::time::Duration;

/// The numbers of waiting messages and of consumers of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    pub messages: u32,
    pub consumers: u32,
}

pub struct Link {
    connection: Connection,
    control: Channel,
    wait: Duration,
}

impl Link {
    /// Connects on the current runtime. An abandoned connection ends with this runtime at the latest.
    pub async fn open(address: &Address, ca_file: Option<&Path>, name: &str, wait: Duration) -> Result<Self> {
        let cert_chain = match ca_file {
            Some(path) => {
                let wrong = |why: String| AmqpError::File(format!("{}: {why}", path.display()));
                let bytes = pem::read(path).map_err(|e| wrong(e.to_string()))?;
                Some(String::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8".to_owned()))?)
            }
            None => None,
        };
        let uri = address.uri().map_err(|_| AmqpError::Protocol("the broker's address cannot be used"))?;
        let connecting = async {
            ConnectionBuilder::new()?
                .with_uri(uri)
                .with_properties(ConnectionProperties::default().with_connection_name(name.into()))
                .with_tls_config(OwnedTLSConfig { identity: None, cert_chain })
                .connect()
                .await
        };
        let connection = within(wait, "connect", connecting).await?;
        let control = within(wait, "channel.open", connection.create_channel()).await?;
        Ok(Self { connection, control, wait })
    }

    pub fn connected(&self) -> bool {
        self.connection.status().connected() && self.control.status().connected()
    }

    /// Whether the broker blocks publishers because of a memory or disk alarm.
    pub fn blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Declares everything in the topology; what exists with the same arguments is left unchanged.
    pub async fn declare(&self, topology: &Topology) -> Result<()> {
        declare(&self.control, topology, self.wait).await
    }

    /// The content of a queue; None if there is no such queue. One round trip.
    pub async fn depth(&self, queue: &str) -> Result<Option<Depth>> {
        // A separate channel, because the broker closes a channel that asks for a missing queue.
        let channel = within(self.wait, "channel.open", self.connection.create_channel()).await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = channel.queue_declare(short(queue), options, FieldTable::default());
        match tokio::time::timeout(self.wait, asked).await {
            Ok(Ok(found)) => {
                within(self.wait, "channel.close", channel.close(200, "OK".into())).await?;
                Ok(Some(Depth { messages: found.message_count(), consumers: found.consumer_count() }))
            }
            Ok(Err(e)) if is_not_found(&e) => Ok(None),
            Ok(Err(e)) => Err(e.into()),
            Err(_) => Err(AmqpError::Mute(self.wait, "queue.declare")),
        }
    }

    /// Whether the exchange exists.
    pub async fn has_exchange(&self, exchange: &str) -> Result<bool> {
        let channel = within(self.wait, "channel.open", self.connection.create_channel()).await?;
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let asked = channel.exchange_declare(short(exchange), ExchangeKind::Topic, options, FieldTable::default());
        match tokio::time::timeout(self.wait, asked).await {
            Ok(Ok(())) => {
                within(self.wait, "channel.close", channel.close(200, "OK".into())).await?;
                Ok(true)
            }
            Ok(Err(e)) if is_not_found(&e) => Ok(false),
            Ok(Err(e)) => Err(e.into()),
            Err(_) => Err(AmqpError::Mute(self.wait, "exchange.declare")),
        }
    }

    /// The queues and exchanges that exist with another type or other arguments than in this topology, with the
    /// broker's reason. Only existing ones are declared again, which changes nothing if they match.
    pub async fn unfit(&self, topology: &Topology) -> Result<Vec<String>> {
        let mut unfit = Vec::new();
        for exchange in topology.exchanges {
            if self.has_exchange(exchange.name).await? {
                let alone = Topology { exchanges: std::slice::from_ref(exchange), queues: &[], bindings: &[] };
                unfit.extend(self.refusal(&alone).await?);
            }
        }
        for queue in topology.queues {
            if self.depth(queue.name).await?.is_some() {
                let alone = Topology { exchanges: &[], queues: std::slice::from_ref(queue), bindings: &[] };
                unfit.extend(self.refusal(&alone).await?);
            }
        }
        Ok(unfit)
    }

    /// Why the broker refuses this declaration.
    async fn refusal(&self, topology: &Topology) -> Result<Option<String>> {
        // A separate channel: the broker closes a channel whose declaration does not match what exists.
        let channel = within(self.wait, "channel.open", self.connection.create_channel()).await?;
        let declared = tokio::time::timeout(self.wait, declare(&channel, topology, self.wait)).await;
        match declared {
            Ok(Ok(())) => {
                within(self.wait, "channel.close", channel.close(200, "OK".into())).await?;
                Ok(None)
            }
            Ok(Err(e)) if e.code() == Some(PRECONDITION_FAILED) => Ok(Some(e.to_string())),
            Ok(Err(e)) => Err(e),
            Err(_) => Err(AmqpError::Mute(self.wait, "declare")),
        }
    }

    /// Begins to consume; at most `prefetch` deliveries are unacknowledged at a time.
    pub async fn intake(&self, queue: &'static str, prefetch: u16) -> Result<Intake> {
        let channel = within(self.wait, "channel.open", self.connection.create_channel()).await?;
        within(self.wait, "basic.qos", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let consuming =
            channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
        let consumer = within(self.wait, "basic.consume", consuming).await?;
        Ok(Intake::new(queue, channel, consumer, self.wait))
    }

    /// Subscribes to an exchange with a queue that ends with this connection.
    pub async fn subscribe(&self, exchange: &str, key: &str) -> Result<Intake> {
        let channel = within(self.wait, "channel.open", self.connection.create_channel()).await?;
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare("".into(), options, FieldTable::default());
        let queue = within(self.wait, "queue.declare", declared).await?.name().clone();
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let bound = channel.queue_bind(queue.clone(), short(exchange), short(key), options, none);
        within(self.wait, "queue.bind", bound).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let consumer = within(self.wait, "basic.consume", consuming).await?;
        Ok(Intake::new("(a listener's own)", channel, consumer, self.wait))
    }

    /// Begins to publish with confirms.
    pub async fn outlet(&self) -> Result<Outlet> {
        let channel = within(self.wait, "channel.open", self.connection.create_channel()).await?;
        within(self.wait, "confirm.select", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Outlet::new(channel, self.connection.status().clone(), self.wait))
    }

    /// Begins to read single messages.
    pub async fn reader(&self, queue: &'static str) -> Result<Reader> {
        let channel = within(self.wait, "channel.open", self.connection.create_channel()).await?;
        Ok(Reader { channel, queue, wait: self.wait })
    }

    /// Closes the connection. The broker requeues what was not acknowledged.
    pub async fn close(self) {
        // The connection ends in any case; a clean close avoids an error in the broker's log.
        let _ = within(self.wait, "connection.close", self.connection.close(200, "OK".into())).await;
    }
}

async fn declare(channel: &Channel, topology: &Topology, wait: Duration) -> Result<()> {
    for exchange in topology.exchanges {
        let kind = if exchange.fanout { ExchangeKind::Fanout } else { ExchangeKind::Topic };
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = channel.exchange_declare(exchange.name.into(), kind, options, table(exchange.arguments));
        within(wait, "exchange.declare", declared).await.map_err(|e| e.about(exchange.name))?;
    }
    for queue in topology.queues {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.name.into(), options, table(queue.arguments));
        within(wait, "queue.declare", declared).await.map_err(|e| e.about(queue.name))?;
    }
    for (queue, exchange, key) in topology.bindings {
        let bound = channel.queue_bind(
            (*queue).into(),
            (*exchange).into(),
            (*key).into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        within(wait, "queue.bind", bound).await.map_err(|e| e.about(queue))?;
    }
    Ok(())
}

/// Reads a queue message by message; unacknowledged messages return to their position.
pub struct Reader {
    channel: Channel,
    queue: &'static str,
    wait: Duration,
}

impl Reader {
    pub async fn next(&self) -> Result<Option<Received>> {
        let got = self.channel.basic_get(self.queue.into(), BasicGetOptions::default());
        let got = within(self.wait, "basic.get", got).await?;
        Ok(got.map(|got| Received::from(got.delivery)))
    }

    pub async fn ack(&self, tag: u64) -> Result<()> {
        within(self.wait, "basic.ack", self.channel.basic_ack(tag, BasicAckOptions::default())).await
    }

    /// Returns all messages that were read and not acknowledged.
    pub async fn put_back(self) -> Result<()> {
        // Tag 0 with `multiple` means all. Some broker versions answer with an error if nothing is outstanding, so the
        // channel is closed instead, which has the same effect.
        let options = BasicNackOptions { multiple: true, requeue: true };
        within(self.wait, "basic.nack", self.channel.basic_nack(0, options)).await?;
        within(self.wait, "channel.close", self.channel.close(200, "OK".into())).await
    }
}

fn is_not_found(error: &lapin::Error) -> bool {
    const NOT_FOUND: u16 = 404;
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(e) if e.get_id() == NOT_FOUND)
}

fn table(arguments: &[(&str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    table
}
