//! The section `[predict]`.

use super::{Reader, SettingsError};
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct Predict {
    /// The model's name in the Open Inference Protocol.
    pub name: String,
    pub max_body_bytes: usize,
    /// The folder for answers of a stream that the client has not read yet, and the most bytes per stream.
    pub spool_dir: PathBuf,
    pub spool_bytes: u64,
    /// Features that a counterfactual may change.
    pub changeable: Vec<String>,
    /// Whether predictions are logged, the share of large batches that is logged (0 to 1), and the most entries of the log.
    pub log: bool,
    pub log_sample: f64,
    pub log_max_rows: u64,
    /// What the role client may request besides the active model's probabilities.
    pub client_model_id: bool,
    pub client_counterfactual: bool,
}

impl Predict {
    pub(super) fn read(read: &Reader<'_>, data_dir: &std::path::Path) -> Result<Self, SettingsError> {
        let wrong = |key: &str, why: String| SettingsError(vec![format!("{key}: {why}")]);
        let name = read.text("predict.name")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 100 || !name.chars().all(is_name) {
            let why = "allowed are 1 to 100 of the characters a to z, A to Z, 0 to 9, - _ .".to_owned();
            return Err(wrong("predict.name", why));
        }
        let listed = read.text("predict.changeable")?;
        let changeable: Vec<String> =
            listed.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if let Some(unknown) =
            changeable.iter().find(|name| !provost_domain::features::FEATURES.contains(&name.as_str()))
        {
            let allowed = provost_domain::features::FEATURES.join(", ");
            return Err(wrong("predict.changeable", format!("`{unknown}` is not a feature; allowed are {allowed}")));
        }
        Ok(Self {
            name,
            max_body_bytes: read.whole("predict.max_body_bytes")?,
            spool_dir: data_dir.to_owned(),
            spool_bytes: read.whole("predict.spool_bytes")?,
            changeable,
            log: read.switch("predict.log")?,
            log_sample: f64::from(read.whole::<u32>("predict.log_sample")?) / 100.0,
            log_max_rows: read.whole("predict.log_max_rows")?,
            client_model_id: read.switch("predict.client_model_id")?,
            client_counterfactual: read.switch("predict.client_counterfactual")?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Settings;
    use super::*;
    use provost_predict::serving::DEFAULT_CHANGEABLE;

    fn read(key: &str, value: &str) -> Result<Settings, SettingsError> {
        Settings::from_layers(None, [(format!("PROVOST_PREDICT__{key}"), value.to_owned())], &Vec::new())
    }

    #[test]
    fn the_defaults_are_the_contracts_and_bad_names_are_refused() {
        let settings = Settings::from_layers(None, [], &Vec::new()).unwrap();
        let predict = &settings.predict;
        assert_eq!((predict.name.as_str(), predict.max_body_bytes), ("admission", 32 << 20));
        assert_eq!(predict.changeable, DEFAULT_CHANGEABLE);
        assert!(!predict.client_model_id && !predict.client_counterfactual);
        for (key, value, wanted) in [
            ("NAME", "a/b", "predict.name"),
            ("NAME", "", "predict.name"),
            ("CHANGEABLE", "gpa_normalized, age", "`age` is not a feature"),
        ] {
            let error = read(key, value).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        assert_eq!(read("CHANGEABLE", "").unwrap().predict.changeable, Vec::<String>::new());
    }
}
