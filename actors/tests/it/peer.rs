//! An upstream service and a subscriber, as the bridge's tests play them, and a system with a bridge over an empty store.

use super::broker::Bus;
use crate::silence::{System, start};
use futures_util::future::join_all;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use provost_actors::bridge::Address;
use provost_actors::{BridgeOptions, Handle, Options};
use provost_domain::AdmissionDataPoint;
use provost_domain::status::ComponentStatus;
use provost_store::sqlite::SqliteStore;
use provost_store::{Artifacts, PointSelection, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const SOURCE: &str = "/tests/upstream";

/// Options of a system with a bridge, which checks often.
pub fn options(folder: &Path, url: &str) -> Options {
    let store = SqliteStore::open(folder, chrono::Utc::now()).unwrap();
    options_over(Arc::new(store), folder, url)
}

pub fn options_over(store: Arc<dyn Store>, folder: &Path, url: &str) -> Options {
    let artifacts = Artifacts::open(folder.join("artifacts")).unwrap();
    let mut options = Options::new(store, artifacts, folder.join("import"));
    options.threads = 1;
    options.idle_priority = false;
    options.bridge = Some(BridgeOptions {
        check_every: Duration::from_secs(1),
        wait: Duration::from_secs(3),
        ..BridgeOptions::new(Address::parse(url).unwrap())
    });
    options
}

pub async fn system(folder: &Path, bus: &Bus) -> System {
    start(options(folder, &bus.url)).await.unwrap()
}

/// Asks until the condition holds.
pub async fn until<F: Future<Output = bool>>(what: &str, wait: Duration, mut condition: impl FnMut() -> F) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < wait, "{what}: not within {wait:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub const SOON: Duration = Duration::from_secs(20);

pub async fn bridge_status(handle: &Handle) -> ComponentStatus {
    handle.components().await.remove("bridge").unwrap()
}

pub async fn up(handle: &Handle) {
    until("the bridge is up", SOON, || async {
        serde_json::to_value(bridge_status(handle).await.health).unwrap() == "up"
    })
    .await;
}

/// How often something happened, as the bridge's status has it.
pub async fn count(handle: &Handle, name: &str) -> u64 {
    let state = bridge_status(handle).await.state;
    state["events"][name]
        .as_u64()
        .or_else(|| state["announcements"][name].as_u64())
        .or_else(|| state["predictions"][name].as_u64())
        .unwrap_or_else(|| panic!("{state}"))
}

/// The stored points by id.
pub async fn points(handle: &Handle) -> BTreeMap<String, AdmissionDataPoint> {
    let mut batches = handle.store().stream_points(PointSelection { verified_only: false }).await.unwrap();
    let mut points = BTreeMap::new();
    while let Some(batch) = batches.recv().await {
        points.extend(batch.unwrap().into_iter().map(|p| (p.data_point_id.clone(), p)));
    }
    points
}

pub async fn total(handle: &Handle) -> u64 {
    handle.store().point_totals().await.unwrap().total
}

pub fn point(id: &str, seq: u64) -> Value {
    json!({"data_point_id": id, "seq": seq, "profile": {"gpa": 3.5, "gpa_scale": 4.0},
        "program": {"university_name": "U", "program_name": "P"}, "decision": "accepted", "application_year": 2020})
}

pub fn event(kind: &str, id: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": SOURCE, "type": format!("{kind}.v1"), "time": "2026-01-02T03:04:05Z",
        "data": data})
}

pub fn recorded(id: &str) -> Value {
    event("admission.data.recorded", &format!("e-{id}"), &point(id, 0))
}

pub struct Peer {
    _connection: Connection,
    pub channel: Channel,
}

