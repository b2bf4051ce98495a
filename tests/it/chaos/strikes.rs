//! Kills, each aimed at a moment of the service's work.

use super::evidence;
use super::wire::{self, Event};
use super::world::{World, ids};
use provost_actors::bridge::Address;
use provost_actors::bridge::amqp::{Link, Message, Published};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aim {
    Admission,
    Load,
    Search,
    FinalFit,
    Evaluation,
    Registration,
    Gate,
    Activation,
    Import,
    EventIntake,
}

impl Aim {
    pub const ALL: [Aim; 10] = [
        Aim::Admission,
        Aim::Load,
        Aim::Search,
        Aim::FinalFit,
        Aim::Evaluation,
        Aim::Registration,
        Aim::Gate,
        Aim::Activation,
        Aim::Import,
        Aim::EventIntake,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Aim::Admission => "admission of a job",
            Aim::Load => "loading the rows",
            Aim::Search => "search",
            Aim::FinalFit => "end of the search, final fit",
            Aim::Evaluation => "evaluation of a fitted model",
            Aim::Registration => "registration of a model",
            Aim::Gate => "gate, end of the job",
            Aim::Activation => "activation by hand",
            Aim::Import => "import beside the service",
            Aim::EventIntake => "intake of events",
        }
    }
}

/// Jobs that are kept at work or waiting.
const BACKLOG: usize = 3;
/// Points of one import and of one burst of events.
const BURST: u64 = 60;
/// How long a row is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the moment that is aimed at is looked for before the kill comes anyway.
const LOOKS: usize = 3;

/// What a kill was aimed at and where it found the jobs.
#[derive(Default)]
pub struct Tally {
    pub aimed: BTreeMap<Aim, u64>,
    /// Moments that were not reached; these kills came at another one.
    pub missed: BTreeMap<Aim, u64>,
    /// What the store says a running job was at when its process died.
    pub found: BTreeMap<&'static str, u64>,
    pub jobs_seen_again: u64,
}

impl World {
    /// Jobs that have not ended, oldest first: (id, whether somebody asked for it by hand).
    pub fn unfinished(&self) -> Vec<(String, bool)> {
        let mut all = Vec::new();
        for status in ["running", "pending"] {
            let page = self.get(&format!("jobs?status={status}&limit=200"));
            let of = |job: &Value| {
                let by_hand = job["triggers"][0]["trigger_type"] == "manual";
                (job["job_id"].as_str().unwrap().to_owned(), by_hand)
            };
            all.extend(page.as_array().unwrap().iter().rev().map(of));
        }
        all
    }

    fn running(&self) -> Option<String> {
        let page = self.get("jobs?status=running&limit=200");
        page.as_array().unwrap().first().map(|job| job["job_id"].as_str().unwrap().to_owned())
    }

    fn backlog(&mut self) {
        for _ in self.unfinished().len()..BACKLOG {
            let recipe = self.rng.below(self.recipes.len() as u32) as usize;
            self.submit(recipe);
        }
    }

    /// One kill, and the start after it. What was promised is looked up at once.
    pub fn strike(&mut self, aim: Aim, tally: &mut Tally) {
        self.backlog();
        *tally.aimed.entry(aim).or_default() += 1;
        let reached = match aim {
            Aim::Admission => self.at_admission(),
            Aim::Activation => self.at_activation(),
            Aim::Import => self.at_import(),
            Aim::EventIntake => self.at_intake(),
            Aim::Load => self.at_load(),
            Aim::Search => self.at_event(10, |e| e.kind == "trial"),
            Aim::FinalFit => {
                let trials = Cell::new(0);
                self.at_event(25, |e| {
                    trials.set(trials.get() + usize::from(e.kind == "trial"));
                    trials.get() >= 3
                })
            }
            Aim::Evaluation => self.at_event(60, |e| e.logs("fitted in")),
            Aim::Registration => self.at_row("models"),
            Aim::Gate => self.at_gate(),
        };
        if !reached {
            *tally.missed.entry(aim).or_default() += 1;
        }
        if self.is_up() {
            self.kill();
        }
        for place in evidence::places(&self.place.path("data")) {
            *tally.found.entry(place).or_default() += 1;
        }
        self.start();
        self.after_a_death(tally);
    }

    /// What was answered is repeated; the last jobs are there, and an ended one has not come back to life.
    fn after_a_death(&mut self, tally: &mut Tally) {
        let last: Vec<String> = self.ledger.jobs.keys().rev().take(6).cloned().collect();
        for key in last {
            let job = self.repeat(&key);
            let record = self.get(&format!("jobs/{job}"));
            let ended = !["pending", "running"].iter().any(|s| record["status"] == **s);
            assert!(ended || !self.ledger.ended.contains(&job), "{job} had ended and is {}", record["status"]);
            if ended {
                assert_eq!(record["status"], "completed", "{record}");
                self.ledger.ended.insert(job);
            }
            tally.jobs_seen_again += 1;
        }
    }

