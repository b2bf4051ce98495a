//! One row of a model's input: from an application, or from feature values.

use super::{RowFault, ServingModel};
use crate::application::{Application, features};
use provost_domain::AdmissionDataPoint;
use provost_domain::features::{CATEGORY_RULE, FEATURES, older_codes};

/// One row of the model's input.
pub(super) struct Row<'a> {
    /// Values in the order of the model's features; NaN is missing.
    pub values: Vec<f32>,
    /// For each feature, whether its value comes from the application and not from a default.
    pub present: Vec<bool>,
    pub point: Option<&'a AdmissionDataPoint>,
}

impl ServingModel {
    pub(super) fn row<'a>(&self, application: &'a Application) -> Row<'a> {
        let (mut all, present) = features(application, &self.tables, self.extended);
        let point = application.point();
        if self.extended && self.model.category_rule != CATEGORY_RULE {
            older_codes(point).into_iter().for_each(|(at, code)| all[FEATURES.len() + at] = code);
        }
        let values: Vec<f32> = self.places.iter().map(|place| all[*place]).collect();
        let given =
            |place: &usize| if *place < FEATURES.len() { present >> place & 1 == 1 } else { !all[*place].is_nan() };
        Row { present: self.places.iter().map(given).collect(), values, point: Some(point) }
    }

    pub(super) fn row_of_features(&self, values: &[f32]) -> Result<Row<'static>, RowFault> {
        let names = self.feature_names();
        if values.len() != names.len() {
            return Err(RowFault {
                code: "bad_width",
                pointer: String::new(),
                message: format!("{} values for the {} features {}", values.len(), names.len(), names.join(", ")),
            });
        }
        if let Some(at) = values.iter().position(|v| v.is_infinite()) {
            return Err(RowFault {
                code: "bad_value",
                pointer: format!("/{}", names[at]),
                message: format!("{}: the value is beyond ±3.4e38", names[at]),
            });
        }
        Ok(Row { values: values.to_vec(), present: values.iter().map(|v| !v.is_nan()).collect(), point: None })
    }
}
