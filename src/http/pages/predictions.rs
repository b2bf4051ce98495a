//! `/predictions`: the log of predictions with filters, and one prediction with how it came about.

use super::chart::{Figure, Step, waterfall};
use super::needs::name_of;
use super::shell::{Section, Shell};
use super::text::{Moment, measured, number, percent, short, shown, titled, words};
use super::{PageError, State, html};
use crate::http::code::Code;
use crate::http::ids::model_id;
use crate::http::page::{Query, cursor_fault, encode};
use crate::http::problem::{Problem, only, readable};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use provost_domain::check::brief;
use provost_domain::limits;
use provost_domain::prediction::PredictionRecord;
use provost_domain::record::Decision;
use provost_predict::serving::{Contribution, Explanation};
use provost_store::PredictionFilter;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/predictions").route(readable().to(list)).default_service(only("GET, HEAD")))
        .service(
            web::resource("/predictions/{prediction_id}").route(readable().to(page)).default_service(only("GET, HEAD")),
        );
}

const PAGE: u32 = 50;
/// Models that the filter offers.
const MODELS: u32 = 50;

struct Row {
    path: String,
    at: Moment,
    chance: String,
    predicted: &'static str,
    outcome: &'static str,
    /// Whether the outcome is as predicted; None while the outcome is not known.
    agrees: Option<bool>,
    model: (String, String),
    point: String,
}

impl Row {
    fn of(record: &PredictionRecord, now: DateTime<Utc>) -> Self {
        Self {
            path: format!("/predictions/{}", encode(&record.prediction_id)),
            at: Moment::new(record.predicted_at, now),
            chance: percent(record.probability),
            predicted: record.predicted_outcome.as_str(),
            outcome: record.outcome.map_or("", Decision::as_str),
            agrees: record.outcome.map(|outcome| outcome == record.predicted_outcome),
            model: (format!("/models/{}", record.model_id), name_of(record.model_id.as_str())),
            point: record.data_point_id.as_deref().map(shown).unwrap_or_default(),
        }
    }
}

struct Choice {
    value: String,
    name: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "predictions/list.html")]
struct List {
    shell: Shell,
    total: String,
    models: Vec<Choice>,
    outcomes: Vec<Choice>,
    from: String,
    to: String,
    rows: Vec<Row>,
    next: Option<String>,
    is_filtered: bool,
    is_logged: bool,
    /// Whether any row's outcome is known.
    has_outcomes: bool,
}

/// The form's filters. An empty field does not filter.
struct Asked {
    model: Option<String>,
    outcome: Option<Decision>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

impl Asked {
    fn read(query: &mut Query) -> Self {
        let text = |text: &str| Ok(Some(text.to_owned()).filter(|text| !text.is_empty()));
        let day = |text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| "a day such as 2026-11-30 is allowed".to_owned()),
        };
        Self {
            model: query.read("model_id", None, text),
            outcome: query.read("outcome", None, |word| match Decision::parse(word) {
                _ if word.is_empty() => Ok(None),
                Some(outcome) if outcome.label().is_some() => Ok(Some(outcome)),
                _ => Err("accepted or rejected is allowed".to_owned()),
            }),
            from: query.read("from", None, day),
            to: query.read("to", None, day),
        }
    }

    /// The query of the next page, without its cursor.
    fn kept(&self) -> String {
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string());
        let outcome = self.outcome.map(|outcome| outcome.as_str().to_owned());
        let pairs =
            [("model_id", self.model.clone()), ("outcome", outcome), ("from", day(self.from)), ("to", day(self.to))];
        pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}&", encode(&value?)))).collect()
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc()
}

