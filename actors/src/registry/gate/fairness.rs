//! The four-fifths rule at the gate: a new model does not replace the active one if it is certainly below four fifths
//! for a group and the active model is not.

use super::{ModelService, RegistryError};
use crate::blocking::blocking;
use crate::fairness::{groups, report};
use crate::scoring::Opened;
use provost_domain::fairness::{FOUR_FIFTHS, FairnessReport};
use provost_domain::visible::line;
use provost_domain::{ModelId, TrainingConfig};
use provost_learn::watch::fairness::AuditRows;

/// Both models' predictions for rows that neither has seen.
pub struct Scored {
    ids: Vec<u128>,
    applicants: Vec<u64>,
    y: Vec<u8>,
    /// Probabilities and threshold of the challenger, and of the champion.
    challenger: (Vec<f64>, f64),
    champion: (Vec<f64>, f64),
}

impl Scored {
    pub fn new(
        opened: &Opened,
        rows: &[u32],
        y: Vec<u8>,
        challenger: (Vec<f64>, f64),
        champion: (Vec<f64>, f64),
    ) -> Self {
        let snapshot = &opened.data.snapshot;
        Self {
            ids: rows.iter().map(|row| snapshot.row_ids[*row as usize]).collect(),
            applicants: rows.iter().map(|row| snapshot.applicants[*row as usize]).collect(),
            y,
            challenger,
            champion,
        }
    }
}

impl ModelService {
    /// The first group for which the challenger is below four fifths and the champion is not, as text.
    pub(super) async fn less_fair(
        &self,
        challenger: ModelId,
        config: TrainingConfig,
        scored: Scored,
    ) -> Result<Option<String>, RegistryError> {
        let names = self.resources.fairness.names();
        let (columns, _) = groups(&self.loader, config, scored.ids.clone(), names).await?;
        blocking(move || {
            let of = |(p, threshold): &(Vec<f64>, f64)| {
                let rows = AuditRows { y: &scored.y, p, threshold: *threshold, applicants: &scored.applicants };
                report(challenger.clone(), &rows, &columns, Vec::new())
            };
            Ok(less_fair(&of(&scored.challenger), &of(&scored.champion)))
        })
        .await
    }
}

/// The first group for which only the challenger is below, in words.
fn less_fair(challenger: &FairnessReport, champion: &FairnessReport) -> Option<String> {
    let same = |name: &str, group: &str| {
        champion.below_four_fifths().any(|(attribute, below)| attribute.attribute == name && below.group == group)
    };
    let (attribute, group) = challenger.below_four_fifths().find(|(a, g)| !same(&a.attribute, &g.group))?;
    let ratio = group.ratio?.selection_rate;
    let (value, high) = (ratio.value?, ratio.high?);
    Some(format!(
        "it accepts the group `{}` of `{}` {value:.2} times as often as all others, at most {high:.2} times, which is below \
         {FOUR_FIFTHS}; of the active model that is not certain",
        line(&group.group),
        line(&attribute.attribute),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::DateTime;
    use provost_domain::Algorithm;
    use provost_domain::rng::SplitMix64;
    use provost_learn::watch::fairness::AuditColumn;

    /// Two groups; the model scores the first lower by `gap`.
    fn audited(gap: f64) -> FairnessReport {
        let mut random = SplitMix64::new(3);
        let n = 1500;
        let (mut y, mut p, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..n {
            let first = row % 3 == 0;
            let score = random.normal();
            y.push(u8::from(random.unit() < 1.0 / (1.0 + (-score).exp())));
            p.push(1.0 / (1.0 + (-score + if first { gap } else { 0.0 }).exp()));
            groups.push(Some(u32::from(first)));
        }
        let words = ["others", "first"].map(str::to_owned).to_vec();
        let column = AuditColumn { name: "gender".to_owned(), words, groups };
        let applicants: Vec<u64> = (0..n).collect();
        let rows = AuditRows { y: &y, p: &p, threshold: 0.5, applicants: &applicants };
        report(ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, 1), &rows, &[column], Vec::new())
    }

    #[test]
    fn only_a_new_gap_keeps_a_model_from_the_place() {
        let (fair, unfair) = (audited(0.0), audited(1.5));
        let because = less_fair(&unfair, &fair).unwrap();
        assert!(because.contains("`first` of `gender`") && because.contains("below 0.8"), "{because}");
        assert_eq!(less_fair(&fair, &unfair), None);
        assert_eq!(less_fair(&unfair, &unfair), None);
        assert_eq!(less_fair(&fair, &fair), None);
    }
}
