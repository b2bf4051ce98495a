//! The options of a prediction request, out of a query.

use crate::http::page::Query;
use crate::http::problem::Problem;
use provost_actors::serving::RequestOptions;
use provost_domain::limits;
use provost_predict::serving::{COVERAGES, DEFAULT_COVERAGE};

/// Reads the parameters of a query.
///
/// # Errors
/// 422 with a fault for each bad parameter.
pub fn of_query(query: &mut Query) -> Result<RequestOptions, Problem> {
    let (low, high) = COVERAGES;
    let options = RequestOptions {
        model_id: query.read("model_id", None, |text| Ok(Some(text.to_owned()))),
        explain: query.flag("explain", false),
        similar: query.read("similar", 0, |text| match text.parse() {
            Ok(number) if number <= limits::SIMILAR => Ok(number),
            _ => Err(format!("a whole number from 0 to {} is allowed", limits::SIMILAR)),
        }),
        counterfactual: query.flag("counterfactual", false),
        coverage: query.read("coverage", DEFAULT_COVERAGE, |text| match text.parse::<f64>() {
            Ok(share) if (low..=high).contains(&share) => Ok(share),
            _ => Err(format!("a number from {low} to {high} is allowed")),
        }),
    };
    query.check()?;
    Ok(options)
}
