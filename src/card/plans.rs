//! Sections 3, 5, 7, 8 and 9: monitoring, risks, and questions that only people can answer.

use super::block::{Block, Section};
use super::numbers::{moment, three, with_interval};
use super::records::Records;
use super::words::{plain, sentence};
use provost_domain::fairness::FairnessVerdict;
use provost_domain::watch::Interval;
use provost_domain::watch_record::WatchedWindow;

pub fn monitoring(records: &Records) -> Section {
    let blocks = vec![
        Block::heading("Capabilities and limits"),
        Block::List(vec![
            "Section 4 has the accuracy for all applications and for groups of them, with intervals.".to_owned(),
            "The estimate is of what institutions decided in the years of the data. It is not a judgement of merit, and repeats \
             whatever those decisions were biased by."
                .to_owned(),
            "An application that is unlike those of the data is answered with warnings; figures of section 4 do not hold for it."
                .to_owned(),
            "Values that are missing are treated as missing, not as average.".to_owned(),
        ]),
        Block::blank("Which unintended outcomes, and which risks to fundamental rights, are foreseeable?"),
        Block::heading("Control"),
        Block::text(
            "A person activates a model, or the gate does on evidence. The model that was active before is one request away (roll \
             back). An estimate can be explained feature by feature.",
        ),
        Block::said(&records.texts.oversight, "Who may stop the use of the system, and how is that done?"),
        Block::heading("Input"),
        Block::text(
            "An application has a profile and a program, as the OpenAPI document describes; values off their scale are refused or \
             become missing, and are counted.",
        ),
    ];
    Section { number: 3, key: "system_monitoring", title: "Monitoring, functioning and control", blocks }
}

pub fn risks(records: &Records) -> Section {
    let mut blocks = vec![Block::heading("Found in the records")];
    let mut found = Vec::new();
    if let Ok(audit) = &records.audit {
        let leaks = audit.data.warnings.iter().filter(|warning| warning.starts_with("leak:"));
        found.extend(leaks.cloned());
        for (attribute, group) in audit.fairness.below_four_fifths() {
            let (name, group_name) = (&attribute.attribute, &group.group);
            found.push(format!(
                "The model accepts `{group_name}` of `{name}` less than four fifths as often as all others."
            ));
        }
        let groups = || audit.fairness.attributes.iter().flat_map(|a| a.groups.iter().map(move |g| (a, g)));
        for (attribute, group) in groups().filter(|(_, g)| g.verdict == FairnessVerdict::Differs) {
            let (name, group_name) = (&attribute.attribute, &group.group);
            let measures: Vec<String> = group.differs_in.iter().map(plain).collect();
            found.push(format!("`{group_name}` of `{name}` differs from the rest in {}.", measures.join(", ")));
        }
        let few = groups().filter(|(_, g)| g.verdict == FairnessVerdict::TooFew).count();
        if few > 0 {
            found.push(format!("{few} groups have too few rows to say anything about."));
        }
    }
    blocks.push(if found.is_empty() { Block::text("Nothing.") } else { Block::List(found) });
    blocks.push(Block::heading("The gate"));
    match &records.decision {
        None => blocks.push(Block::text("The gate has not decided on this model's job.")),
        Some(decision) => {
            let compared = decision.champion_id.as_ref().map(ToString::to_string).unwrap_or_default();
            blocks.push(Block::facts([
                ("Decided", moment(decision.decided_at)),
                ("Outcome", plain(decision.outcome)),
                ("Reason", sentence(&decision.reason)),
                ("Candidate", decision.challenger_id.to_string()),
                ("Compared with", compared),
                ("Improvement that was asked for", decision.improvement_threshold.to_string()),
            ]));
            if let Some(e) = &decision.evidence {
                blocks.push(Block::facts([
                    ("Metric", e.metric.title().to_owned()),
                    ("Rows", e.rows.to_string()),
                    ("Candidate's score", three(e.challenger_score)),
                    ("Serving model's score", e.champion_score.map(three).unwrap_or_default()),
                    (
                        "Improvement",
                        format!(
                            "{}, at least {} at alpha {}",
                            three(e.improvement),
                            three(e.lower_bound),
                            three(e.alpha)
                        ),
                    ),
                ]));
            }
        }
    }
    blocks.push(Block::blank(
        "What does the risk management system of Article 9 say of this system, and when was it last reviewed?",
    ));
    Section { number: 5, key: "risk_management", title: "Risk management", blocks }
}

