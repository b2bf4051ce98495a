//! The search grids of a training configuration, and how large they may be.

use super::{TrainingConfig, Tuning};
use crate::algorithm::Algorithm;
use crate::check::brief;
use crate::fields::{Fields, did_you_mean, escaped, shown};
use crate::limits;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A search grid: parameter name to the values to try, in this order.
pub type Grid = BTreeMap<String, Vec<Value>>;

/// The number of candidates: the product of the lists' lengths, or `u64::MAX` if the product is greater.
pub fn candidates(grid: &Grid) -> u64 {
    grid.values().fold(1, |product, values| product.saturating_mul(values.len() as u64))
}

/// Reads `grids`: algorithm to parameter to values. The learners check whether a parameter exists and which values it
/// may have.
pub(super) fn read(f: &mut Fields<'_>) -> Option<BTreeMap<Algorithm, Grid>> {
    let value = f.get("grids").filter(|v| !v.is_null())?;
    let Value::Object(by_algorithm) = value else {
        f.fault("grids", format!("`grids` is {}; an object from algorithm to its grid is allowed", shown(value)));
        return None;
    };
    let mut grids = BTreeMap::new();
    let mut values = 0;
    for (name, grid) in by_algorithm {
        let Some(algorithm) = Algorithm::BASE.into_iter().find(|a| a.as_str() == name) else {
            f.fault_with(&format!("grids/{}", escaped(&brief(name, limits::PARAMETER_NAME))), || {
                let words = Algorithm::BASE.map(Algorithm::as_str);
                let hint = did_you_mean(name, words);
                format!("`{}` is no algorithm with a grid{hint}; allowed are {}", brief(name, 60), words.join(", "))
            });
            continue;
        };
        match grid {
            Value::Object(parameters) => {
                grids.insert(algorithm, read_grid(f, algorithm, parameters));
            }
            other => f.fault(
                &format!("grids/{name}"),
                format!("the grid of {name} is {}; an object from parameter to values is allowed", shown(other)),
            ),
        }
        values += grids.get(&algorithm).map_or(0, |grid| grid.values().map(Vec::len).sum());
    }
    if values > limits::GRID_VALUES_IN_ALL {
        let most = limits::GRID_VALUES_IN_ALL;
        f.fault("grids", format!("`grids` has {values} values in all its lists; at most {most} are allowed"));
    }
    Some(grids)
}

/// The grid of one algorithm. Parameters that are not allowed are reported and left out.
fn read_grid(f: &mut Fields<'_>, algorithm: Algorithm, parameters: &Map<String, Value>) -> Grid {
    let at = format!("grids/{algorithm}");
    if parameters.len() > limits::GRID_PARAMETERS {
        let (found, most) = (parameters.len(), limits::GRID_PARAMETERS);
        f.fault(&at, format!("the grid of {algorithm} has {found} parameters; at most {most} are allowed"));
        return Grid::new();
    }
    let mut grid = Grid::new();
    for (parameter, values) in parameters {
        let name = brief(parameter, 60);
        let at = format!("{at}/{}", escaped(&brief(parameter, limits::PARAMETER_NAME)));
        let long = !limits::fits(parameter, limits::PARAMETER_NAME);
        match values {
            _ if long => {
                let (length, most) = (parameter.chars().count(), limits::PARAMETER_NAME);
                f.fault(&at, format!("the name `{name}` has {length} characters; at most {most} are allowed"));
            }
            Value::Array(list) if list.len() > limits::GRID_VALUES => {
                let (found, most) = (list.len(), limits::GRID_VALUES);
                f.fault(&at, format!("`{name}` of {algorithm} has {found} values; at most {most} are allowed"));
            }
            Value::Array(list) if !list.is_empty() => {
                for (i, value) in list.iter().enumerate() {
                    if let Some(fault) = value_fault(value) {
                        let message = || format!("`{name}[{i}]` of {algorithm} is {}; {fault}", shown(value));
                        f.fault_with(&format!("{at}/{i}"), message);
                    }
                }
                grid.insert(parameter.clone(), list.clone());
            }
            other => f.fault(
                &at,
                format!("`{name}` of {algorithm} is {}; a list of one or more values is allowed", shown(other)),
            ),
        }
    }
    grid
}

