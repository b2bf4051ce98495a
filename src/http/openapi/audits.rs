//! Examples of audits.

use super::records::model_id;
use provost_domain::Algorithm;
use provost_domain::data_checks::{ContradictedLabel, DataChecks, FeatureAuc, LabelChecks, LeakFinding, NearDuplicate};
use provost_domain::fairness::{
    AttributeFairness, FairnessDifference, FairnessDifferences, FairnessFigure, FairnessFigures, FairnessMeasure,
    FairnessReport, FairnessVerdict, GroupFairness,
};

fn figure(value: f64, half: f64) -> FairnessFigure {
    let cents = |figure: f64| Some((figure * 100.0).round() / 100.0);
    FairnessFigure { value: cents(value), low: cents(value - half), high: cents(value + half) }
}

fn figures(values: [f64; 6], half: f64) -> FairnessFigures {
    let mut figures = FairnessFigures::default();
    for (measure, value) in FairnessMeasure::ALL.iter().zip(values) {
        *figures.of_mut(*measure) = figure(value, half);
    }
    figures
}

fn differences(values: [f64; 6]) -> FairnessDifferences {
    let mut differences = FairnessDifferences::default();
    for (measure, value) in FairnessMeasure::ALL.iter().zip(values) {
        let FairnessFigure { value, low, high } = figure(value, 0.08);
        let (p_value, p_holm) = (Some(0.3), Some(1.0));
        *differences.of_mut(*measure) = FairnessDifference { value, low, high, p_value, p_holm };
    }
    differences
}

/// The audit of a model.
pub fn fairness() -> FairnessReport {
    let compared = |group: &str, rows: u64, accepted: u64, sign: f64| GroupFairness {
        group: group.to_owned(),
        rows,
        accepted,
        figures: figures([0.41 + 0.01 * sign, 0.63, 0.22, 0.71, 0.8, 0.97], 0.05),
        difference: Some(differences([0.02 * sign, 0.01 * sign, 0.01 * sign, 0.0, 0.01 * sign, 0.03 * sign])),
        ratio: Some(figures([1.0 + 0.05 * sign, 1.0, 1.0, 1.0, 1.0, 1.0], 0.12)),
        verdict: FairnessVerdict::NoDifference,
        differs_in: Vec::new(),
    };
    let small = GroupFairness {
        group: "other".to_owned(),
        rows: 12,
        accepted: 5,
        figures: FairnessFigures { selection_rate: figure(0.42, 0.25), ..FairnessFigures::default() },
        difference: None,
        ratio: None,
        verdict: FairnessVerdict::TooFew,
        differs_in: Vec::new(),
    };
    FairnessReport {
        model_id: model_id(Algorithm::Xgboost),
        rows: 768,
        threshold: 0.46,
        attributes: vec![AttributeFairness {
            attribute: "gender".to_owned(),
            rows: 740,
            missing: 28,
            groups: vec![compared("female", 371, 160, 1.0), compared("male", 357, 149, -1.0), small],
            groups_not_shown: 0,
        }],
        warnings: Vec::new(),
    }
}

/// What checks of data found.
pub fn data_checks() -> DataChecks {
    let alone = |feature: &str, auc_roc: f64| FeatureAuc { feature: feature.to_owned(), auc_roc };
    DataChecks {
        rows: 5_120,
        modelled_rows: 5_120,
        auc_roc: Some(0.969),
        features: vec![alone("program_competitiveness", 0.961), alone("gpa_normalized", 0.642)],
        leaks: vec![LeakFinding {
            features: vec!["program_competitiveness".to_owned()],
            auc_roc: 0.961,
            others_auc_roc: Some(0.762),
            gain: Some(0.207),
            reason: "alone an AUC of 0.961; from 0.95 on it is hardly known before the outcome".to_owned(),
        }],
        program_fields: Vec::new(),
        near_duplicate_pairs: 1,
        near_duplicates: vec![NearDuplicate {
            data_point_id: "cmu-2026-17".to_owned(),
            other_data_point_id: "mit-2026-4".to_owned(),
            equal_features: 8,
            differs_in: Some("extracurricular_score".to_owned()),
            expected_by_chance: 2e-7,
            same_outcome: false,
        }],
        labels: LabelChecks {
            confident_joint: [[1_820, 64], [52, 1_340]],
            estimated_errors: 181.3,
            contradicted: 1,
            rows: vec![ContradictedLabel {
                data_point_id: "cmu-2026-18".to_owned(),
                accepted: false,
                probability: 0.981,
            }],
        },
        warnings: Vec::new(),
    }
}
