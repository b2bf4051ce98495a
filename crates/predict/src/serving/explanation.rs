//! Explanations: the Shapley values of a probability, with the feature values that they belong to.

use super::row::Row;
use super::{Contribution, Explanation, ServingModel, Unavailable, decimal};
use crate::application::Application;
use crate::groups::Group;
use crate::shapley;
use provost_domain::AdmissionDataPoint;
use serde_json::{Map, Value, json};

impl ServingModel {
    /// The Shapley values of the probability of an application.
    ///
    /// # Errors
    ///
    /// `OlderArtifact`, `NoBackground`.
    pub fn explain(&self, application: &Application) -> Result<Explanation, Unavailable> {
        self.explanation(&self.row(application))
    }

    /// As `explain`, for feature values in the order of `feature_names`.
    ///
    /// # Errors
    ///
    /// As `explain`; `BadRow`.
    pub fn explain_features(&self, values: &[f32]) -> Result<Explanation, Unavailable> {
        self.explanation(&self.row_of_features(values).map_err(Unavailable::BadRow)?)
    }

    fn explanation(&self, row: &Row<'_>) -> Result<Explanation, Unavailable> {
        if self.model.evidence.is_none() {
            return Err(Unavailable::OlderArtifact);
        }
        let background: Vec<(&[f32], f64)> = self.background_rows().zip(self.background.iter().copied()).collect();
        let p = self.probabilities([row.values.as_slice()]).first().copied();
        let Some(p) = p.filter(|_| !background.is_empty()) else { return Err(Unavailable::NoBackground) };
        let shares = shapley::shares(&self.model, &row.values, p, &background, &self.groups);
        let contribution = |(group, contribution): (&Group, f64)| Contribution {
            feature: group.name.clone(),
            value: self.shown(group, row),
            contribution,
        };
        let contributions = self.groups.iter().zip(shares.contributions).map(contribution).collect();
        Ok(Explanation { base: shares.base, contributions })
    }

    /// The value of a group of one feature, or an object of values for a group of several.
    fn shown(&self, group: &Group, row: &Row<'_>) -> Value {
        let name = |at: &usize| self.feature_names()[*at].as_str();
        let value = |at: &usize| shown(name(at), row.values[*at], row.point);
        match &group.columns[..] {
            [one] => value(one),
            all => Value::Object(Map::from_iter(all.iter().map(|at| (name(at).to_owned(), value(at))))),
        }
    }
}

/// A feature's value; a category is shown by its name if the name is known.
fn shown(name: &str, value: f32, point: Option<&AdmissionDataPoint>) -> Value {
    let named = point.and_then(|point| match name {
        "university" => Some(json!(point.program.university_name)),
        "program" => Some(json!(point.program.program_name)),
        "university_program" => Some(json!([point.program.university_name, point.program.program_name])),
        "undergraduate_university" => Some(json!(point.profile.undergraduate_university)),
        "undergraduate_major" => Some(json!(point.profile.undergraduate_major)),
        _ => None,
    });
    named.unwrap_or_else(|| if value.is_nan() { Value::Null } else { json!(decimal(value)) })
}
