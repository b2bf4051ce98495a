//! Fairness audits, as clients read them: how a model treats the groups of its held-out rows.

use crate::ids::ModelId;
use crate::words::word_enum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Attributes that every audit looks at.
pub const AUDIT_ATTRIBUTES: [&str; 2] = ["nationality", "gender"];
/// Separator between the names of a pair of attributes, and between their two groups.
pub const PAIR: &str = " × ";
/// A group with fewer rows is too small to say anything about.
pub const MIN_ROWS: u64 = 30;
/// A group with fewer accepted rows, or with fewer rejected rows, is too small as well.
pub const MIN_OUTCOMES: u64 = 10;
/// Significance level of the differences between a group and the rest, adjusted over all groups and measures of an
/// audit by Holm's method (Holm 1979).
pub const LEVEL: f64 = 0.05;
/// Limit of the four-fifths rule for a group's selection rate divided by that of the rest.
pub const FOUR_FIFTHS: f64 = 0.8;

word_enum!(
    /// What an audit measures of a group.
    FairnessMeasure {
        SelectionRate = "selection_rate",
        TruePositiveRate = "true_positive_rate",
        FalsePositiveRate = "false_positive_rate",
        Precision = "precision",
        AucRoc = "auc_roc",
        CalibrationSlope = "calibration_slope",
    }
);

word_enum!(
    /// What an audit says of a group. `too few to say`: fewer than 30 rows, or than 10 accepted or rejected ones. `no other
    /// group`: there are no other rows to compare with. `differs`: some difference from the rest is more than chance explains.
    FairnessVerdict {
        TooFew = "too few to say",
        NoOther = "no other group",
        Differs = "differs",
        NoDifference = "no difference found",
    }
);

/// A figure with its 95 % interval; null where it is undefined.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct FairnessFigure {
    /// The figure.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
}

/// A group's figure less that of all other rows.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct FairnessDifference {
    /// The difference.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub high: Option<f64>,
    /// Two-sided p-value of no difference.
    pub p_value: Option<f64>,
    /// The same, adjusted by Holm's method over all groups and measures of the audit.
    pub p_holm: Option<f64>,
}

/// One value for each measure.
macro_rules! measures {
    ($(#[$m:meta])* $name:ident of $value:ident) => {
        $(#[$m])*
        #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
        pub struct $name {
            /// Share of the rows that the model accepts.
            pub selection_rate: $value,
            /// Share of the accepted rows that the model accepts.
            pub true_positive_rate: $value,
            /// Share of the rejected rows that the model accepts.
            pub false_positive_rate: $value,
            /// Share of accepted rows among those that the model accepts.
            pub precision: $value,
            /// Area under the receiver operating characteristic.
            pub auc_roc: $value,
            /// Slope of the outcome's log-odds on the prediction's; 1 is calibrated, below 1 is too sure.
            pub calibration_slope: $value,
        }

        impl $name {
            /// The value of a measure.
            pub fn of(&self, measure: FairnessMeasure) -> &$value {
                match measure {
                    FairnessMeasure::SelectionRate => &self.selection_rate,
                    FairnessMeasure::TruePositiveRate => &self.true_positive_rate,
                    FairnessMeasure::FalsePositiveRate => &self.false_positive_rate,
                    FairnessMeasure::Precision => &self.precision,
                    FairnessMeasure::AucRoc => &self.auc_roc,
                    FairnessMeasure::CalibrationSlope => &self.calibration_slope,
                }
            }

            /// The place of a measure's value.
            pub fn of_mut(&mut self, measure: FairnessMeasure) -> &mut $value {
                match measure {
                    FairnessMeasure::SelectionRate => &mut self.selection_rate,
                    FairnessMeasure::TruePositiveRate => &mut self.true_positive_rate,
                    FairnessMeasure::FalsePositiveRate => &mut self.false_positive_rate,
                    FairnessMeasure::Precision => &mut self.precision,
                    FairnessMeasure::AucRoc => &mut self.auc_roc,
                    FairnessMeasure::CalibrationSlope => &mut self.calibration_slope,
                }
            }
        }
    };
}

measures!(
    /// Figures of a group, or ratios of them to those of all other rows.
    FairnessFigures of FairnessFigure
);
measures!(
    /// Differences of a group's figures from those of all other rows.
    FairnessDifferences of FairnessDifference
);

/// How a model treats one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupFairness {
    /// The group: a value of the attribute, or of both attributes of a pair.
    pub group: String,
    /// Held-out rows of the group.
    pub rows: u64,
    /// Accepted rows among them.
    pub accepted: u64,
    /// The group's figures.
    #[serde(flatten)]
    pub figures: FairnessFigures,
    /// The figures less those of all other rows that have the attribute; null where there are too few rows.
    pub difference: Option<FairnessDifferences>,
    /// The figures divided by those of all other rows that have the attribute; null where there are too few rows.
    pub ratio: Option<FairnessFigures>,
    /// What follows: `too few to say`, `no other group`, `differs` or `no difference found`.
    // The derived schema would list the variants' names instead of these words, which have blanks.
    #[schema(value_type = String)]
    pub verdict: FairnessVerdict,
    /// The measures that differ from those of the rest beyond chance.
    pub differs_in: Vec<FairnessMeasure>,
}

/// How a model treats the groups of one attribute, or of a pair of attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttributeFairness {
    /// The attribute's name, or both names of a pair with ` × ` between.
    pub attribute: String,
    /// Held-out rows that have it.
    pub rows: u64,
    /// Held-out rows that do not; they are in no group and in no rest.
    pub missing: u64,
    /// The groups with the most rows, the largest first.
    pub groups: Vec<GroupFairness>,
    /// Groups beyond these; their rows are in the rest that a group is compared with.
    pub groups_not_shown: u64,
}

/// The fairness audit of a model on its held-out rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FairnessReport {
    /// The model.
    pub model_id: ModelId,
    /// Held-out rows: those of the test part.
    pub rows: u64,
    /// The model accepts from this probability on.
    pub threshold: f64,
    /// Each audit attribute and each pair of them that rows have.
    pub attributes: Vec<AttributeFairness>,
    /// What to know before one relies on it.
    pub warnings: Vec<String>,
}

impl FairnessReport {
    /// Groups whose selection rate is below four fifths of that of the rest beyond doubt: the upper end of the ratio's
    /// 95 % interval is below 0.8.
    pub fn below_four_fifths(&self) -> impl Iterator<Item = (&AttributeFairness, &GroupFairness)> {
        let all = self.attributes.iter().flat_map(|a| a.groups.iter().map(move |g| (a, g)));
        all.filter(|(_, group)| {
            let ratio = group.ratio.as_ref().and_then(|ratio| ratio.selection_rate.high);
            ratio.is_some_and(|high| high < FOUR_FIFTHS)
        })
    }
}
