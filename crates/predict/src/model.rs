//! The content of a model artifact: all that is needed to predict.

use crate::artifact::{self, Format};
use crate::calibration::Calibration;
use crate::error::PredictError;
use crate::evidence::Evidence;
use crate::matrix::Matrix;
use crate::predictor::Predictor;
use provost_domain::Algorithm;
use provost_domain::features::CATEGORY_RULE;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The format of model artifacts. Versions 1 and 2 hold the model alone, and the version equals the version of the rule
/// that turned categories into codes. From version 3 on, that rule's version and the [`Evidence`] follow the model.
pub const FORMAT: Format = Format { magic: *b"PROVOSTM", version: WITH_EVIDENCE };
/// The first version with evidence.
const WITH_EVIDENCE: u32 = 3;

/// The part that follows the model from version 3 on.
#[derive(Serialize, Deserialize)]
struct Trailer {
    category_rule: u32,
    evidence: Evidence,
}

/// A fitted, calibrated model with the schema of its input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The algorithm that trained the model.
    pub algorithm: Algorithm,
    /// The input schema: all features of the snapshot, in order.
    pub feature_names: Vec<String>,
    /// The features that the predictor uses, in its order, as indices into `feature_names`.
    pub columns: Vec<u32>,
    /// Maps features to scores.
    pub predictor: Predictor,
    /// Maps scores to probabilities.
    pub calibration: Calibration,
    /// Decision threshold: a calibrated probability of at least this is an acceptance.
    pub threshold: f64,
    /// Version of the rule that turned the categories of the training rows into codes, see [`CATEGORY_RULE`].
    #[serde(skip)]
    pub category_rule: u32,
    /// Results of training for intervals, sets, explanations and warnings. None in artifacts before version 3.
    #[serde(skip)]
    pub evidence: Option<Arc<Evidence>>,
}

impl Model {
    /// Calibrated probability of class 1 for each of `rows`, in order.
    ///
    /// # Errors
    ///
    /// `Data` where the matrix lacks one of `feature_names`, or has them in another order, or a row is not in the
    /// matrix.
    pub fn predict_proba(&self, x: &Matrix, rows: &[u32]) -> Result<Vec<f64>, PredictError> {
        // A matrix may have more columns than the model was trained on, but the model's features must be in the model's
        // order.
        let place = |name: &String| x.names().iter().position(|n| n == name);
        let Some(places) =
            self.feature_names.iter().map(place).collect::<Option<Vec<usize>>>().filter(|p| p.is_sorted())
        else {
            return Err(PredictError::Data(format!(
                "the model was trained on the features {}; given: {}",
                self.feature_names.join(", "),
                x.names().join(", ")
            )));
        };
        if let Some(row) = rows.iter().find(|r| **r as usize >= x.rows()) {
            return Err(PredictError::Data(format!("row {row} is asked for, and the matrix has {} rows", x.rows())));
        }
        let columns: Vec<usize> = self.columns.iter().map(|c| places[*c as usize]).collect();
        let mut p = self.predictor.predict(x, &columns, rows);
        p.iter_mut().for_each(|p| *p = self.calibration.apply(*p));
        Ok(p)
    }

