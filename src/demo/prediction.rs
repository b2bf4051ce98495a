//! The demo's last step: a prediction of the active model for one application, with an explanation.

use super::screen::Screen;
use crate::error::{Error, Result};
use provost_actors::Handle;
use provost_actors::serving::PredictOptions;
use provost_domain::ModelId;
use provost_predict::application::Application;
use serde_json::json;

/// How many factors are named.
const FACTORS: usize = 3;

/// Predicts one application.
pub async fn predict(handle: &Handle, model: &ModelId, screen: &Screen) -> Result<()> {
    let application = Application::from_value(json!({
        "profile": {
            "gpa": 3.6, "undergraduate_university_ranking": 120, "research_publications": 1, "work_experience_months": 14,
            "test_scores": [{"test_type": "gre", "verbal_score": 158, "quantitative_score": 167}],
        },
        "program": {"acceptance_rate": 0.18, "university_ranking": 30, "average_gpa": 3.7, "gre_quant_avg": 166},
    }))
    .map_err(|faults| Error::failed(faults.to_string()))?;
    let model = handle.pin(Some(model)).await.map_err(anyhow::Error::from)?;
    // The application is made up, so it is not logged.
    let options = PredictOptions { explain: true, log: false, ..PredictOptions::default() };
    let predicted = handle.predict_with(&model, vec![application], &options).await.map_err(anyhow::Error::from)?;
    let Some(answered) = predicted.rows.first() else { return Err(Error::failed("the model answered nothing")) };
    let prediction = &answered.prediction;
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let mut text = format!("gpa 3.6, GRE quant 167: {} likely", percent(prediction.probability));
    if let (Some(low), Some(high)) = (prediction.probability_low, prediction.probability_high) {
        text += &format!(" ({} to {})", percent(low), percent(high));
    }
    text += &format!(", so {}", prediction.predicted_outcome.as_str());
    if let Some(Ok(explanation)) = &answered.explanation {
        let mut parts: Vec<_> = explanation.contributions.iter().collect();
        parts.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        let named: Vec<String> = parts
            .iter()
            .take(FACTORS)
            .map(|part| format!("{} {:+.0}", part.feature, 100.0 * part.contribution))
            .collect();
        text += &format!(". From {} on: {}", percent(explanation.base), named.join(", "));
    }
    screen.step(
        "predict",
        &text,
        predicted.worked.as_secs_f64(),
        json!({
            "model_id": predicted.model.model_id, "probability": prediction.probability,
            "predicted_outcome": prediction.predicted_outcome.as_str(),
        }),
    );
    Ok(())
}
