//! How many predictions a minute the serving model makes and how often it accepts, from the newest predictions in the
//! log.

use super::super::text::{count, percent};
use super::super::{PageError, State};
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::ModelId;
use provost_domain::record::Decision;
use provost_store::PredictionFilter;

/// The most predictions that are read, the newest ones.
const LOOKED_AT: u32 = 200;
const MINUTES: i64 = 60;

/// What the overview says about the serving model's predictions.
#[derive(Debug, PartialEq, Eq)]
pub struct Traffic {
    pub a_minute: String,
    pub accepted: String,
}

impl Traffic {
    /// None where predictions are not logged.
    pub async fn read(
        state: &State,
        model: &ModelId,
        serves_since: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, PageError> {
        if !state.handle.options().predict.log {
            return Ok(None);
        }
        let hour = now - TimeDelta::minutes(MINUTES);
        let from = serves_since.map_or(hour, |since| since.clamp(hour, now));
        let filter =
            PredictionFilter { model_id: Some(model.clone()), from: Some(from), ..PredictionFilter::default() };
        let page = state.handle.store().predictions(filter, None, LOOKED_AT).await?;
        // If there are more predictions than on this page, only the time since the oldest of the page is known.
        let oldest = page.items.last().filter(|_| page.next.is_some()).map_or(from, |oldest| oldest.predicted_at);
        let accepted = page.items.iter().filter(|one| one.predicted_outcome == Decision::Accepted).count();
        let mut traffic = Self::of(page.items.len(), accepted, now - oldest);
        if page.next.is_some() && now - oldest < TimeDelta::minutes(1) {
            traffic.a_minute = format!("at least {}", count(u64::from(LOOKED_AT)));
        }
        if state.handle.options().predict.log_sample < 1.0 {
            traffic.a_minute.push_str(" logged (only a sample of large batches is)");
        }
        Ok(Some(traffic))
    }

    /// Of all predictions that were made within this time.
    fn of(predictions: usize, accepted: usize, within: TimeDelta) -> Self {
        if predictions == 0 {
            return Self { a_minute: "none in the last hour".to_owned(), accepted: "–".to_owned() };
        }
        // One prediction made a second ago must not count as sixty a minute.
        let minutes = (within.num_milliseconds() as f64 / 60_000.0).max(1.0);
        let rate = predictions as f64 / minutes;
        let share = percent(accepted as f64 / predictions as f64);
        Self {
            a_minute: if rate < 10.0 { format!("{rate:.1}") } else { count(rate.round() as u64) },
            accepted: format!("{share} of the last {}", count(predictions as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_by_the_time_that_was_looked_at() {
        let of = |predictions, accepted, minutes| {
            let Traffic { a_minute, accepted } = Traffic::of(predictions, accepted, TimeDelta::minutes(minutes));
            [a_minute, accepted]
        };
        assert_eq!(of(30, 12, 60), ["0.5", "40.0 % of the last 30"]);
        assert_eq!(of(30, 12, 2), ["15", "40.0 % of the last 30"]);
        assert_eq!(of(1, 1, 0), ["1.0", "100.0 % of the last 1"]);
        assert_eq!(of(0, 0, 60), ["none in the last hour", "–"]);
    }
}