/// When the next day begins; for the last possible day, the latest time that can be written.
fn end_of(day: NaiveDate) -> DateTime<Utc> {
    midnight(day).checked_add_signed(TimeDelta::days(1)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let (asked, cursor) = (Asked::read(&mut query), query.cursor());
    query.check()?;
    let (store, now) = (state.handle.store(), state.handle.options().clock.now());
    let model = match &asked.model {
        Some(name) => Some(model_id(&state, name).await?),
        None => None,
    };
    let filter = PredictionFilter {
        model_id: model.clone(),
        from: asked.from.map(midnight),
        to: asked.to.map(end_of),
        outcome: asked.outcome,
    };
    let found = store.predictions(filter, cursor.as_deref(), PAGE).await.map_err(cursor_fault)?;
    let (totals, known) = tokio::try_join!(store.prediction_totals(), store.list_models(false, None, MODELS))?;
    let mut models: Vec<Choice> = vec![Choice { value: String::new(), name: "all".to_owned(), is_chosen: false }];
    models.extend(known.items.iter().map(|version| Choice {
        value: version.model_id.to_string(),
        name: name_of(version.model_id.as_str()),
        is_chosen: model.as_ref() == Some(&version.model_id),
    }));
    let outcomes = [None, Some(Decision::Accepted), Some(Decision::Rejected)].map(|outcome| Choice {
        value: outcome.map_or("", Decision::as_str).to_owned(),
        name: outcome.map_or("all", Decision::as_str).to_owned(),
        is_chosen: outcome == asked.outcome,
    });
    let kept = asked.kept();
    html(&List {
        shell: Shell::of(&request, Section::Predict, "Predictions"),
        total: super::text::count(totals.entries),
        models,
        outcomes: outcomes.into(),
        from: asked.from.map(|day| day.to_string()).unwrap_or_default(),
        to: asked.to.map(|day| day.to_string()).unwrap_or_default(),
        rows: found.items.iter().map(|record| Row::of(record, now)).collect(),
        next: found.next.map(|next| format!("/predictions?{kept}cursor={}", encode(&next))),
        is_filtered: !kept.is_empty() || cursor.is_some(),
        is_logged: state.predict.log,
        has_outcomes: found.items.iter().any(|record| record.outcome.is_some()),
    })
}

#[derive(Template)]
#[template(path = "predictions/page.html")]
struct Page {
    shell: Shell,
    row: Row,
    id: String,
    short: String,
    features: Vec<(String, String)>,
    figure: Option<Figure>,
    /// Why there is no explanation.
    why_not: String,
}

/// The explanation of the logged prediction, as a chart.
fn figure(explanation: &Explanation, record: &PredictionRecord) -> Figure {
    let step = |contribution: &Contribution| Step {
        name: words(&contribution.feature),
        value: contribution.value.as_f64().map(|value| measured(&contribution.feature, value)).unwrap_or_default(),
        adds: contribution.contribution,
    };
    let steps = explanation.contributions.iter().map(step).collect();
    waterfall(explanation.base, steps, record.probability)
}

async fn page(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    let store = state.handle.store();
    let found = if limits::fits(&path, limits::ID) { store.prediction(&path).await? } else { None };
    let missing = || Problem::new(Code::PredictionNotFound, format!("there is no prediction {}", brief(&path, 80)));
    let record = found.ok_or_else(missing)?;
    let (figure, why_not) = match state.handle.explain_logged(&record).await {
        Ok(Ok(explanation)) => (Some(figure(&explanation, &record)), String::new()),
        Ok(Err(why)) => (None, shown(&why.to_string())),
        Err(error) => (None, shown(&error.to_string())),
    };
    let row = Row::of(&record, state.handle.options().clock.now());
    let named = record.features.names().iter().zip(record.features.values());
    html(&Page {
        shell: Shell::of(&request, Section::Predict, format!("{} · Prediction", row.chance)),
        row,
        id: shown(&record.prediction_id),
        short: short(&record.prediction_id),
        features: named
            .map(|(name, value)| (titled(name), if value.is_nan() { "missing".to_owned() } else { number(*value) }))
            .collect(),
        figure,
        why_not,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_that_there_is_ends_too() {
        assert_eq!(end_of(NaiveDate::MAX), DateTime::<Utc>::MAX_UTC);
        assert_eq!(end_of(NaiveDate::default()), DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(1));
    }
}
