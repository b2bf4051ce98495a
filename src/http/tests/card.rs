//! The card of a model, written from the records that the OpenAPI document shows.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use crate::card::{Card, CardTexts, Format, Records, write};
use crate::http::openapi::{audits, records as samples};
use provost_domain::Algorithm;
use provost_domain::job::JobStatus;
use provost_domain::model::ModelRecord;
use provost_domain::snapshot::{FeatureFacts, SnapshotFacts, YearFacts};
use std::sync::Arc;

fn records() -> Records {
    let model = ModelRecord {
        version: samples::model(Algorithm::Xgboost),
        job_id: samples::job_id(),
        snapshot: "cd".repeat(32),
        threshold: 0.46,
        temporal: None,
    };
    let fairness = audits::fairness();
    let data = SnapshotFacts {
        sha256: "ab".repeat(32),
        rows: 5_120,
        accepted: 2_100,
        test_rows: 768,
        applicants: 4_000,
        programs: 200,
        years: vec![
            YearFacts { year: 2024, rows: 2_000, accepted: 800 },
            YearFacts { year: 2025, rows: 3_000, accepted: 1_250 },
        ],
        rows_without_year: 120,
        rows_read: 5_120,
        features: vec![FeatureFacts { feature: "gpa_normalized".to_owned(), present: 5_000 }],
        warnings: vec!["leak: `program.acceptance_rate` | <b>".to_owned()],
    };
    Records {
        model,
        job: Some(samples::job(JobStatus::Completed)),
        trials: (50, false),
        results: Some(samples::evaluation("")),
        decision: Some(samples::decision()),
        activations: samples::activations(),
        audit: Ok(Arc::new(provost_actors::evaluator::Audit { fairness, data })),
        windows: Vec::new(),
        log: samples::audit(""),
        log_is_cut: false,
        texts: CardTexts { enterprise_size: "sme".to_owned(), ..CardTexts::default() },
        logs_predictions: true,
        is_scheduled: true,
    }
}

#[test]
fn the_same_records_give_the_same_bytes_and_every_section_is_there() {
    for format in Format::ALL {
        let text = write(&records(), format);
        assert_eq!(text, write(&records(), format));
        assert!(text.ends_with('\n'));
        for part in ["Annex III, 3(a)", "GPA", "2024", "female"] {
            assert!(text.contains(part), "{} has no {part}", format.as_str());
        }
    }
    let card = Card::of(&records());
    assert_eq!(card.sections.iter().map(|s| s.number).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    assert!(card.sections.iter().all(|section| !section.blocks.is_empty()));
}

#[test]
fn a_card_is_written_in_words_and_in_the_colours_of_the_system() {
    let html = write(&records(), Format::Html);
    assert!(html.contains("color-scheme:light dark") && html.contains("<td>GPA</td>"), "{html}");
    for name in ["gpa_normalized", "auc_roc", "f1_score", "selection_rate", "no_difference", "performance_drop"] {
        let cell = [format!(">{name}<"), format!(" {name}<"), format!(" {name} ")];
        assert!(!cell.iter().any(|cell| html.contains(cell.as_str())), "{name}");
    }
}

#[test]
fn what_a_person_says_takes_the_place_of_a_question() {
    let mut said = records();
    let before = Card::of(&said).blanks();
    said.texts = CardTexts {
        provider: "University of Example".to_owned(),
        contact: "admissions@example.edu".to_owned(),
        purpose: "Estimates for <advisers>".to_owned(),
        oversight: "Two readers".to_owned(),
        ..said.texts
    };
    let card = Card::of(&said);
    assert_eq!(before - card.blanks(), 5, "oversight is asked twice");
    let html = write(&said, Format::Html);
    assert!(html.contains("Estimates for &lt;advisers&gt;") && !html.contains("<advisers>"));
    assert!(write(&said, Format::Markdown).contains("Estimates for \\<advisers\\>"));
}

#[test]
fn the_log_has_the_hash_of_each_entry_and_no_address() {
    let mut records = records();
    let entry = &mut records.log[0];
    entry.deed.who = "anonymous@192.0.2.7".to_owned();
    let hash = entry.hash.clone();
    let text = write(&records, Format::Markdown);
    assert!(text.contains(&hash) && text.contains("| anonymous |") && !text.contains("192.0.2.7"), "{text}");
}

#[test]
fn a_model_without_evaluation_job_and_audit_has_a_card() {
    let bare = Records {
        job: None,
        results: None,
        decision: None,
        activations: Vec::new(),
        audit: Err("there is no artifact".to_owned()),
        log: Vec::new(),
        trials: (0, false),
        ..records()
    };
    for format in Format::ALL {
        assert!(write(&bare, format).contains("there is no artifact"));
    }
}

/// Lines of a literal block are indented by two, and what follows `records` is JSON.
#[test]
fn the_yaml_has_one_key_on_each_line_that_is_not_indented() {
    let text = write(&records(), Format::Yaml);
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with([' ', '#', '-']))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "risk_level",
            "enterprise_size",
            "placed_on_market",
            "last_updated",
            "use_cases",
            "system_overview",
            "development_process",
            "system_monitoring",
            "performance_metrics",
            "risk_management",
            "changes_and_versions",
            "standards_applied",
            "compliance_declaration",
            "post_market_plan",
            "records",
        ]
    );
    let (_, of_records) = text.split_once("\nrecords:\n").unwrap();
    for line in of_records.lines() {
        let (_, value) = line.split_once(": ").unwrap();
        let _: serde_json::Value = serde_json::from_str(value).unwrap();
    }
}
