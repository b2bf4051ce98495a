//! Ids and moments that the examples of both documents share.

use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::{Algorithm, JobId, ModelId};

/// A time some minutes after the examples' first event.
pub fn minute(n: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_500) + TimeDelta::minutes(n)
}

pub fn job_id() -> JobId {
    JobId::new(minute(1), 0x5eed)
}

pub fn model_id(algorithm: Algorithm) -> ModelId {
    ModelId::new(algorithm, minute(4), algorithm as u128 + 1)
}
