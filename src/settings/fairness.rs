//! The section `[fairness]`.

use super::{Reader, SettingsError};
use provost_actors::FairnessOptions;
use provost_domain::fairness::AUDIT_ATTRIBUTES;
use provost_domain::limits::{ATTRIBUTE_NAME, FAIRNESS_ATTRIBUTES};

pub(super) fn read(read: &Reader<'_>) -> Result<FairnessOptions, SettingsError> {
    let wrong = |why: String| SettingsError(vec![format!("fairness.attributes: {why}")]);
    let listed = read.text("fairness.attributes")?;
    let mut attributes: Vec<String> = Vec::new();
    for name in listed.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if name.chars().count() > ATTRIBUTE_NAME {
            return Err(wrong(format!("a name has more than {ATTRIBUTE_NAME} characters")));
        }
        if !AUDIT_ATTRIBUTES.contains(&name) && !attributes.iter().any(|other| other == name) {
            attributes.push(name.to_owned());
        }
    }
    if attributes.len() > FAIRNESS_ATTRIBUTES {
        let (named, most) = (attributes.len(), FAIRNESS_ATTRIBUTES);
        return Err(wrong(format!("{named} attributes are named; at most {most} are allowed")));
    }
    Ok(FairnessOptions { attributes, gate: read.switch("fairness.gate")? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Settings;

    #[test]
    fn names_are_listed_once_and_bounded() {
        let read = |value: &str| {
            let env = [("PROVOST_FAIRNESS__ATTRIBUTES".to_owned(), value.to_owned())];
            Settings::from_layers(None, env, &Vec::new()).map(|s| s.fairness)
        };
        let found = read(" degree, gender,citizenship status, degree ,").unwrap();
        assert_eq!((found.attributes, found.gate), (vec!["degree".to_owned(), "citizenship status".to_owned()], false));
        for bad in ["a,b,c,d,e,f,g".to_owned(), "x".repeat(51)] {
            let error = read(&bad).unwrap_err().to_string();
            assert!(error.contains("fairness.attributes"), "{error}");
        }
    }
}
