//! `/ask`: an estimate for one application, with its explanation. The application is sent in the form's body, so that
//! no address contains it.

use super::chart::{Figure, Step, waterfall};
use super::curl;
use super::form::{Form, Wrong};
use super::needs::name_of;
use super::shell::{Section, Shell};
use super::text::{counted, measured, number, percent, shown, titled, words};
use super::{PageError, State, html, render, respond};
use crate::http::auth;
use crate::http::problem::{only, readable};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_actors::{PredictRequest, PredictionError, Predictions, RequestBounds, RequestOptions};
use provost_domain::features::unit;
use provost_predict::serving::Warning;
use serde_json::{Value, json};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/ask")
            .route(readable().to(page))
            .route(web::post().to(ask))
            .default_service(only("GET, HEAD, POST")),
    );
}

/// Where a field's value belongs in an application.
#[derive(Clone, Copy)]
enum Place {
    Profile,
    Gre,
    Toefl,
    Program,
}

struct Spec {
    id: &'static str,
    /// The field's name in the table of titles.
    field: &'static str,
    place: Place,
    member: &'static str,
    hint: &'static str,
}

const fn spec(id: &'static str, field: &'static str, place: Place, member: &'static str, hint: &'static str) -> Spec {
    Spec { id, field, place, member, hint }
}

const APPLICANT: &[Spec] = &[
    spec("gpa", "gpa", Place::Profile, "gpa", "3.6"),
    spec("gpa_scale", "gpa_scale", Place::Profile, "gpa_scale", "4.0"),
    spec("gre_quant", "gre_quant", Place::Gre, "quantitative_score", "130 to 170"),
    spec("gre_verbal", "gre_verbal", Place::Gre, "verbal_score", "130 to 170"),
    spec("toefl", "toefl_total", Place::Toefl, "total_score", "0 to 120"),
    of_profile("undergraduate_ranking", "undergraduate_university_ranking"),
    of_profile("publications", "research_publications"),
    of_profile("work_months", "work_experience_months"),
    of_profile("relevant_months", "relevant_work_experience_months"),
    of_profile("internships", "internships_count"),
    of_profile("leadership", "leadership_positions"),
    of_profile("awards", "academic_awards"),
];

/// A number of the profile.
const fn of_profile(id: &'static str, field: &'static str) -> Spec {
    spec(id, field, Place::Profile, field, "")
}

const PROGRAM: &[Spec] = &[
    spec("university_ranking", "university_ranking", Place::Program, "university_ranking", ""),
    spec("acceptance_rate", "acceptance_rate", Place::Program, "acceptance_rate", "0 to 1"),
    spec("average_gpa", "average_gpa", Place::Program, "average_gpa", "on a scale of 4.0"),
    spec("gre_quant_avg", "gre_quant_avg", Place::Program, "gre_quant_avg", ""),
];

/// Features whose value is that of one field of the form, some of them in other units.
const SAID_BY: [(&str, &str); 8] = [
    ("gpa_normalized", "gpa"),
    ("gre_quant_percentile", "gre_quant"),
    ("gre_verbal_percentile", "gre_verbal"),
    ("english_proficiency", "toefl"),
    ("undergrad_prestige", "undergraduate_ranking"),
    ("gpa", "gpa"),
    ("gre_quant", "gre_quant"),
    ("undergraduate_ranking", "undergraduate_ranking"),
];

struct Entry {
    id: &'static str,
    name: String,
    value: String,
    hint: &'static str,
    /// What is wrong with the value.
    fault: Option<String>,
    /// Why the model did not use the value.
    unused: Option<String>,
}

/// The model's answer.
struct Answer {
    chance: String,
    range: Option<String>,
    /// In per cent, for the scale.
    at: String,
    low: String,
    width: String,
    threshold: String,
    threshold_at: String,
    outcome: &'static str,
    plausible: Option<String>,
    /// The numbers that are impossible, and so were not used.
    unused: Vec<Wrong>,
    warnings: Vec<String>,
    /// The number of warnings, as text.
    notes: String,
    figure: Option<Figure>,
    why_not: Option<String>,
    changes: Vec<String>,
    changed_chance: Option<String>,
    no_changes: Option<String>,
    model: (String, String),
}

#[derive(Template)]
#[template(path = "ask/page.html")]
struct Page {
    shell: Shell,
    curl: String,
    applicant: Vec<Entry>,
    program: Vec<Entry>,
    serves: bool,
    wrong: Vec<Wrong>,
    answer: Option<Answer>,
}