    /// Waits for the next such event of a running job, then for up to `spread` milliseconds, then kills.
    fn at_event(&mut self, spread: u32, enough: impl Fn(&Event) -> bool) -> bool {
        let wait = self.milliseconds(spread);
        for _ in 0..LOOKS {
            let Some(job) = self.running().or_else(|| self.unfinished().first().map(|(id, _)| id.clone())) else {
                self.backlog();
                continue;
            };
            // What is told already is not news.
            let told = Cell::new(evidence::events(&self.place.path("data"), &job));
            let news = |e: &Event| {
                let old = told.get();
                told.set(old.saturating_sub(1));
                old == 0 && enough(e)
            };
            if wire::follow(&self.host(), &job, news) {
                std::thread::sleep(wait);
                self.kill();
                return true;
            }
        }
        false
    }

    /// The rows are read when a waiting job begins, and when a job goes on after a start.
    fn at_load(&mut self) -> bool {
        if self.rng.below(2) == 0 {
            let waiting = self.unfinished().into_iter().last();
            let wait = self.milliseconds(8);
            let Some((job, _)) = waiting else { return false };
            if !wire::follow(&self.host(), &job, |e| e.logs("started")) {
                return false;
            }
            std::thread::sleep(wait);
        } else {
            self.kill();
            self.start();
            let wait = self.milliseconds(60);
            std::thread::sleep(wait);
        }
        self.kill();
        true
    }

    /// Kills as soon as a row is added to this table; what is written after it is not.
    fn at_row(&mut self, table: &str) -> bool {
        let data = self.place.path("data");
        let before = evidence::rows(&data, table);
        let began = Instant::now();
        let after = self.rng.below(2) == 0;
        while evidence::rows(&data, table) == before {
            if began.elapsed() > PATIENCE {
                return false;
            }
        }
        if after {
            let wait = self.milliseconds(4);
            std::thread::sleep(wait);
        }
        self.kill();
        true
    }

    fn at_gate(&mut self) -> bool {
        let wait = self.milliseconds(15);
        let at_its_row = self.rng.below(2) == 0;
        for _ in 0..LOOKS {
            let automatic = self.unfinished().into_iter().find(|(_, by_hand)| !by_hand);
            if let Some((job, _)) = automatic {
                let told = Cell::new(evidence::events(&self.place.path("data"), &job));
                let registered = |e: &Event| {
                    told.set(told.get().saturating_sub(1));
                    told.get() == 0 && e.logs("registered as")
                };
                if wire::follow(&self.host(), &job, registered) {
                    if at_its_row {
                        return self.at_row("decisions");
                    }
                    std::thread::sleep(wait);
                    self.kill();
                    return true;
                }
                continue;
            }
            // Enough new points are a trigger, which the next start sees at once.
            let path = self.new_points("gate");
            let ran = self.place.run(&["import", &path, "--json"]);
            assert_eq!(ran.code, Some(0), "{ran:?}");
            self.note_points(&path);
            self.kill();
            self.start();
            let host = self.host();
            crate::broker::wait_for("a trigger", Duration::from_secs(20), || {
                let jobs = wire::ask(&host, "GET", "triggers?limit=1", None).unwrap().1;
                !jobs[0]["job_id"].is_null() || !jobs[0]["outcome"].is_null()
            });
        }
        false
    }

    fn at_admission(&mut self) -> bool {
        let recipe = self.rng.below(self.recipes.len() as u32) as usize;
        let (key, wait) = (self.new_key(recipe), self.milliseconds(8));
        let config = self.recipes[recipe].config.clone();
        let sent = wire::send(&self.host(), "POST", "train", Some(&key), Some(&config)).unwrap();
        std::thread::sleep(wait);
        self.kill();
        // Answered or not, it is one job: the key is asked again after the start.
        if let Ok(answer) = wire::read(sent) {
            self.accepted(&key, &answer);
        }
        true
    }

    fn at_activation(&mut self) -> bool {
        let models = self.get("models?limit=200");
        let models: Vec<&str> = models
            .as_array()
            .unwrap()
            .iter()
            .filter(|m| m["is_active"] == json!(false))
            .map(|m| m["model_id"].as_str().unwrap())
            .collect();
        let Some(model) = models.get(self.rng.below(models.len().max(1) as u32) as usize) else { return false };
        let (path, key, wait) = (format!("activate/{model}"), format!("act-{:05}", self.next()), self.milliseconds(12));
        let sent = wire::send(&self.host(), "POST", &path, Some(&key), None).unwrap();
        std::thread::sleep(wait);
        self.kill();
        let first = wire::read(sent).ok();
        self.start();
        let again = wire::send(&self.host(), "POST", &path, Some(&key), None).and_then(wire::read).unwrap();
        assert_eq!(again.0, 200, "{}", again.1);
        if let Some(first) = first {
            assert_eq!(first, again, "one key has one answer");
        }
        self.ledger.activated.push((*model).to_owned());
        self.kill();
        true
    }

    /// Unverified points in a file: its name.
    fn new_points(&mut self, prefix: &str) -> String {
        let name = format!("{prefix}-{}.jsonl", self.next());
        let text: String = (0..BURST).map(|n| point(&format!("{name}-{n}")).to_string() + "\n").collect();
        self.place.file(&name, text);
        name
    }

    fn note_points(&mut self, name: &str) {
        let text = std::fs::read_to_string(self.place.path(name)).unwrap();
        self.ledger.points.extend(ids(&text));
    }

    /// The importer or the service is killed first; the same import again completes it.
    fn at_import(&mut self) -> bool {
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
    fn at_intake(&mut self) -> bool {
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
                tokio::time::timeout(wait, async { link.outlet().await.ok()?.publish(&link, &messages).await.ok() });
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
