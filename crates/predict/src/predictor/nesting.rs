//! Bounds the nesting of predictors while they are decoded, so that hostile bytes cannot nest without end.

use serde::{Deserialize, Deserializer, de};
use std::cell::Cell;
use std::thread::LocalKey;

/// Decodes the inside of a predictor of one kind. `inside` says whether this thread is decoding one of this kind already.
///
/// # Errors
///
/// `what` if it is; the deserializer's own errors.
pub(super) fn once<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    inside: &'static LocalKey<Cell<bool>>,
    what: &'static str,
    deserializer: D,
) -> Result<T, D::Error> {
    if inside.replace(true) {
        return Err(de::Error::custom(what));
    }
    let decoded = T::deserialize(deserializer);
    inside.set(false);
    decoded
}