fn entries(specs: &[Spec], form: Option<&Form>, wrong: &[Wrong]) -> Vec<Entry> {
    let value = |id: &str| form.and_then(|form| form.get(id)).unwrap_or_default();
    let entry = |spec: &Spec| Entry {
        id: spec.id,
        name: words(spec.field),
        value: value(spec.id).to_owned(),
        hint: spec.hint,
        fault: wrong.iter().find(|one| one.field == spec.id).map(|one| one.message.clone()),
        unused: None,
    };
    specs.iter().map(entry).collect()
}

fn show(state: &State, request: &HttpRequest, form: Option<&Form>, wrong: Vec<Wrong>) -> Page {
    let asked = form.map_or_else(|| document(&Form::of(Vec::new())), document);
    Page {
        shell: Shell::of(request, Section::Predict, "Predict"),
        curl: curl::command(request, "POST", "/predict", Some(&asked.to_string())),
        applicant: entries(APPLICANT, form, &wrong),
        program: entries(PROGRAM, form, &wrong),
        serves: state.handle.serving().is_some(),
        wrong,
        answer: None,
    }
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    html(&show(&state, &request, None, Vec::new()))
}

/// The application that the form describes, as a request for a prediction.
fn document(form: &Form) -> Value {
    let (mut profile, mut program) = (json!({}), json!({}));
    let (mut gre, mut toefl) = (json!({}), json!({}));
    for spec in APPLICANT.iter().chain(PROGRAM).filter(|spec| form.get(spec.id).is_some()) {
        let part = match spec.place {
            Place::Profile => &mut profile,
            Place::Gre => &mut gre,
            Place::Toefl => &mut toefl,
            Place::Program => &mut program,
        };
        part[spec.member] = form.number(spec.id);
    }
    let mut scores = Vec::new();
    for (kind, mut score) in [("gre", gre), ("toefl", toefl)] {
        if score.as_object().is_some_and(|members| !members.is_empty()) {
            score["test_type"] = json!(kind);
            scores.push(score);
        }
    }
    profile["test_scores"] = json!(scores);
    json!({"applications": [{"profile": profile, "program": program}], "explain": true, "counterfactual": true})
}

/// Whether any field was filled in. The GPA's scale does not count, because alone it says nothing about an applicant.
fn is_filled(form: &Form) -> bool {
    APPLICANT.iter().chain(PROGRAM).any(|spec| spec.id != "gpa_scale" && form.get(spec.id).is_some())
}

async fn ask(state: Data<State>, request: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    if !is_filled(&form) {
        let message = "Nothing was given: fill in at least one field of the applicant or the program".to_owned();
        let page = show(&state, &request, Some(&form), vec![Wrong { field: "gpa".to_owned(), message }]);
        return Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?));
    }
    let document = document(&form).to_string();
    let asked = PredictRequest::read(document.as_bytes(), RequestOptions::default(), RequestBounds::default())?;
    let wrong = asked.errors.iter().map(|error| wrong(&error.pointer, &error.message)).collect();
    let mut page = show(&state, &request, Some(&form), wrong);
    if !page.wrong.is_empty() {
        return Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?));
    }
    let options = asked.options.for_service(None, None, &auth::owner(&request));
    match state.handle.predict(asked.applications, options).await {
        Ok(predictions) => {
            page.answer = answer(predictions, &form);
            if let Some(answer) = &page.answer {
                page.shell.title = format!("{} · Predict", answer.chance);
                let unused = |id: &str| answer.unused.iter().find(|one| one.field == id).map(|one| one.message.clone());
                for entry in page.applicant.iter_mut().chain(&mut page.program) {
                    entry.unused = unused(entry.id);
                }
            }
            html(&page)
        }
        Err(PredictionError::NoActiveModel) => {
            page.serves = false;
            Ok(respond(StatusCode::CONFLICT, render(&page)?))
        }
        Err(error) => Err(error.into()),
    }
}

/// The form's field for a place in the application, given as a JSON pointer.
fn spec_of(pointer: &str) -> Option<&'static Spec> {
    let part = if pointer.contains("/program/") { PROGRAM } else { APPLICANT };
    let member = pointer.rsplit('/').next().unwrap_or_default();
    part.iter().find(|spec| spec.member == member)
}

/// A fault of the application, with the form's field that it is about.
fn wrong(pointer: &str, message: &str) -> Wrong {
    let message = shown(message);
    match spec_of(pointer) {
        Some(spec) => Wrong { field: spec.id.to_owned(), message }.titled(spec.member, &words(spec.field)),
        None => Wrong { field: String::new(), message },
    }
}

