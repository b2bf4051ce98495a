//! The layers of settings: flag over environment over file over default; each value keeps its source.

use super::schema::{self, Kind};
use super::value::{Source, Values};
use super::{redaction, tables};
use provost_domain::check::brief;
use provost_domain::visible;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// The compiled-in defaults.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Sections that hold tables of numbers instead of single settings; their own types check them.
const TABLES: [&str; 2] = ["features", "grids"];

/// Merges file, environment and flags over the defaults. Returns all faults at once.
pub fn merge(
    file: Option<(&Path, &str)>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&str, &str, String)],
) -> Result<Values, Vec<String>> {
    let mut faults = Vec::new();
    let mut values = Values::new();
    match DEFAULTS.parse::<Table>() {
        Ok(table) => flatten("", &table, &mut |key, value| {
            values.insert(key, (value, Source::Default));
        }),
        Err(e) => return Err(vec![format!("config/default.toml: {e}")]),
    }

    if let Some((path, text)) = file {
        match text.parse::<Table>() {
            Ok(table) => {
                let source = Source::File(path.to_owned());
                let mut found = Vec::new();
                flatten("", &table, &mut |key, value| found.push((key, value)));
                for (key, value) in found {
                    set(&mut values, &key, value, source.clone(), &mut faults);
                }
            }
            // The line itself is left out, because it may hold a password.
            Err(e) => {
                let line = e.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
                faults.push(format!("{}: not TOML: line {line}: {}", path.display(), e.message()));
            }
        }
    }

    // Sorted, so that messages do not depend on the order of the process's environment.
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    for (name, text) in environment {
        let Some(key) = setting_of(&name) else {
            faults.extend(one_underscore(&values, &name));
            continue;
        };
        let value = from_text(&values, &key, &text);
        set(&mut values, &key, value, Source::Environment(name), &mut faults);
    }

    for (key, flag, text) in flags {
        let value = from_text(&values, key, text);
        set(&mut values, key, value, Source::Flag((*flag).to_owned()), &mut faults);
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

/// The setting of an environment variable: `PROVOST_HTTP__LISTEN` is `http.listen`. A name without `__` is not a setting.
fn setting_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix("PROVOST_")?;
    rest.contains("__").then(|| rest.to_ascii_lowercase().replace("__", "."))
}

/// Finds the setting that a name with a single underscore after the section probably means.
fn one_underscore(values: &Values, name: &str) -> Option<String> {
    let rest = name.strip_prefix("PROVOST_")?.to_ascii_lowercase();
    // The comparison costs time and memory in proportion to the product of the lengths.
    if rest.len() > 100 {
        return None;
    }
    let in_section = |key: &&String| key.split('.').next().is_some_and(|s| rest.starts_with(&format!("{s}_")));
    let distance = |key: &String| strsim::damerau_levenshtein(&key.replace('.', "_"), &rest);
    let (distance, nearest) = values.keys().filter(in_section).map(|key| (distance(key), key)).min()?;
    let meant = format!("PROVOST_{}", nearest.replace('.', "__").to_ascii_uppercase());
    let what = "not a setting: the section is followed by two underscores";
    (distance <= 2).then(|| format!("environment {name}: {what}; did you mean {meant}?"))
}

fn flatten(prefix: &str, table: &Table, out: &mut impl FnMut(String, Value)) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, out),
            other => out(key, other.clone()),
        }
    }
}

fn from_text(values: &Values, key: &str, text: &str) -> Value {
    if let Some(kind) = schema::kind(key) {
        return kind.read(text);
    }
    // An entry of a table is written as in the file.
    let raw = Value::String(text.to_owned());
    if is_known(values, key) {
        format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v")).unwrap_or(raw)
    } else {
        raw
    }
}

/// The defaults have a grid for only some parameters of a learner; the others can be searched too.
fn is_known(values: &Values, key: &str) -> bool {
    values.contains_key(key) || tables::is_parameter(key)
}

fn set(values: &mut Values, key: &str, value: Value, source: Source, faults: &mut Vec<String>) {
    if !is_known(values, key) {
        faults.push(format!(
            "{source}: unknown setting {}{}",
            visible::line(&brief(key, 100)),
            suggestion(values, key)
        ));
        return;
    }
    if let Some(kind) = schema::kind(key)
        && !kind.accepts(&value)
    {
        faults.push(bad(key, &value, &source, kind));
        return;
    }
    values.insert(key.to_owned(), (value, source));
}

fn bad(key: &str, value: &Value, source: &Source, kind: Kind) -> String {
    let shown = redaction::redacted(key, value).to_string();
    let shown = visible::line(&brief(&shown, 200)).into_owned();
    let fault = kind.fault(value).map_or_else(String::new, |fault| format!("{fault}; "));
    // The same number without a point would be allowed.
    let point = match (kind, value) {
        (Kind::Whole(..), Value::Float(n)) if n.fract() == 0.0 => " without a point or an exponent",
        _ => "",
    };
    format!("{key} = {shown} ({source}): {fault}allowed is {}{point}", kind.allowed())
}

