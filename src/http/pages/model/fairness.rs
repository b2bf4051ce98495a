//! How the model treats groups, as far as the audit is known when the page is requested.

use super::super::State;
use super::super::text::{Mark, count, shown, three};
use provost_domain::ModelVersion;
use provost_domain::fairness::{AttributeFairness, FairnessFigure, FairnessReport, FairnessVerdict, GroupFairness};
use std::time::Duration;

/// A group in the table.
pub struct GroupRow {
    pub attribute: String,
    pub group: String,
    pub rows: String,
    pub accepted: String,
    pub ratio: String,
    pub mark: Mark,
    pub differs: String,
}

/// The audit, or why there is none yet.
pub struct Fairness {
    pub groups: Vec<GroupRow>,
    /// The text beside the table, or in its place.
    pub note: String,
    /// Whether the audit is still running.
    pub is_awaited: bool,
    pub warnings: Vec<String>,
}

impl Fairness {
    /// Waits for the audit for at most `patience`.
    pub async fn of(state: &State, version: &ModelVersion, patience: Duration) -> Self {
        if !version.has_artifact() {
            return Self::nothing("A record without a model cannot be audited.");
        }
        match tokio::time::timeout(patience, state.handle.fairness_audit(&version.model_id)).await {
            Ok(Ok(audit)) => Self::shown(&audit.fairness),
            Ok(Err(_)) => Self::failed(),
            Err(_) => Self::awaited(),
        }
    }

    fn nothing(note: &str) -> Self {
        Self { groups: Vec::new(), note: note.to_owned(), is_awaited: false, warnings: Vec::new() }
    }

    /// The content while the audit is running.
    pub fn awaited() -> Self {
        Self { is_awaited: true, ..Self::nothing("The audit is being made.") }
    }

    /// The content after the audit has failed.
    pub fn failed() -> Self {
        Self::nothing("The audit could not be made now.")
    }

    fn shown(report: &FairnessReport) -> Self {
        // A pair of attributes is shown only if its group differs.
        let tells = |a: &AttributeFairness, g: &GroupFairness| {
            !a.attribute.contains(provost_domain::fairness::PAIR) || g.verdict == FairnessVerdict::Differs
        };
        let all = report.attributes.iter().flat_map(|a| a.groups.iter().map(move |g| (a, g)));
        let groups: Vec<GroupRow> = all.filter(|(a, g)| tells(a, g)).map(|(a, g)| row(a, g)).collect();
        let note = match groups.len() {
            0 => "No held-out row has an attribute that is audited.".to_owned(),
            _ => "Against all other held-out rows that have the attribute; 95 % intervals. Groups differ where it is more than \
                  chance explains over all groups. The attributes are never features."
                .to_owned(),
        };
        Self {
            groups,
            note,
            is_awaited: false,
            warnings: report.warnings.iter().map(|warning| shown(warning)).collect(),
        }
    }
}

fn figure(f: &FairnessFigure) -> String {
    match (f.value, f.low, f.high) {
        (Some(value), Some(low), Some(high)) => format!("{}, {} to {}", three(value), three(low), three(high)),
        (Some(value), ..) => three(value),
        (None, ..) => "–".to_owned(),
    }
}

fn row(attribute: &AttributeFairness, group: &GroupFairness) -> GroupRow {
    let words = |measure: &provost_domain::fairness::FairnessMeasure| super::super::text::words(measure.as_str());
    let differs: Vec<String> = group.differs_in.iter().map(words).collect();
    GroupRow {
        attribute: shown(&attribute.attribute),
        group: shown(&group.group),
        rows: count(group.rows),
        accepted: figure(&group.figures.selection_rate),
        ratio: group.ratio.as_ref().map_or_else(|| "–".to_owned(), |ratio| figure(&ratio.selection_rate)),
        mark: Mark::of_fairness(group.verdict),
        differs: differs.join(", "),
    }
}