/// The value that a feature would have to reach. A percentile has one decimal, rounded away from its current value.
fn reached(feature: &str, from: Option<f64>, to: f64) -> String {
    if unit(feature) != Some("percentile") {
        return number(to);
    }
    let tenths = 10.0 * to;
    number(if from.is_none_or(|from| to >= from) { tenths.ceil() } else { tenths.floor() } / 10.0)
}

/// A feature's value as the applicant wrote it, or else in the feature's own unit.
fn value(feature: &str, value: &Value, form: &Form) -> String {
    let said = SAID_BY.iter().find(|(name, _)| *name == feature).and_then(|(_, id)| form.get(id));
    match (said, value.as_f64()) {
        (Some(said), Some(_)) => shown(said.trim()),
        (None, Some(number)) => measured(feature, number),
        (_, None) if value.is_null() => "missing".to_owned(),
        (_, None) => String::new(),
    }
}

fn answer(predictions: Predictions, form: &Form) -> Option<Answer> {
    let model = predictions.model;
    let row = predictions.rows.into_iter().next()?;
    let (prediction, threshold) = (row.prediction, model.model.threshold());
    let chance = prediction.probability;
    let per_cent = |share: f64| format!("{:.2}", 100.0 * share.clamp(0.0, 1.0));
    let (impossible, others): (Vec<&Warning>, Vec<&Warning>) =
        prediction.warnings.iter().partition(|warning| warning.code == "impossible_value");
    let range = prediction.probability_low.zip(prediction.probability_high);
    let (low, high) = range.unwrap_or((chance, chance));
    let plausible = prediction.plausible_outcomes.map(|outcomes| match &outcomes[..] {
        [] => "none: it is unlike the training data".to_owned(),
        [one] => one.to_string(),
        _ => "accepted and rejected".to_owned(),
    });
    let (figure, why_not) = match row.explanation {
        Some(Ok(explanation)) => {
            let contributions = explanation.contributions.iter();
            let steps = contributions
                .map(|c| Step {
                    name: words(&c.feature),
                    value: value(&c.feature, &c.value, form),
                    adds: c.contribution,
                })
                .collect();
            (Some(waterfall(explanation.base, steps, chance)), None)
        }
        Some(Err(why)) => (None, Some(why.to_string())),
        None => (None, None),
    };
    let (changes, changed_chance, no_changes) = match row.counterfactual {
        Some(Ok(found)) => {
            let changes = found.changes.iter().map(|change| {
                let from = change.from.map_or_else(|| "missing".to_owned(), number);
                format!("{}: {from} → {}", titled(&change.feature), reached(&change.feature, change.from, change.to))
            });
            (changes.collect(), Some(percent(found.probability)), None)
        }
        Some(Err(why)) => (Vec::new(), None, Some(why.to_string())),
        None => (Vec::new(), None, None),
    };
    Some(Answer {
        chance: percent(chance),
        range: range.map(|(low, high)| format!("{} to {}", percent(low), percent(high))),
        at: per_cent(chance),
        low: per_cent(low),
        width: per_cent(high - low),
        threshold: percent(threshold),
        threshold_at: per_cent(threshold),
        outcome: prediction.predicted_outcome.as_str(),
        plausible,
        unused: impossible.into_iter().map(|warning| wrong(&warning.pointer, &warning.message)).collect(),
        notes: counted(others.len() as u64, "note"),
        warnings: others.into_iter().map(|warning| shown(&warning.message)).collect(),
        figure,
        why_not,
        changes,
        changed_chance,
        no_changes,
        model: (format!("/models/{}", model.model_id), name_of(model.model_id.as_str())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_feature_would_have_to_reach_is_not_short_of_what_was_checked() {
        let of = |from, to| reached("gre_verbal_percentile", from, to);
        assert_eq!([of(Some(38.0), 90.005), of(None, 90.0), of(Some(95.0), 90.07)], ["90.1", "90", "90"]);
        assert_eq!(reached("gpa_normalized", Some(0.5), 0.875), "0.875");
    }

    #[test]
    fn a_number_that_was_not_used_is_told_by_its_field() {
        let warning = |pointer: &str, message: &str| {
            let one = wrong(pointer, message);
            (one.field, one.message)
        };
        let (gre, rate) = ("/profile/test_scores/0/quantitative_score", "/program/acceptance_rate");
        assert_eq!(
            warning(gre, "quantitative_score 900 is outside"),
            ("gre_quant".to_owned(), "GRE quant 900 is outside".to_owned())
        );
        assert_eq!(
            warning(rate, "acceptance_rate 12 is outside"),
            ("acceptance_rate".to_owned(), "Share of applications accepted 12 is outside".to_owned())
        );
    }
}
