//! A group's figures and those of all other rows, from exact counts.

use super::partition::Partition;
use super::{AuditRows, FEW, too_little};
use crate::counts::Counts;
use provost_domain::fairness::{FairnessMeasure, FairnessVerdict};
use std::collections::BTreeMap;

/// A share of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

impl Share {
    /// None for measures that are not shares.
    pub fn of(c: Counts, measure: FairnessMeasure) -> Option<Self> {
        let (part, whole) = match measure {
            FairnessMeasure::SelectionRate => (c.tp + c.fp, c.total()),
            FairnessMeasure::TruePositiveRate => (c.tp, c.tp + c.fn_),
            FairnessMeasure::FalsePositiveRate => (c.fp, c.fp + c.tn),
            FairnessMeasure::Precision => (c.tp, c.tp + c.fp),
            FairnessMeasure::AucRoc | FairnessMeasure::CalibrationSlope => return None,
        };
        Some(Self { part, whole })
    }

    /// None without rows.
    pub fn value(self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }

    pub fn is_few(self) -> bool {
        self.part < FEW || self.whole - self.part < FEW
    }
}

/// A row that has a group.
pub struct Row {
    /// Its number among all rows.
    pub row: u32,
    pub group: u32,
    /// The number of the row's applicant; the numbers of a group's applicants follow each other.
    pub unit: u32,
    pub positive: bool,
    pub accepted: bool,
    /// Whether the row's probability equals that of the row before.
    tied: bool,
}

/// Counts and AUC of some rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub counts: Counts,
    pub auc: Option<f64>,
}

/// Weighted sums over rows, by group.
pub struct Tally {
    counts: Vec<Counts>,
    /// Twice the number of pairs of a positive of the group and any negative that are in the right order; ties count
    /// once.
    positive_won: Vec<u64>,
    /// The same for any positive and a negative of the group.
    negative_won: Vec<u64>,
    /// The same for both within the group.
    own_won: Vec<u64>,
    all: Counts,
    all_won: u64,
}

/// The rows that have an attribute, in ascending order of probability.
pub struct Split {
    pub rows: Vec<Row>,
    /// The first unit of each group, and at the end the number of all units.
    pub units: Vec<u32>,
    point: Tally,
}

/// All rows but a group's.
fn rest_of(all: Counts, group: Counts) -> Counts {
    Counts { tn: all.tn - group.tn, fp: all.fp - group.fp, fn_: all.fn_ - group.fn_, tp: all.tp - group.tp }
}

impl Split {
    pub fn new(rows: &AuditRows<'_>, partition: &Partition) -> Self {
        let group_of = |row: usize| partition.groups.get(row).copied().flatten();
        let mut order: Vec<usize> = (0..rows.y.len()).filter(|row| group_of(*row).is_some()).collect();
        order.sort_by(|a, b| rows.p[*a].total_cmp(&rows.p[*b]));
        let applicant = |row: usize| rows.applicants.get(row).copied().unwrap_or(row as u64);
        let key = |row: usize| (group_of(row).unwrap_or_default(), applicant(row));
        let mut numbers: BTreeMap<(u32, u64), u32> = order.iter().map(|row| (key(*row), 0)).collect();
        let mut units = vec![0u32; partition.words.len() + 1];
        for (number, ((group, _), place)) in (0..).zip(numbers.iter_mut()) {
            *place = number;
            units[*group as usize + 1] += 1;
        }
        for group in 1..units.len() {
            units[group] += units[group - 1];
        }
        let made = order.iter().enumerate().map(|(at, row)| Row {
            row: *row as u32,
            group: key(*row).0,
            unit: numbers.get(&key(*row)).copied().unwrap_or_default(),
            positive: rows.y[*row] == 1,
            accepted: rows.p[*row] >= rows.threshold,
            tied: at > 0 && rows.p[order[at - 1]] == rows.p[*row],
        });
        let made: Vec<Row> = made.collect();
        let point = Tally::of(&made, partition.words.len(), |_| 1);
        Self { rows: made, units, point }
    }

    pub fn groups(&self) -> usize {
        self.point.counts.iter().filter(|c| c.total() > 0).count()
    }

