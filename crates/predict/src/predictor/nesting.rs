//! Bounds the nesting of predictors while they are decoded, so that manipulated bytes cannot cause unbounded recursion.

use serde::{Deserialize, Deserializer, de};
use std::cell::Cell;
use std::thread::LocalKey;

/// Decodes the part inside a predictor of one kind. `inside` tells whether this thread is already decoding a predictor
/// of this kind.
///
/// # Errors
///
/// `what` if the predictor is inside another of its kind, or an error of the deserializer.
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
