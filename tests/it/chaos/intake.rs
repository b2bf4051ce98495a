//! Points and wishes that come in: by an import beside the service, and over the bus.

use super::world::{World, ids};
use provost_actors::bridge::Address;
use provost_actors::bridge::amqp::{Link, Message, Published};
use serde_json::{Value, json};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Points of one import and of one burst of events.
const BURST: u64 = 60;

impl World {
    /// Unverified points in a file: its name.
    pub fn new_points(&mut self, prefix: &str) -> String {
        let name = format!("{prefix}-{}.jsonl", self.next());
        let text: String = (0..BURST).map(|n| point(&format!("{name}-{n}")).to_string() + "\n").collect();
        self.place.file(&name, text);
        name
    }

    pub fn note_points(&mut self, name: &str) {
        let text = std::fs::read_to_string(self.place.path(name)).unwrap();
        self.ledger.points.extend(ids(&text));
    }

    /// The importer or the service is killed first; the same import again completes it.
    pub fn at_import(&mut self) -> bool {
        let name = self.new_points("import");
        let wait = self.milliseconds(60);
        let mut importer: Child = self
            .place
            .command(&["import", &name, "--json"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(wait);
        if self.rng.below(2) == 0 {
            importer.kill().unwrap();
        }
        self.kill();
        importer.wait().unwrap();
        let ran = self.place.run(&["import", &name, "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        self.note_points(&name);
        true
    }

    /// Points and a wish for a training over the bus, confirmed by the broker: then they are ours to keep.
    pub fn at_intake(&mut self) -> bool {
        let wait = self.milliseconds(60);
        if !self.publish() {
            return false;
        }
        std::thread::sleep(wait);
        self.kill();
        true
    }

    /// Publishes a burst of events; what the broker confirmed is in the ledger. False without a bus.
    pub fn publish(&mut self) -> bool {
        let url = self.node.as_ref().map(|node| node.url(0)).or(self.bus.as_ref().map(|bus| bus.url.clone()));
        let Some(url) = url else { return false };
        let burst = self.next();
        let mut events: Vec<(String, Message)> = (0..BURST)
            .map(|n| {
                let id = format!("event-{burst}-{n}");
                (id.clone(), message(&id, "admission.data.recorded", "admission.data.recorded.v1", point(&id)))
            })
            .collect();
        let trigger = format!("trigger-{burst}");
        let recipe = self.rng.below(self.recipes.len() as u32) as usize;
        let asks = json!({"reason": "a test", "config": self.recipes[recipe].config, "auto_activate": true});
        events.push((trigger.clone(), message(&trigger, "training.trigger.requested", "training.trigger.v1", asks)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let messages: Vec<Message> = events.iter().map(|(_, m)| m.clone()).collect();
        let wait = Duration::from_secs(5);
        let outcomes = runtime.block_on(async {
            let link = Link::open(&Address::parse(&url).unwrap(), None, "chaos", wait).await.ok()?;
            let outcomes =
                tokio::time::timeout(wait, async { link.outlet().await.ok()?.publish(&messages).await.ok() });
            let outcomes = outcomes.await.ok()??;
            let _ = tokio::time::timeout(wait, link.close()).await;
            Some(outcomes)
        });
        for ((id, _), outcome) in events.into_iter().zip(outcomes.unwrap_or_default()) {
            if outcome == Published::Confirmed {
                if id == trigger {
                    self.ledger.triggers.insert(id)
                } else {
                    self.ledger.points.insert(id)
                };
            }
        }
        true
    }
}

fn message(id: &str, key: &str, kind: &str, data: Value) -> Message {
    let envelope = json!({"specversion": "1.0", "id": id, "source": "/chaos", "type": kind, "time": "2026-01-01T00:00:00Z",
        "data": data});
    Message::new("ml.events", key, "application/cloudevents+json", id, envelope.to_string().into_bytes())
}

fn point(id: &str) -> Value {
    let number = id.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    json!({"data_point_id": id, "profile": {"gpa": 2.0 + f64::from(number % 20) / 10.0, "gpa_scale": 4.0},
        "program": {"university_name": format!("U{}", number % 7)}, "application_year": 2016 + number % 8,
        "decision": if number % 20 > 9 { "accepted" } else { "rejected" }, "verified": false})
}
