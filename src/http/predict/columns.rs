//! Turns named columns of numbers into rows in the order of a model's features.

use provost_domain::check::brief;
use provost_domain::fields::nearest;

/// The rows of these columns, each in the order of `features`. All columns have the same length.
///
/// # Errors
/// A column that is no feature of the model, with the nearest name, and a feature without a column.
pub fn rows(features: &[String], columns: &[(String, Vec<f64>)]) -> Result<Vec<Vec<f32>>, String> {
    for (name, _) in columns {
        if !features.contains(name) {
            let hint = nearest(name, features.iter().map(String::as_str));
            let hint = hint.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(format!("`{}` is no feature of the model{hint}", brief(name, 80)));
        }
    }
    let mut ordered = Vec::new();
    for feature in features {
        let column = columns.iter().find(|(name, _)| name == feature);
        let (_, values) =
            column.ok_or_else(|| format!("`{feature}` is missing; NaN or null stands for a missing value"))?;
        ordered.push(values);
    }
    let length = ordered.first().map_or(0, |column| column.len());
    // f64 beyond the range of f32 becomes infinite, which the model refuses by row.
    Ok((0..length).map(|row| ordered.iter().map(|column| column[row] as f32).collect()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn columns_in_any_order_become_rows_in_the_models_order() {
        let features = ["gpa".to_owned(), "gre".to_owned()];
        let column = |name: &str, values: &[f64]| (name.to_owned(), values.to_vec());
        let (gpa, gre) = (column("gpa", &[1.0, f64::NAN]), column("gre", &[3.0, 4.0]));
        let swapped = rows(&features, &[gre.clone(), gpa.clone()]).unwrap();
        assert_eq!(swapped[0], [1.0, 3.0]);
        assert!(swapped[1][0].is_nan() && swapped[1][1] == 4.0);
        assert!(rows(&features, std::slice::from_ref(&gpa)).unwrap_err().contains("`gre` is missing"));
        assert!(rows(&features, &[gpa, gre, column("gpaa", &[1.0, 2.0])]).unwrap_err().contains("did you mean `gpa`?"));
    }
}