    /// The artifact's bytes. The same model always gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        #[allow(clippy::expect_used)]
        // postcard fails only on a short buffer or a sequence of unknown length; neither is here
        let mut payload = postcard::to_allocvec(self).expect("a model serialises");
        let Some(evidence) = &self.evidence else {
            return artifact::seal(Format { version: self.category_rule, ..FORMAT }, &payload);
        };
        let trailer = Trailer { category_rule: self.category_rule, evidence: Evidence::clone(evidence) };
        #[allow(clippy::expect_used)] // as above
        payload.extend(postcard::to_allocvec(&trailer).expect("evidence serialises"));
        artifact::seal(Format { version: WITH_EVIDENCE, ..FORMAT }, &payload)
    }

    /// Decodes an artifact and checks everything that predicting relies on: any bytes give a usable model or an error.
    ///
    /// # Errors
    ///
    /// `Artifact`, with the first fault that was found.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model, PredictError> {
        let (version, payload) = artifact::open(FORMAT, bytes)?;
        let fault = |e: postcard::Error| PredictError::Artifact(format!("does not decode: {e}"));
        let (mut model, mut rest): (Model, &[u8]) = postcard::take_from_bytes(payload).map_err(fault)?;
        model.category_rule = version;
        if version >= WITH_EVIDENCE {
            let (trailer, behind): (Trailer, &[u8]) = postcard::take_from_bytes(rest).map_err(fault)?;
            (model.category_rule, model.evidence, rest) =
                (trailer.category_rule, Some(Arc::new(trailer.evidence)), behind);
        }
        if !rest.is_empty() {
            return Err(PredictError::Artifact(format!("{} bytes beyond the model", rest.len())));
        }
        model.check().map_err(PredictError::Artifact)?;
        Ok(model)
    }

    fn check(&self) -> Result<(), String> {
        let width = self.feature_names.len();
        let mut names = BTreeSet::new();
        if let Some(twice) = self.feature_names.iter().find(|name| !names.insert(name.as_str())) {
            return Err(format!("two features are named {twice}"));
        }
        let mut used = vec![false; width];
        for column in &self.columns {
            match used.get_mut(*column as usize) {
                Some(used) if !*used => *used = true,
                Some(_) => return Err(format!("column {column} is used twice")),
                None => return Err(format!("column {column} of {width} features")),
            }
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(format!("threshold {} is not within 0..=1", self.threshold));
        }
        if !(1..=CATEGORY_RULE).contains(&self.category_rule) {
            return Err(format!("rule {} of categories; this program knows 1 to {CATEGORY_RULE}", self.category_rule));
        }
        self.evidence.as_ref().map_or(Ok(()), |evidence| evidence.check(width))?;
        self.calibration.check()?;
        self.predictor.check(self.columns.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::ranges::FeatureRange;
    use crate::score_counts::ScoreCounts;
    use proptest::prelude::*;

    /// A payload of any content in a valid envelope, as a hostile writer would make it.
    fn sealed(payload: &[u8]) -> Vec<u8> {
        artifact::seal(FORMAT, payload)
    }

    fn model() -> Model {
        Model {
            algorithm: Algorithm::RandomForest,
            feature_names: vec!["a".into(), "b".into()],
            columns: vec![1],
            predictor: Predictor::Constant(0.25),
            calibration: Calibration::Isotonic { x: vec![0.0, 0.5, 1.0], y: vec![0.1, 0.2, 0.9] },
            threshold: 0.5,
            category_rule: CATEGORY_RULE,
            evidence: None,
        }
    }

    #[test]
    fn an_artifact_of_before_says_so_and_stays_what_it_is() {
        let new = model();
        let old = artifact::seal(Format { version: 1, ..FORMAT }, &postcard::to_allocvec(&new).unwrap());
        let read = Model::from_bytes(&old).unwrap();
        assert_eq!((read.category_rule, read.to_bytes() == old), (1, true));
        assert_eq!(Model { category_rule: CATEGORY_RULE, ..read }, new);
    }

    #[test]
    fn evidence_follows_the_model_in_a_newer_version() {
        let evidence = Evidence {
            scores: ScoreCounts::new(&[0.2, 0.8], &[0, 1]),
            background: vec![vec![0.5, f32::NAN]],
            ranges: vec![FeatureRange::Never, FeatureRange::Numbers { low: 0.0, high: 1.0 }],
        };
        let with = |evidence: Evidence| Model { evidence: Some(Arc::new(evidence)), ..model() };
        let bytes = with(evidence.clone()).to_bytes();
        assert_eq!(bytes[8], 3);
        let read = Model::from_bytes(&bytes).unwrap();
        assert_eq!((read.category_rule, read.to_bytes() == bytes), (CATEGORY_RULE, true));
        assert_eq!(read.evidence.as_ref().map(|e| (&e.scores, &e.ranges)), Some((&evidence.scores, &evidence.ranges)));
        let wrong = [
            Evidence { background: vec![vec![0.5]], ..evidence.clone() },
            Evidence { background: vec![vec![0.5, f32::INFINITY]], ..evidence.clone() },
            Evidence { background: vec![vec![0.5; 2]; 101], ..evidence.clone() },
            Evidence { ranges: Vec::new(), ..evidence },
        ];
        for evidence in wrong {
            assert!(matches!(Model::from_bytes(&with(evidence).to_bytes()), Err(PredictError::Artifact(_))));
        }
    }

    fn refused(change: impl Fn(&mut Model)) -> String {
        let mut m = model();
        change(&mut m);
        Model::from_bytes(&m.to_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn round_trip() {
        let m = model();
        assert_eq!(Model::from_bytes(&m.to_bytes()).unwrap(), m);
        let x = Matrix::new(m.feature_names.clone(), vec![vec![1.0, f32::NAN], vec![0.0, 2.0]]).unwrap();
        let p = m.predict_proba(&x, &[1, 0, 1]).unwrap();
        assert!(p.len() == 3 && p.iter().all(|p| (p - 0.15).abs() < 1e-12), "{p:?}");
        assert!(
            m.predict_proba(&x, &[2])
                .unwrap_err()
                .to_string()
                .contains("row 2 is asked for, and the matrix has 2 rows")
        );
        let other = Matrix::new(vec!["b".into(), "a".into()], vec![vec![1.0], vec![0.0]]).unwrap();
        assert!(
            m.predict_proba(&other, &[0])
                .unwrap_err()
                .to_string()
                .contains("trained on the features a, b; given: b, a")
        );
        let names = ["a", "new", "b", "newer"].map(String::from).to_vec();
        let wider = Matrix::new(names, vec![vec![1.0], vec![9.0], vec![0.0], vec![9.0]]).unwrap();
        assert_eq!(m.predict_proba(&wider, &[0]).unwrap(), m.predict_proba(&x, &[0]).unwrap());
    }

    #[test]
    fn names_what_is_wrong() {
        assert!(refused(|m| m.columns = vec![2]).contains("column 2 of 2 features"));
        assert!(refused(|m| m.feature_names = vec!["b".into(), "b".into()]).contains("two features are named b"));
        assert!(refused(|m| m.columns = vec![1, 1]).contains("column 1 is used twice"));
        assert!(refused(|m| m.threshold = f64::NAN).contains("threshold NaN"));
        assert!(refused(|m| m.predictor = Predictor::Constant(1.5)).contains("1.5"));
        assert!(refused(|m| m.calibration = Calibration::Platt { a: -1.0, b: 0.0 }).contains("Platt"));
        assert!(
            refused(|m| m.calibration = Calibration::Isotonic { x: vec![0.5, 0.5], y: vec![0.1, 0.2] })
                .contains("isotonic")
        );
        let mut newer = model().to_bytes();
        newer[8] = 4;
        assert!(
            Model::from_bytes(&newer).unwrap_err().to_string().contains("format version 4; this program reads 1 to 3")
        );
        let mut huge = model().to_bytes();
        huge[19] = 0x7f;
        assert!(Model::from_bytes(&huge).unwrap_err().to_string().contains("more than 1073741824"));
        assert!(Model::from_bytes(b"PK\x03\x04 a zip archive of more than fifty-two bytes, surely so").is_err());
    }

    #[test]
    fn truncation_at_every_place_is_an_error() {
        let bytes = model().to_bytes();
        for n in 0..bytes.len() {
            assert!(matches!(Model::from_bytes(&bytes[..n]), Err(PredictError::Artifact(_))), "{n}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(matches!(Model::from_bytes(&longer), Err(PredictError::Artifact(_))));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_an_error(at in 0usize..10_000, bit in 0u8..8) {
            let mut bytes = model().to_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(matches!(Model::from_bytes(&bytes), Err(PredictError::Artifact(_))));
        }

        /// A hostile writer computes the right checksum.
        #[test]
        fn any_sealed_bytes_give_a_model_or_an_error(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            match Model::from_bytes(&sealed(&payload)) {
                Ok(m) => prop_assert!(m.check().is_ok()),
                Err(e) => prop_assert!(matches!(e, PredictError::Artifact(_))),
            }
        }
    }
}