fn suggestion(values: &Values, key: &str) -> String {
    if !TABLES.contains(&key.split('.').next().unwrap_or_default())
        && let Some(nested) = values.keys().find(|k| k.starts_with(key) && k[key.len()..].starts_with('.'))
    {
        return format!(": the name is a section; one of its settings is {nested}");
    }
    // The comparison costs time and memory in proportion to the product of the lengths.
    if key.len() > 100 {
        return String::new();
    }
    let nearest = values
        .keys()
        .map(|known| {
            // `listen` alone probably means `http.listen`.
            let tail = known.rsplit('.').next().unwrap_or(known);
            (strsim::damerau_levenshtein(known, key).min(1 + strsim::damerau_levenshtein(tail, key)), known)
        })
        .min();
    nearest.map_or_else(String::new, |(_, known)| format!("; did you mean {known}?"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn the_schema_and_the_file_of_defaults_have_the_same_keys_and_every_default_is_allowed() {
        let values = merge(None, [], &[]).unwrap();
        for (key, kind) in schema::SETTINGS {
            let (value, _) = values.get(*key).unwrap_or_else(|| panic!("config/default.toml has no {key}"));
            assert!(kind.accepts(value), "{key} = {value}");
        }
        for key in values.keys() {
            let table = TABLES.contains(&key.split('.').next().unwrap());
            assert!(table || schema::kind(key).is_some(), "no rule for {key}");
        }
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let path = Path::new("my.toml");
        let file = Some((path, "[http]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n[jobs]\nmax_queued = 7\n"));
        let env = env(&[("PROVOST_HTTP__LISTEN", "127.0.0.1:2"), ("PROVOST_JOBS__MAX_QUEUED", "8")]);
        let values = merge(file, env, &[("http.listen", "--listen", "127.0.0.1:3".to_owned())]).unwrap();
        let get = |key: &str| values[key].clone();
        assert_eq!(get("http.listen"), (Value::String("127.0.0.1:3".to_owned()), Source::Flag("--listen".to_owned())));
        assert_eq!(
            get("jobs.max_queued"),
            (Value::Integer(8), Source::Environment("PROVOST_JOBS__MAX_QUEUED".to_owned()))
        );
        assert_eq!(get("http.workers"), (Value::Integer(3), Source::File(path.to_owned())));
        assert_eq!(get("jobs.deaths"), (Value::Integer(5), Source::Default));
    }

    #[test]
    fn only_names_with_a_section_are_settings() {
        assert!(merge(None, env(&[("PROVOST_TEST_AMQP", "x"), ("PROVOST", "y"), ("HOME", "z")]), &[]).is_ok());
    }

    #[test]
    fn a_setting_with_one_underscore_is_found() {
        for (name, meant) in [
            ("PROVOST_HTTP_LISTEN", "PROVOST_HTTP__LISTEN"),
            ("PROVOST_JOBS_MAX_QUEUED", "PROVOST_JOBS__MAX_QUEUED"),
            ("PROVOST_STORE_URL", "PROVOST_STORE__URL"),
            ("PROVOST_HTTP_LISEN", "PROVOST_HTTP__LISTEN"),
        ] {
            let faults = merge(None, env(&[(name, "1")]), &[]).unwrap_err();
            assert!(faults[0].contains(name) && faults[0].ends_with(&format!("did you mean {meant}?")), "{faults:?}");
        }
        let others =
            [("PROVOST_KEY", "x"), ("PROVOST_KEY_FILE", "x"), ("PROVOST_STORED", "x"), ("PROVOST_TEST_MONGODB", "x")];
        assert!(merge(None, env(&others), &[]).is_ok());
    }

    #[test]
    fn every_fault_is_named_with_its_source_and_what_is_allowed() {
        let file = Some((Path::new("my.toml"), "[http]\nlisen = \"x\"\nworkers = 0\n[shutdown]\ndeadline = 30\n"));
        let faults = merge(file, env(&[("PROVOST_JOBS__SOFT_LIMIT", "soon")]), &[]).unwrap_err();
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(faults[0].contains("file my.toml") && faults[0].contains("did you mean http.listen?"), "{}", faults[0]);
        assert!(faults[1].contains("http.workers = 0") && faults[1].contains("from 1 to 64"), "{}", faults[1]);
        assert!(faults[2].contains("shutdown.deadline = 30"), "{}", faults[2]);
        assert!(faults[3].contains("environment PROVOST_JOBS__SOFT_LIMIT"), "{}", faults[3]);
        let float = bad("http.workers", &Value::Float(4.0), &Source::Default, Kind::Whole(1, 64));
        assert!(float.ends_with("from 1 to 64 without a point or an exponent"), "{float}");
    }

    #[test]
    fn a_bare_or_misspelt_key_finds_its_nearest() {
        for (name, nearest) in [
            ("PROVOST_HTPP__LISTEN", "http.listen"),
            ("PROVOST_JOBS__MAX_RUNING", "jobs.max_running"),
            ("PROVOST_STORE__URI", "store.url"),
        ] {
            let faults = merge(None, env(&[(name, "1")]), &[]).unwrap_err();
            assert!(faults[0].ends_with(&format!("did you mean {nearest}?")), "{}", faults[0]);
        }
    }

    #[test]
    fn a_misspelt_log_level_is_a_fault_and_not_silence() {
        assert!(merge(None, env(&[("PROVOST_LOG__LEVEL", "verbos")]), &[]).is_err());
        assert!(merge(None, env(&[("PROVOST_LOG__LEVEL", "info,provost_actors=debug")]), &[]).is_ok());
    }
}