/// A message as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub routing_key: String,
    pub message_id: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Read {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Peer {
    pub async fn connect(url: &str) -> Self {
        Self::try_connect(url).await.unwrap()
    }

    pub async fn try_connect(url: &str) -> lapin::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { _connection: connection, channel })
    }

    pub async fn publish(&self, routing_key: &str, body: &[u8]) {
        let properties = BasicProperties::default().with_content_type("application/cloudevents+json".into());
        self.publish_with(routing_key, body, properties).await;
    }

    pub async fn publish_with(&self, routing_key: &str, body: &[u8], properties: BasicProperties) {
        assert!(self.try_publish(routing_key, body, properties).await.unwrap(), "not confirmed");
    }

    /// Whether the broker confirmed it.
    pub async fn try_publish(&self, key: &str, body: &[u8], properties: BasicProperties) -> lapin::Result<bool> {
        let properties = properties.with_delivery_mode(2);
        let publishing = self.channel.basic_publish(
            "ml.events".into(),
            key.into(),
            BasicPublishOptions::default(),
            body,
            properties,
        );
        Ok(matches!(publishing.await?.await?, Confirmation::Ack(None)))
    }

    /// To another exchange than that of events.
    pub async fn publish_to(&self, exchange: &str, key: &str, body: &[u8]) {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let publishing =
            self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await.unwrap();
        assert_eq!(publishing.await.unwrap(), Confirmation::Ack(None));
    }

    /// Takes a message and gives it back as failed, if there is one.
    pub async fn reject(&self, queue: &str) {
        if let Some(got) = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap() {
            got.acker.reject(BasicRejectOptions { requeue: true }).await.unwrap();
        }
    }

    pub async fn send(&self, routing_key: &str, event: &Value) {
        self.publish(routing_key, event.to_string().as_bytes()).await;
    }

    /// Many at once, confirmed.
    pub async fn send_all(&self, routing_key: &str, bodies: &[Vec<u8>]) {
        for some in bodies.chunks(1000) {
            join_all(some.iter().map(|body| self.publish(routing_key, body))).await;
        }
    }

    /// A queue of our own for announcements.
    pub async fn subscribe(&self, queue: &str, routing_key: &str) {
        self.subscribe_to("ml.events", queue, routing_key).await;
    }

    /// A queue of our own for what this exchange passes on.
    pub async fn subscribe_to(&self, exchange: &str, queue: &str, routing_key: &str) {
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
        self.channel
            .queue_bind(
                queue.into(),
                exchange.into(),
                routing_key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
    }

    /// Takes a message out of a queue, once there is one.
    pub async fn take(&self, queue: &str) -> Read {
        let began = Instant::now();
        loop {
            if let Some(read) = self.try_take(queue).await {
                return read;
            }
            assert!(began.elapsed() < SOON, "nothing in {queue}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn try_take(&self, queue: &str) -> Option<Read> {
        let got = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap()?;
        got.acker.ack(BasicAckOptions::default()).await.unwrap();
        let headers = got.properties.headers().clone().unwrap_or_default();
        let headers = headers.inner().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Some(Read {
            routing_key: got.routing_key.as_str().to_owned(),
            message_id: got.properties.message_id().as_ref().map(|s| s.as_str().to_owned()).unwrap_or_default(),
            headers,
            body: got.delivery.data,
        })
    }

    /// Messages that wait in a queue.
    pub async fn depth(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap().message_count()
    }

    pub async fn delete(&self, queue: &str) {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// For a test that begins. On a broker that others used too the bridge's queues are removed, once nobody is left who
    /// might consume from the new ones.
    pub async fn fresh(bus: &Bus) -> Self {
        let peer = Self::connect(&bus.url).await;
        if bus.vhost.is_none() {
            until("the test before is gone", SOON, || async {
                let asker = Self::connect(&bus.url).await;
                let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
                let asked = asker.channel.queue_declare("ml.data".into(), options, FieldTable::default()).await;
                asked.is_ok_and(|queue| queue.consumer_count() == 0) || !asker.channel.status().connected()
            })
            .await;
            peer.clear().await;
        }
        peer
    }

    async fn clear(&self) {
        for queue in [
            "ml.data",
            "ml.train",
            "ml.predict",
            "ml.parked",
            "ml.unrouted",
            "ml.retry.5s",
            "ml.retry.1m",
            "ml.retry.10m",
        ] {
            self.delete(queue).await;
        }
    }
}

fn text(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(s) => String::from_utf8_lossy(s.as_bytes()).into_owned(),
        AMQPValue::LongLongInt(n) => n.to_string(),
        other => format!("{other:?}"),
    }
}
