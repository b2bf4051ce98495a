//! How many columns a split may choose from, as in scikit-learn.

use crate::params::Reader;
use serde_json::Value;

pub enum MaxFeatures {
    All,
    Sqrt,
    Log2,
    Count(usize),
    Share(f64),
}

impl MaxFeatures {
    /// Reads the parameter `max_features`. An invalid value is recorded as a fault, and what is returned is then not
    /// used.
    pub fn read(r: &mut Reader<'_>) -> Self {
        let shape = "sqrt, log2, a whole number from 1 to 65535, a share above 0.0 and at most 1.0, or null";
        let keep = |v: &Value| Self::parse(v).map(|m| if matches!(m, Self::All) { Value::Null } else { v.clone() });
        Self::parse(&r.take("max_features", shape, keep)).unwrap_or(Self::All)
    }
    fn parse(v: &Value) -> Option<Self> {
        match v {
            Value::Null => Some(Self::All),
            Value::String(s) if s == "none" => Some(Self::All),
            Value::String(s) if s == "sqrt" => Some(Self::Sqrt),
            Value::String(s) if s == "log2" => Some(Self::Log2),
            Value::Number(n) if n.is_u64() => {
                n.as_u64().filter(|n| (1..=65_535).contains(n)).map(|n| Self::Count(n as usize))
            }
            Value::Number(n) => n.as_f64().filter(|f| *f > 0.0 && *f <= 1.0).map(Self::Share),
            _ => None,
        }
    }
    /// The number of columns, out of `width`; at least 1.
    pub fn of(&self, width: usize) -> usize {
        let n = match self {
            Self::All => width,
            Self::Sqrt => width.isqrt(),
            Self::Log2 => width.checked_ilog2().unwrap_or(0) as usize,
            Self::Count(n) => *n,
            Self::Share(f) => (f * width as f64) as usize,
        };
        n.clamp(1, width.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_counts_and_shares() {
        let of = |given: Value| MaxFeatures::parse(&given).map(|m| m.of(12));
        for (given, want) in [
            (json!("sqrt"), 3),
            (json!("log2"), 3),
            (json!(0.5), 6),
            (json!(0.01), 1),
            (json!(40), 12),
            (Value::Null, 12),
        ] {
            assert_eq!(of(given), Some(want));
        }
        assert!([json!(1.5), json!(0), json!("all"), json!([3])].into_iter().all(|given| of(given).is_none()));
    }
}
