//! Deserialisers that accept more than serde's own: null where a default exists, whole numbers spelled as floats,
//! dates that come as times.

use super::shape;
use crate::fields::EXACT;
use chrono::{DateTime, NaiveDate, Utc};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

pub(super) fn gpa_scale<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(d)?.unwrap_or(super::Profile::default().gpa_scale))
}

/// A text that `parse` understands, or null.
struct Text<T>(fn(&str) -> Option<T>, &'static str);

impl<'de, T> Visitor<'de> for Text<T> {
    type Value = Option<T>;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.1)
    }
    fn visit_str<E: Error>(self, s: &str) -> Result<Self::Value, E> {
        (self.0)(s).map(Some).ok_or_else(|| E::invalid_value(Unexpected::Str(s), &self))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

pub(super) fn date<'de, D: Deserializer<'de>>(d: D) -> Result<Option<NaiveDate>, D::Error> {
    d.deserialize_any(Text(shape::date, shape::DATE))
}

pub(super) fn time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    d.deserialize_any(Text(shape::time, shape::TIME))
}

/// A whole number, also spelled as 2015.0, or null.
struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Option<i128>;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number")
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<Self::Value, E> {
        Ok(Some(i128::from(n)))
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<Self::Value, E> {
        Ok(Some(i128::from(n)))
    }
    fn visit_f64<E: Error>(self, x: f64) -> Result<Self::Value, E> {
        if x.fract() == 0.0 && x.abs() <= EXACT as f64 {
            Ok(Some(x as i128))
        } else {
            Err(E::invalid_value(Unexpected::Float(x), &self))
        }
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

fn whole<'de, D: Deserializer<'de>, T: TryFrom<i128>>(d: D) -> Result<Option<T>, D::Error> {
    let fits = |n| T::try_from(n).map_err(|_| D::Error::custom(format_args!("{n} is out of range")));
    d.deserialize_any(Whole)?.map(fits).transpose()
}

pub(super) fn year<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i32>, D::Error> {
    whole(d)
}

pub(super) fn seq<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    Ok(whole(d)?.unwrap_or(0))
}
