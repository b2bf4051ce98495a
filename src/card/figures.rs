//! Section 4: the model's performance, with intervals and by group.

use super::block::{Block, Section};
use super::numbers::{figure, three, with_interval};
use super::records::Records;
use super::words::plain;
use provost_domain::TrainingMetrics;
use provost_domain::evaluation::EvaluationResults;
use provost_domain::fairness::{AttributeFairness, FairnessMeasure, FairnessReport, GroupFairness};

pub fn section(records: &Records) -> Section {
    let metrics = &records.model.version.metrics;
    let mut blocks = vec![
        Block::text(
            "AUC is the chance that an accepted application ranks above a rejected one; it does not depend on the threshold. \
             Precision and recall say how often an acceptance that the model foretells comes true, and how many acceptances it \
             foretells. The Brier score measures the probabilities themselves. All figures are of held-out rows, with 95 % \
             intervals: Wilson's for shares, DeLong's for the AUC.",
        ),
        Block::heading("On the test part"),
        overall(metrics),
    ];
    if let Some(results) = &records.results {
        blocks.extend(evaluated(results));
    }
    if let Some(t) = &records.model.temporal {
        blocks.push(Block::heading("On the last year"));
        blocks.push(Block::text(
            "The same algorithm and parameters, fitted on the earlier years only. A random split flatters; new years are measured \
             against these figures.",
        ));
        blocks.push(Block::facts([
            ("Year", t.year.to_string()),
            ("Rows", format!("{} ({} accepted)", t.rows, t.positives)),
            ("AUC", format!("{} (standard error {})", three(t.auc), three(t.auc_error))),
            ("Log loss", format!("{} (standard error {})", three(t.log_loss), three(t.log_loss_error))),
        ]));
    }
    blocks.push(Block::heading("By group"));
    match &records.audit {
        Ok(audit) => blocks.extend(by_group(&audit.fairness)),
        Err(why) => blocks.push(Block::text(format!("There is no audit: {why}."))),
    }
    blocks.push(Block::blank("Why are these metrics the right ones for the purpose, and which errors weigh most?"));
    Section { number: 4, key: "performance_metrics", title: "Appropriateness of the performance metrics", blocks }
}

fn overall(metrics: &TrainingMetrics) -> Block {
    let row = |name: &str, key: &str, value: f64| {
        vec![name.to_owned(), with_interval(value, metrics.intervals_95.get(key).copied())]
    };
    Block::table(
        &["Metric", "Value (95 % interval)"],
        vec![
            row("AUC", "auc_roc", metrics.auc_roc),
            row("Accuracy", "accuracy", metrics.accuracy),
            row("Precision", "precision", metrics.precision),
            row("Recall", "recall", metrics.recall),
            row("F1", "f1_score", metrics.f1_score),
        ],
    )
}

fn evaluated(results: &EvaluationResults) -> Vec<Block> {
    let [[tn, fp], [fn_, tp]] = results.metrics.confusion_matrix;
    let mut blocks = vec![
        Block::facts([
            ("Evaluated", super::numbers::moment(results.evaluation_date)),
            ("Brier score", three(results.calibration_score)),
        ]),
        Block::table(
            &["Outcome", "Model rejects", "Model accepts"],
            vec![
                vec!["rejected".to_owned(), tn.to_string(), fp.to_string()],
                vec!["accepted".to_owned(), fn_.to_string(), tp.to_string()],
            ],
        ),
    ];
    let bands = [("reach", "below 25 %"), ("target", "25 to 75 %"), ("safety", "above 75 %")];
    let rows = bands.iter().filter_map(|(key, name)| {
        let band = results.performance_by_university_tier.get(*key).filter(|band| band.n > 0)?;
        let ends = band.observed_low_95.zip(band.observed_high_95).map(|(low, high)| [low, high]);
        let observed = with_interval(band.observed_rate, ends);
        Some(vec![(*name).to_owned(), band.n.to_string(), three(band.mean_prediction), observed, three(band.accuracy)])
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        blocks.push(Block::table(&["Predicted chance", "Rows", "Mean prediction", "Share accepted", "Accuracy"], rows));
    }
    let bins = results.calibration_bins.iter().map(|bin| {
        let observed = with_interval(bin.fraction_of_positives, bin.interval_95);
        vec![three(bin.mean_predicted), observed, bin.count.to_string()]
    });
    let bins: Vec<Vec<String>> = bins.collect();
    if !bins.is_empty() {
        blocks.push(Block::table(&["Mean prediction", "Share accepted", "Rows"], bins));
    }
    blocks
}

fn by_group(report: &FairnessReport) -> Vec<Block> {
    let mut blocks = vec![Block::text(format!(
        "{} held-out rows, with the groups that the data has now. Each group is compared with all other rows that have the \
         attribute; Holm's method keeps the chance of any false finding over all groups and measures below 5 %.",
        report.rows
    ))];
    if !report.warnings.is_empty() {
        blocks.push(Block::List(report.warnings.clone()));
    }
    for attribute in &report.attributes {
        blocks.push(Block::Heading(attribute.attribute.clone()));
        if attribute.groups.is_empty() {
            blocks.push(Block::text("No held-out row has it."));
            continue;
        }
        blocks.extend(of_attribute(attribute));
    }
    blocks
}

fn of_attribute(attribute: &AttributeFairness) -> Vec<Block> {
    let mut head = vec!["Group".to_owned(), "Rows".to_owned(), "Accepted".to_owned()];
    head.extend(FairnessMeasure::ALL.iter().map(|measure| words(*measure)));
    let figures = |g: &GroupFairness| {
        let mut row = vec![g.group.clone(), g.rows.to_string(), g.accepted.to_string()];
        row.extend(FairnessMeasure::ALL.iter().map(|measure| figure(g.figures.of(*measure))));
        row
    };
    let compared = |g: &GroupFairness| {
        let ratio = g.ratio.as_ref().map_or_else(|| "–".to_owned(), |ratio| figure(&ratio.selection_rate));
        let gap = |measure: FairnessMeasure| {
            g.difference.as_ref().map_or_else(
                || "–".to_owned(),
                |d| {
                    let d = d.of(measure);
                    d.value.map_or_else(
                        || "–".to_owned(),
                        |value| with_interval(value, d.low.zip(d.high).map(|(low, high)| [low, high])),
                    )
                },
            )
        };
        let mut row = vec![g.group.clone(), ratio];
        row.extend(FairnessMeasure::ALL.iter().map(|measure| gap(*measure)));
        let differs: Vec<String> = g.differs_in.iter().map(|measure| words(*measure)).collect();
        row.push(if differs.is_empty() {
            plain(g.verdict)
        } else {
            format!("{} in {}", plain(g.verdict), differs.join(", "))
        });
        row
    };
    let mut compared_head = vec!["Group".to_owned(), "Ratio of selection rates".to_owned()];
    compared_head.extend(FairnessMeasure::ALL.iter().map(|measure| format!("Difference in {}", words(*measure))));
    compared_head.push("Verdict".to_owned());
    let mut blocks = vec![
        Block::Table { head, rows: attribute.groups.iter().map(figures).collect() },
        Block::Table { head: compared_head, rows: attribute.groups.iter().map(compared).collect() },
    ];
    if attribute.missing > 0 {
        blocks.push(Block::text(format!("{} rows do not have it.", attribute.missing)));
    }
    if attribute.groups_not_shown > 0 {
        blocks.push(Block::text(format!("{} smaller groups are not shown.", attribute.groups_not_shown)));
    }
    blocks
}

fn words(measure: FairnessMeasure) -> String {
    plain(measure).replace("auc roc", "AUC")
}
