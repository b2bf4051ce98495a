//! The second half of the demo: new points arrive over the bus, the data threshold triggers a job, and the gate decides.

use super::screen::Screen;
use crate::cli::show;
use crate::error::{Error, Result};
use chrono::{SecondsFormat, Utc};
use provost_actors::bridge::upstream::Upstream;
use provost_actors::{BridgeOptions, Handle};
use provost_domain::event::outbound::Topic;
use provost_domain::schedule::ScheduledTrainingConfig;
use provost_domain::{Algorithm, TrainingConfig, sample};
use provost_store::Store;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How many new usable points are published.
const NEW: u64 = 1000;
const SOURCE: &str = "/demo/upstream";
/// The longest wait for the gate's decision.
const PATIENCE: Duration = Duration::from_secs(600);

/// Turns the schedule off, so that only the demo starts jobs.
pub async fn disable_schedule(store: &dyn Store) -> Result<()> {
    let schedule = store.schedule().await?.unwrap_or_default();
    Ok(store.put_schedule(ScheduledTrainingConfig { enabled: false, ..schedule }).await?)
}

pub async fn run(handle: &Handle, bus: &BridgeOptions, config: TrainingConfig, screen: &Screen) -> Result<()> {
    let began = Instant::now();
    let broken = |e: provost_actors::bridge::AmqpError| Error::failed(format!("the bus at {}: {e}", bus.url));
    let schedule = ScheduledTrainingConfig {
        min_new_samples: NEW,
        training_config: TrainingConfig {
            algorithms: vec![Algorithm::LogisticRegression, Algorithm::GradientBoosting],
            ..config
        },
        ..ScheduledTrainingConfig::default()
    };
    handle.store().put_schedule(schedule).await?;
    // Announcements of the first half are cleared, so that they are not shown again.
    let cleared = async {
        while handle.store().outbox_count("event").await? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, Error>(())
    };
    tokio::time::timeout(PATIENCE, cleared)
        .await
        .map_err(|_| Error::failed("the announcements of the first half could not be published"))??;
    let mut upstream = Upstream::open(bus).await.map_err(broken)?;
    screen.heading("Events", &format!("over {}", bus.url));
    let events = new_points();
    let confirmed = upstream.publish(&events).await.map_err(broken)?;
    let published = format!("{} points published, all confirmed", show::thousands(confirmed as u64));
    if confirmed < events.len() {
        return Err(Error::failed(format!("the broker confirmed {confirmed} of {} events", events.len())));
    }
    screen.step("publish", &published, began.elapsed().as_secs_f64(), json!({ "confirmed": confirmed }));
    let listening = async {
        loop {
            let (topic, event) = upstream.next_event().await.map_err(broken)?;
            let Some(topic) = Topic::parse(&topic) else { continue };
            if let Some(text) = summary(topic, &event["data"]) {
                let at = event["time"].as_str().and_then(|t| t.get(11..19)).unwrap_or_default();
                screen.event(at, topic.as_str(), &text, &event);
            }
            if matches!(topic, Topic::JobCompleted | Topic::JobFailed | Topic::JobCancelled) {
                return Ok::<_, Error>(());
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, listening).await;
    upstream.close().await;
    ended.map_err(|_| Error::failed("nothing was retrained; `provost status` says what the scheduler waits for"))??;
    disable_schedule(&**handle.store()).await
}

/// As many points as give `NEW` usable ones, with ids that no earlier run has used.
fn new_points() -> Vec<(&'static str, Value)> {
    let now = Utc::now();
    let run = now.timestamp_millis();
    let time = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut usable = 0;
    let enough = sample::draw(2 * NEW as usize, run.cast_unsigned()).map(|drawn| drawn.point).take_while(|point| {
        let goes_on = usable < NEW;
        usable += u64::from(point.decision.label().is_some());
        goes_on
    });
    let event = |mut point: provost_domain::AdmissionDataPoint| {
        point.data_point_id = format!("bus-{run}-{}", point.data_point_id);
        let event = json!({
            "specversion": "1.0", "id": format!("recorded-{}", point.data_point_id), "source": SOURCE,
            "type": "admission.data.recorded.v1", "time": time, "data": point,
        });
        ("admission.data.recorded", event)
    };
    enough.map(event).collect()
}

/// Summarises an announcement; None for announcements that the demo does not show.
fn summary(topic: Topic, data: &Value) -> Option<String> {
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| data[name].as_f64().unwrap_or_default();
    Some(match topic {
        Topic::JobQueued => data["triggers"][0]["reason"].as_str().unwrap_or("somebody asked for it").to_owned(),
        Topic::JobStarted => text("job_id"),
        Topic::JobProgress => format!("{}, {}", show::percent(number("progress_percentage")), text("current_step")),
        Topic::JobCompleted => format!("best by cross-validation: {:.3}", number("best_score")),
        Topic::JobFailed => text("error_message"),
        Topic::ModelRegistered => {
            format!("{}: cv {:.3}, auc {:.3}", text("algorithm"), number("cv_mean"), number("auc_roc"))
        }
        Topic::ModelActivated | Topic::ModelRejected | Topic::DriftDetected => text("reason"),
        Topic::JobCancelled | Topic::ModelDeprecated | Topic::UnitOffered => String::new(),
    })
}