pub fn standards() -> Section {
    let blocks = vec![
        Block::blank("Which harmonised standards or common specifications are applied, in full or in part?"),
        Block::text("Where none is applied, these published methods are followed:"),
        Block::List(
            [
                "intervals of shares: Wilson 1927; of their differences: Newcombe 1998; of their ratios: Donner and Zou 2012",
                "the AUC's error: DeLong, DeLong and Clarke-Pearson 1988",
                "several tests at once: Holm 1979",
                "calibration slope: Cox 1958",
                "form of the card: Mitchell et al. 2019, and Annex IV of Regulation (EU) 2024/1689",
            ]
            .map(str::to_owned)
            .to_vec(),
        ),
    ];
    Section { number: 7, key: "standards_applied", title: "Standards and other specifications", blocks }
}

pub fn declaration() -> Section {
    let blocks = vec![Block::blank("Where is the EU declaration of conformity (Article 47), and who signed it when?")];
    Section { number: 8, key: "compliance_declaration", title: "EU declaration of conformity", blocks }
}

pub fn post_market(records: &Records) -> Section {
    let yes = |on: bool, then: &str, otherwise: &str| if on { then } else { otherwise }.to_owned();
    let mut items = vec![
        yes(
            records.logs_predictions,
            "Predictions are logged with their features; outcomes that arrive later are joined to them.",
            "Predictions are not logged.",
        ),
        yes(
            records.is_scheduled,
            "The scheduler looks at new data, at the model's age and at falls of its figures, and asks for training by the schedule.",
            "The scheduler is off: nothing is retrained by itself.",
        ),
        "Data, predictions and figures of the active model are compared with those of its training; a change is announced, and \
         is listed as needing a person."
            .to_owned(),
        "The audit by group (section 4) can be repeated at any time on the data of then.".to_owned(),
    ];
    if records.model.temporal.is_none() {
        items.push("There are no figures on a last year that new years could be compared with.".to_owned());
    }
    let blocks = vec![
        Block::List(items),
        Block::heading("Newest windows"),
        windows(&records.windows),
        Block::blank("Who reads these reports, how often, and what is done when something is found (Article 72)?"),
        Block::blank("To whom is a serious incident reported, and within what time (Article 73)?"),
    ];
    Section { number: 9, key: "post_market_plan", title: "Post-market monitoring", blocks }
}

/// The results for the newest windows of predictions and points.
fn windows(windows: &[WatchedWindow]) -> Block {
    if windows.is_empty() {
        return Block::text("No window of predictions or points has been compared with the training data.");
    }
    let shown = |found: Option<Interval>| match found {
        Some(Interval { value, low, high }) => with_interval(value, Some([low, high])),
        None => "–".to_owned(),
    };
    let row = |window: &WatchedWindow| {
        let (drift, worth) = (&window.drift, window.performance.as_ref());
        vec![
            drift.kind.to_string(),
            format!("{} to {}", moment(drift.from), moment(drift.to)),
            drift.rows.to_string(),
            if drift.alarm { "yes" } else { "no" }.to_owned(),
            shown(drift.domain_auc),
            shown(worth.and_then(|worth| worth.estimated.auc_roc)),
            shown(worth.and_then(|worth| worth.realised.as_ref()).and_then(|realised| realised.auc_roc)),
        ]
    };
    Block::table(
        &["Of", "When", "Rows", "Alarm", "AUC of telling them from the training data", "AUC estimated", "AUC realised"],
        windows.iter().map(row).collect(),
    )
}
