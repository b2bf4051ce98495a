//! `schedule`: the schedule of automatic training, and the triggers of training.

use super::ids::Shortener;
use super::read::{ago, count, items, text};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::Result;
use crate::input;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use provost_domain::visible;
use serde_json::{Map, Value};

#[derive(Args)]
pub struct ScheduleArgs {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Subcommand)]
pub enum Action {
    /// Show the schedule in force and its next slot
    Get {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        common: Common,
    },
    /// Change fields of the schedule and keep the others
    Set {
        /// A field and its value, such as enabled=false, schedule_cron="0 3 * * *" or training_config.tuning_iterations=20
        #[arg(value_name = "FIELD=VALUE", required_unless_present = "file", value_parser = assignment)]
        fields: Vec<Assignment>,
        /// Replace the whole schedule by this document (JSON; - is standard input)
        #[arg(long, value_name = "S.json", conflicts_with = "fields")]
        file: Option<String>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        common: Common,
    },
    /// List the triggers of training, with the job of each or why there is none
    Triggers {
        /// The most entries shown
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        common: Common,
    },
}

/// A field, as a path of names, and its new value.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    names: Vec<String>,
    value: Value,
}

/// Parses `FIELD=VALUE`. The value is parsed as JSON if possible, else it is a text.
fn assignment(text: &str) -> std::result::Result<Assignment, String> {
    let (names, value) = text.split_once('=').ok_or("expected FIELD=VALUE, such as enabled=false")?;
    let names: Vec<String> = names.split('.').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        return Err("the name of a field is missing before `=`; expected FIELD=VALUE, such as enabled=false".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok(Assignment { names, value })
}

impl Assignment {
    fn apply(&self, schedule: &mut Value) {
        let mut place = schedule;
        for name in &self.names {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[name.as_str()];
        }
        *place = self.value.clone();
    }
}

pub fn schedule(args: &ScheduleArgs) -> Result<()> {
    match &args.action {
        Action::Get { remote, common } => {
            let client = Client::new(remote, common)?;
            let schedule = client.get("/schedule")?;
            // The schedule's route does not give the next slot; the scheduler's status does.
            let state = if common.output.json { Value::Null } else { client.get("/status")? };
            let state = state.pointer("/components/scheduler/state").unwrap_or(&Value::Null);
            print(&common.output, &schedule, || shown(&schedule, state, Utc::now()));
        }
        Action::Set { fields, file, remote, common } => {
            let document = file.as_deref().map(input::json).transpose()?;
            let client = Client::new(remote, common)?;
            let mut schedule = match document {
                Some(document) => document,
                None => client.get("/schedule")?,
            };
            fields.iter().for_each(|field| field.apply(&mut schedule));
            let answer = client.put("/schedule", &schedule)?;
            print(&common.output, &answer, || shown(&answer, &Value::Null, Utc::now()));
        }
        Action::Triggers { limit, remote, common } => {
            let client = Client::new(remote, common)?;
            let answer = Value::Array(client.list("/triggers?", *limit as usize)?);
            print(&common.output, &answer, || match items(&answer) {
                [] => "nothing has triggered training yet".to_owned(),
                found => triggers(found, common.output.width(), Utc::now()),
            });
        }
    }
    Ok(())
}

/// `state` is the scheduler's status, or null.
fn shown(schedule: &Value, state: &Value, now: DateTime<Utc>) -> String {
    let mut rows = Vec::new();
    for (name, value) in schedule.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) => {
                rows.extend(inner.iter().map(|(inner, value)| (format!("{name}.{inner}"), show::parameter(value))));
            }
            None => rows.push((name.clone(), show::parameter(value))),
        }
    }
    let wide = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(String, String)| {
        format!("  {}{}  {}", visible::line(name), " ".repeat(wide - name.chars().count()), visible::line(value))
    };
    let mut out = rows.iter().map(line).collect::<Vec<_>>().join("\n");
    if !state.is_object() {
        return out;
    }
    // The setting schedule.enabled turns automatic training off whatever the schedule says.
    let next = match super::read::time(state, "next_slot").filter(|_| state["enabled"] == true) {
        Some(at) => show::moment(at, now),
        None if state["enabled"] == true => "none".to_owned(),
        None => "none: the schedule or the setting schedule.enabled is off".to_owned(),
    };
    out += &format!("\n\n  next slot   {next}");
    out += &format!("\n  new points  {} of {}", count(state, "/new_points"), count(state, "/min_new_samples"));
    out
}

fn triggers(triggers: &[Value], width: Option<usize>, now: DateTime<Utc>) -> String {
    let jobs = Shortener::of(triggers, &["job_id"], width.is_some());
    let row = |trigger: &Value| {
        let became = match trigger["job_id"].as_str() {
            Some(job) => jobs.shown(job).to_owned(),
            None => text(trigger, "outcome").into_owned(),
        };
        vec![
            text(trigger, "trigger_type").into_owned(),
            ago(trigger, "triggered_at", now),
            text(trigger, "triggered_by").into_owned(),
            text(trigger, "reason").into_owned(),
            became,
        ]
    };
    let rows: Vec<Vec<String>> = triggers.iter().map(row).collect();
    show::fitted(&["trigger", "when", "by", "reason", "job, or why none"], &rows, width)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_is_set_and_the_others_stay() {
        let mut schedule =
            json!({"enabled": true, "schedule_cron": "0 1 * * 0", "training_config": {"min_samples": 1000}});
        for text in ["enabled=false", "schedule_cron=0 3 * * *", "training_config.algorithms=[\"xgboost\"]", "new.a=1"]
        {
            assignment(text).unwrap().apply(&mut schedule);
        }
        let expected = json!({"enabled": false, "schedule_cron": "0 3 * * *",
            "training_config": {"min_samples": 1000, "algorithms": ["xgboost"]}, "new": {"a": 1}});
        assert_eq!(schedule, expected);
        for bad in ["enabled", "=1", "a..b=1", ""] {
            assert!(assignment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_schedule_says_when_its_next_slot_is() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let schedule = json!({"enabled": true, "training_config": {"min_samples": 1000}});
        let mut state =
            json!({"enabled": true, "next_slot": "2026-12-06T01:00:00Z", "new_points": 12, "min_new_samples": 1000});
        let shown_now = shown(&schedule, &state, now);
        assert!(shown_now.contains("next slot   2026-12-06 01:00 UTC (in 6 days)"), "{shown_now}");
        assert!(
            shown_now.contains("training_config.min_samples  1000") && shown_now.contains("12 of 1,000"),
            "{shown_now}"
        );
        state["enabled"] = json!(false);
        assert!(shown(&schedule, &state, now).contains("none: the schedule or the setting"));
    }

    #[test]
    fn triggers_fit_eighty_columns() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let list = [
            json!({"trigger_type": "performance_drop", "triggered_at": "2026-11-29T13:00:00Z", "triggered_by": "scheduler",
                "reason": "auc_roc of the active model fell by .031 on the newest 800 rows", "job_id": null,
                "outcome": "the data fails its quality check: one class only"}),
            json!({"trigger_type": "scheduled", "triggered_at": "2026-11-29T13:00:00Z", "triggered_by": null,
                "reason": null, "job_id": "job_01901638694739b8b2c2a0b7a3f1e551", "outcome": null}),
        ];
        let shown = triggers(&list, Some(80), now);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(triggers(&list, None, now).contains("one class only"));
    }
}
