//! The features of one application without an outcome.

pub use provost_domain::Application;
use provost_domain::features::{EXTENDED, FEATURES, FeatureTables};

/// The twelve features, then the extended ones if `extended`; NaN is missing. The second value has bit i set if feature
/// i of the twelve comes from the application and not from a default.
pub(crate) fn features(application: &Application, tables: &FeatureTables, extended: bool) -> (Vec<f32>, u16) {
    let row = tables.row(application.point());
    let mut values = Vec::with_capacity(FEATURES.len() + if extended { EXTENDED.len() } else { 0 });
    values.extend_from_slice(&row.values);
    if extended {
        values.extend_from_slice(&tables.extended(application.point()));
    }
    (values, row.present)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::AdmissionDataPoint;
    use serde_json::json;

    #[test]
    fn features_are_those_that_training_makes_of_a_point() {
        let mut value = json!({"data_point_id": "a", "application_year": 2015,
            "profile": {"gpa": 3.5, "test_scores": [{"test_type": "gre", "quantitative_score": 165.0}]},
            "program": {"university_name": "Ohio State"}});
        let tables = FeatureTables::default();
        let application = Application::from_value(value.clone()).unwrap();
        let (values, present) = features(&application, &tables, true);
        value["decision"] = json!("accepted");
        let point = AdmissionDataPoint::from_value(value).unwrap();
        let row = tables.row(&point);
        let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!((bits(&values[..12]), present), (bits(&row.values), row.present));
        assert_eq!(bits(&values[12..]), bits(&tables.extended(&point)));
        assert_eq!(features(&application, &tables, false).0.len(), 12);
    }
}