    /// Groups with rows, the largest first, groups of one size by name.
    pub fn by_size(&self, partition: &Partition) -> Vec<u32> {
        let rows = |group: u32| self.point.counts[group as usize].total();
        let mut groups: Vec<u32> = (0..partition.words.len() as u32).filter(|g| rows(*g) > 0).collect();
        groups.sort_by(|a, b| {
            let name = |group: u32| &partition.words[group as usize];
            rows(*b).cmp(&rows(*a)).then_with(|| name(*a).cmp(name(*b)))
        });
        groups
    }

    /// Why a group is not compared; None where it is.
    pub fn verdict(&self, group: u32) -> Option<FairnessVerdict> {
        let (own, rest) = self.point(group);
        too_little(own.counts, rest.counts)
    }

    /// The figures of the group, and those of all other rows.
    pub fn point(&self, group: u32) -> (Point, Point) {
        self.point.of_group(group)
    }

    /// Labels and probabilities of the rows whose group is `wanted`.
    pub fn of_group(&self, rows: &AuditRows<'_>, wanted: impl Fn(u32) -> bool) -> (Vec<u8>, Vec<f64>) {
        let found = self.rows.iter().filter(|row| wanted(row.group));
        found.map(|row| (rows.y[row.row as usize], rows.p[row.row as usize])).unzip()
    }
}

impl Tally {
    /// Sums over rows in ascending order of probability, in one pass; rows of one probability are tied.
    pub fn of(rows: &[Row], groups: usize, weight: impl Fn(u32) -> u64) -> Self {
        let mut counts = vec![Counts::default(); groups];
        let mut all = Counts::default();
        for row in rows {
            let times = weight(row.unit);
            counts[row.group as usize].add(u8::from(row.positive), row.accepted, times);
            all.add(u8::from(row.positive), row.accepted, times);
        }
        let mut tally = Self {
            counts,
            positive_won: vec![0; groups],
            negative_won: vec![0; groups],
            own_won: vec![0; groups],
            all,
            all_won: 0,
        };
        let positives = all.tp + all.fn_;
        // Negatives and positives below the current probability, and at it: of all rows, and negatives by group.
        let (mut negatives_below, mut positives_below) = (0u64, 0u64);
        let (mut own_below, mut own_level) = (vec![0u64; groups], vec![0u64; groups]);
        for level in rows.chunk_by(|_, next| next.tied) {
            let (mut negatives, mut level_positives) = (0u64, 0u64);
            for row in level {
                let times = weight(row.unit);
                if row.positive {
                    level_positives += times;
                } else {
                    negatives += times;
                    own_level[row.group as usize] += times;
                }
            }
            let above = positives - positives_below - level_positives;
            for row in level {
                let (times, group) = (weight(row.unit), row.group as usize);
                if row.positive {
                    let won = times * (2 * negatives_below + negatives);
                    tally.positive_won[group] += won;
                    tally.all_won += won;
                    tally.own_won[group] += times * (2 * own_below[group] + own_level[group]);
                } else {
                    tally.negative_won[group] += times * (2 * above + level_positives);
                }
            }
            for row in level {
                let group = row.group as usize;
                own_below[group] += std::mem::take(&mut own_level[group]);
            }
            negatives_below += negatives;
            positives_below += level_positives;
        }
        tally
    }

    /// The figures of the group, and those of all other rows.
    pub fn of_group(&self, group: u32) -> (Point, Point) {
        let at = group as usize;
        let (own, rest) = (self.counts[at], rest_of(self.all, self.counts[at]));
        let auc = |counts: Counts, won: u64| {
            let pairs = (counts.tp + counts.fn_) * (counts.tn + counts.fp);
            (pairs > 0).then(|| won as f64 / (2 * pairs) as f64)
        };
        // All pairs without those that have a row of the group. Pairs within the group are subtracted twice, so they
        // are added once.
        let rest_won = self.all_won + self.own_won[at] - self.positive_won[at] - self.negative_won[at];
        (Point { counts: own, auc: auc(own, self.own_won[at]) }, Point { counts: rest, auc: auc(rest, rest_won) })
    }
}
