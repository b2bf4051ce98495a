//! `/data`: the data that the next training would learn from, and its quality.

use super::chart::{Bar, Figure, Shares, shares};
use super::shell::{Section, Shell};
use super::text::{Mark, count, percent, shown, words};
use super::{PageError, State, html};
use crate::http::page::Query;
use crate::http::problem::{only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_domain::TrainingConfig;
use provost_domain::config::Tuning;
use provost_domain::quality::DataQualityReport;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/data").route(readable().to(page)).default_service(only("GET, HEAD")));
}

/// How many universities are listed.
const UNIVERSITIES: usize = 30;

struct University {
    name: String,
    rows: String,
    is_small: bool,
}

#[derive(Template)]
#[template(path = "data/page.html")]
struct Page {
    shell: Shell,
    is_verified_only: bool,
    is_empty: bool,
    verdict: Mark,
    verdict_text: String,
    facts: Vec<(&'static str, String)>,
    classes: Option<Figure>,
    completeness: Option<Figure>,
    blocking: Vec<String>,
    advice: Vec<String>,
    recommendations: Vec<String>,
    universities: Vec<University>,
    more_universities: usize,
    rejects: Vec<String>,
    warnings: Vec<String>,
}

/// Decisions as shares of all rows.
fn classes(report: &DataQualityReport) -> Option<Figure> {
    let total: u64 = report.class_distribution.values().sum();
    let mut bars: Vec<Bar> = report
        .class_distribution
        .iter()
        .map(|(name, rows)| Bar {
            name: format!("{} · {}", words(name), count(*rows)),
            value: *rows as f64 / total.max(1) as f64,
        })
        .collect();
    bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    let chart = Shares {
        title: "Decisions",
        description: "Share of the rows that have each decision, the most frequent first.",
        columns: ["Decision and its rows", "Share of the rows"],
        note: "only accepted and rejected are outcomes".to_owned(),
    };
    (total > 0).then(|| shares(&bars, chart))
}

fn completeness(report: &DataQualityReport) -> Option<Figure> {
    let mut bars: Vec<Bar> = report
        .feature_completeness
        .iter()
        .map(|(name, share)| Bar { name: words(name), value: share / 100.0 })
        .collect();
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    let chart = Shares {
        title: "Completeness",
        description: "Share of the rows that really have each feature, the least complete first.",
        columns: ["Feature", "Share of the rows"],
        note: "share of the rows that really have it, least first".to_owned(),
    };
    (report.total_samples > 0).then(|| shares(&bars, chart))
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let is_verified_only = query.flag("verified_only", true);
    query.check()?;
    let schedule = state.handle.store().schedule().await?.unwrap_or_default();
    let mut config = TrainingConfig { use_verified_only: is_verified_only, ..schedule.training_config };
    // The page is about the data, not about the search.
    config.hyperparameter_tuning = Tuning::None;
    let report = state.handle.quality(config).await?;
    let (advice, blocking): (Vec<_>, Vec<_>) =
        report.quality_issues.iter().partition(|issue| issue.starts_with("advice: "));
    let mut universities: Vec<(&String, &u64)> = report.samples_by_university.iter().collect();
    universities.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let ends = |name: &str| report.data_date_range.get(name).cloned().unwrap_or_else(|| "–".to_owned());
    let (verdict, verdict_text) = if report.total_samples == 0 {
        (Mark::TO_DO, "There is no data yet.".to_owned())
    } else if report.passes_quality_check {
        (Mark::DONE, "Models can be trained on this data.".to_owned())
    } else {
        (Mark::FAILED, "Nothing can be trained on this data yet.".to_owned())
    };
    html(&Page {
        shell: Shell::of(&request, Section::Data, format!("{} Data", verdict.shape)),
        is_verified_only,
        is_empty: report.total_samples == 0,
        verdict,
        verdict_text,
        facts: vec![
            ("Rows", count(report.total_samples)),
            ("Rows with an outcome", count(report.usable_samples)),
            ("Verified", count(report.verified_samples)),
            ("Years", format!("{} to {}", ends("min"), ends("max"))),
            ("Of the last two years", percent(report.recent_data_percentage / 100.0)),
            ("Rarer over more frequent outcome", super::text::three(report.class_balance_ratio)),
            ("Duplicates", count(report.duplicate_count)),
            ("Impossible values", count(report.outlier_count)),
        ],
        classes: classes(&report),
        completeness: completeness(&report),
        blocking: blocking.into_iter().map(|text| shown(text)).collect(),
        advice: advice.into_iter().map(|text| shown(text.trim_start_matches("advice: "))).collect(),
        recommendations: report.recommendations.iter().map(|text| shown(text)).collect(),
        more_universities: universities.len().saturating_sub(UNIVERSITIES),
        universities: universities
            .into_iter()
            .take(UNIVERSITIES)
            .map(|(name, rows)| University {
                name: shown(name),
                rows: count(*rows),
                is_small: report.universities_below_threshold.contains(name),
            })
            .collect(),
        rejects: report.rejected_reasons.iter().map(|text| shown(text)).collect(),
        warnings: report.warnings.iter().map(|text| shown(text)).collect(),
    })
}
