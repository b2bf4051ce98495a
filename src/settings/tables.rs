//! The two sections that are tables: scales of features, and grids of a search.

use super::SettingsError;
use super::value::{Source, Values};
use provost_domain::Algorithm;
use provost_domain::config::Grid;
use provost_domain::features::FeatureTables;
use provost_domain::json;
use provost_learn::learners::learner;
use std::collections::BTreeMap;
use toml::{Table, Value};

pub fn features(values: &Values) -> Result<FeatureTables, SettingsError> {
    let mut table = Table::new();
    for (key, (value, _)) in values.iter().filter(|(k, _)| k.starts_with("features.")) {
        insert(&mut table, &key["features.".len()..], value.clone());
    }
    let tables: FeatureTables = json::from_deserializer(Value::Table(table))
        .map_err(|e: toml::de::Error| SettingsError(vec![format!("features{}: {}", changed(values), e.message())]))?;
    tables.check().map_err(|faults| SettingsError(vec![format!("features{}: {faults}", changed(values))]))?;
    Ok(tables)
}

/// Whether the key names a parameter of a learner, as `grids.xgboost.reg_lambda` does.
pub fn is_parameter(key: &str) -> bool {
    let named = key.strip_prefix("grids.").and_then(|k| k.split_once('.'));
    named.is_some_and(|(algorithm, parameter)| {
        let learner = Algorithm::parse(algorithm).and_then(learner);
        learner.is_some_and(|learner| learner.defaults().contains_key(parameter))
    })
}

pub fn grids(values: &Values) -> Result<BTreeMap<Algorithm, Grid>, SettingsError> {
    let mut grids: BTreeMap<Algorithm, Grid> = BTreeMap::new();
    let mut faults = Vec::new();
    for (key, (value, source)) in values {
        let Some((algorithm, parameter)) = key.strip_prefix("grids.").and_then(|k| k.split_once('.')) else { continue };
        let Some(algorithm) = Algorithm::parse(algorithm) else { continue };
        match value {
            Value::Array(tried) if !tried.is_empty() => {
                grids.entry(algorithm).or_default().insert(parameter.to_owned(), tried.iter().map(as_json).collect());
            }
            other => faults.push(format!("{key} = {other} ({source}): allowed is a list of one or more values")),
        }
    }
    if faults.is_empty() { Ok(grids) } else { Err(SettingsError(faults)) }
}

/// TOML has no null; the text "none" stands for it.
fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(s) if s == "none" => serde_json::Value::Null,
        Value::String(s) => s.as_str().into(),
        Value::Integer(n) => (*n).into(),
        Value::Float(x) => (*x).into(),
        Value::Boolean(b) => (*b).into(),
        Value::Array(items) => items.iter().map(as_json).collect(),
        other => other.to_string().into(),
    }
}

fn insert(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            if let Value::Table(inner) = table.entry(head).or_insert_with(|| Value::Table(Table::new())) {
                insert(inner, rest, value);
            }
        }
    }
}

/// Names the entries that differ from the defaults, which are the likely cause of a fault.
fn changed(values: &Values) -> String {
    let of: Vec<String> = values
        .iter()
        .filter(|(k, (_, source))| k.starts_with("features.") && *source != Source::Default)
        .map(|(k, (_, source))| format!("{k} ({source})"))
        .collect();
    if of.is_empty() { String::new() } else { format!(", changed by {}", of.join(", ")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::layers;
    use super::*;
    use std::path::Path;

    #[test]
    fn the_file_of_defaults_says_what_the_code_does() {
        let values = layers::merge(None, [], &[]).unwrap();
        assert_eq!(features(&values).unwrap(), FeatureTables::default());
    }

    #[test]
    fn the_file_for_extended_features_has_one_sound_candidate_each() {
        let text = include_str!("../../config/extended.toml");
        let values = layers::merge(Some((Path::new("extended.toml"), text)), [], &[]).unwrap();
        let named: Table = text.parse().unwrap();
        let named = named["grids"].as_table().unwrap();
        assert_eq!(named.len(), 3);
        for (algorithm, grid) in grids(&values).unwrap().iter().filter(|(a, _)| named.contains_key(a.as_str())) {
            assert!(grid.values().all(|tried| tried.len() == 1), "{algorithm}: {grid:?}");
            let candidate = grid.iter().map(|(name, tried)| (name.clone(), tried[0].clone())).collect();
            learner(*algorithm).unwrap().check(&candidate).unwrap();
        }
    }

    #[test]
    fn any_parameter_of_a_learner_can_have_a_grid() {
        let of = |name: &str| layers::merge(None, [(name.to_owned(), "[1, 10]".to_owned())], &[]);
        let values = of("PROVOST_GRIDS__XGBOOST__REG_LAMBDA").unwrap();
        assert_eq!(grids(&values).unwrap()[&Algorithm::Xgboost]["reg_lambda"], [1, 10]);
        for unknown in ["PROVOST_GRIDS__XGBOOST__LAMBDA", "PROVOST_GRIDS__ENSEMBLE__MEMBERS", "PROVOST_GRIDS__SVM__C"] {
            assert!(of(unknown).unwrap_err()[0].contains("unknown setting"), "{unknown}");
        }
    }

    #[test]
    fn the_grids_of_the_file_are_the_learners_own() {
        let grids = grids(&layers::merge(None, [], &[]).unwrap()).unwrap();
        assert_eq!(grids.len(), Algorithm::BASE.len());
        for (algorithm, grid) in grids {
            let own = provost_learn::learners::learner(algorithm).unwrap().grid();
            // 1 and 1.0 are the same value.
            let numbers = |grid: &Grid| {
                let text = serde_json::to_string(grid).unwrap();
                text.replace(".0,", ",").replace(".0]", "]")
            };
            assert_eq!(numbers(&grid), numbers(&own), "{algorithm}");
        }
    }

    #[test]
    fn a_table_that_cannot_be_used_is_refused_with_its_source() {
        for (name, value) in [
            ("PROVOST_FEATURES__GMAT", "[[700, 50], [600, 40]]"),
            ("PROVOST_FEATURES__RESEARCH__PATENT", "many"),
            ("PROVOST_FEATURES__IELTS", "[]"),
        ] {
            let values = layers::merge(None, [(name.to_owned(), value.to_owned())], &[]).unwrap();
            let error = features(&values).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_grid_is_a_list_and_none_is_null() {
        let values = layers::merge(None, [], &[]).unwrap();
        let forest = &grids(&values).unwrap()[&Algorithm::RandomForest];
        assert_eq!(forest["max_depth"].last(), Some(&serde_json::Value::Null));
        let env = [("PROVOST_GRIDS__XGBOOST__MAX_DEPTH".to_owned(), "3".to_owned())];
        let error = grids(&layers::merge(None, env, &[]).unwrap()).unwrap_err().to_string();
        assert!(error.contains("grids.xgboost.max_depth = 3"), "{error}");
    }
}