/// What is allowed in place of this value; None if the value is allowed.
fn value_fault(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) if limits::fits(text, limits::GRID_TEXT) => None,
        Value::String(_) => Some(format!("a text of at most {} characters is allowed", limits::GRID_TEXT)),
        Value::Array(list) if list.len() <= limits::GRID_LAYERS && list.iter().all(Value::is_number) => None,
        Value::Array(_) => Some(format!("a list of at most {} numbers is allowed", limits::GRID_LAYERS)),
        Value::Object(_) => Some("null, true, false, a number, a text or a list of numbers is allowed".to_owned()),
    }
}

/// Checks the size of grids for `grid_search`, which fits every candidate. The other searches draw from the grid, which
/// may be of any size.
pub(super) fn check_size(config: &TrainingConfig, f: &mut Fields<'_>) {
    if config.hyperparameter_tuning != Tuning::GridSearch {
        return;
    }
    for (algorithm, grid) in config.grids.iter().flatten() {
        let found = candidates(grid);
        if found > limits::GRID_CANDIDATES as u64 {
            f.fault(&format!("grids/{algorithm}"), too_many_candidates(*algorithm, found));
        }
    }
}

/// The message about a grid that is too large for `grid_search`.
pub fn too_many_candidates(algorithm: Algorithm, candidates: u64) -> String {
    let most = limits::GRID_CANDIDATES;
    let found = if candidates == u64::MAX { "more than 10^19".to_owned() } else { candidates.to_string() };
    format!(
        "the grid of {algorithm} has {found} candidates; at most {most} are allowed with `hyperparameter_tuning` \
         grid_search; random_search and bayesian draw from a grid of any size"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn pointers(tuning: &str, grids: Value) -> Vec<String> {
        let read = TrainingConfig::from_json(&json!({"hyperparameter_tuning": tuning, "grids": grids}));
        read.err().map(|faults| faults.0.into_iter().map(|f| f.pointer).collect()).unwrap_or_default()
    }

    #[test]
    fn only_a_grid_search_bounds_the_product() {
        let list: Vec<u32> = (1..=2000).collect();
        let grids = json!({"xgboost": {"n_estimators": list, "max_depth": list, "gamma": list}});
        assert_eq!(pointers("grid_search", grids.clone()), ["/grids/xgboost"]);
        for tuning in ["random_search", "bayesian", "none"] {
            assert_eq!(pointers(tuning, grids.clone()), [""; 0], "{tuning}");
        }
        let three = |a: usize, b: usize, c: usize| json!({"xgboost": {"a": list[..a], "b": list[..b], "c": list[..c]}});
        assert_eq!(pointers("grid_search", three(100, 100, 10)), [""; 0]);
        assert_eq!(pointers("grid_search", three(100, 101, 10)), ["/grids/xgboost"]);
        let wide: Map<String, Value> = (0..50).map(|i| (format!("p{i}"), json!(list[..100]))).collect();
        let body = json!({"hyperparameter_tuning": "grid_search", "grids": {"xgboost": wide}});
        let told = TrainingConfig::from_json(&body).unwrap_err().to_string();
        assert!(told.contains("more than 10^19"), "the product does not overflow: {told}");
    }

    #[test]
    fn names_lists_and_values_are_bounded() {
        let many = |n: usize| vec![json!(1); n];
        let at = |grid: Value| pointers("random_search", json!({"xgboost": grid}));
        let wide = |n: usize| (0..n).map(|i| (format!("p{i}"), json!([1]))).collect::<Map<_, _>>();
        assert_eq!(at(json!(wide(50))), [""; 0]);
        assert_eq!(at(json!(wide(51))), ["/grids/xgboost"]);
        assert_eq!(at(json!({"gamma": many(10_000)})), [""; 0]);
        assert_eq!(at(json!({"gamma": many(10_001)})), ["/grids/xgboost/gamma"]);
        assert_eq!(at(json!({"a": many(9000), "b": many(9000), "c": many(2001)})), ["/grids"]);
        let long = "x".repeat(101);
        assert_eq!(at(json!({ long.as_str(): [1] })), [format!("/grids/xgboost/{}…", &long[..100])]);
        for (value, allowed) in [
            (json!("x".repeat(100)), true),
            (json!("x".repeat(101)), false),
            (json!([50, 50.5]), true),
            (json!(vec![1; 21]), false),
            (json!([["deep"]]), false),
            (json!({"a": 1}), false),
            (json!(null), true),
        ] {
            let found = at(json!({"gamma": [1, value]}));
            assert_eq!(found.is_empty(), allowed, "{found:?}");
            assert!(allowed || found == ["/grids/xgboost/gamma/1"], "{found:?}");
        }
    }
}
