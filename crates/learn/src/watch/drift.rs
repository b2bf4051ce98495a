//! Compares a window with the reference.

use super::cells::Cells;
use super::correction::benjamini_hochberg;
use super::domain_classifier::domain_auc;
use super::feature_reference::{Compared, FeatureReference};
use super::level::level;
use super::measure::{Measured, ascending, measure};
use super::permutation::{PValues, Sides, p_values};
use super::reference::{Reference, Tested};
use super::rows::WatchedRows;
use super::units::Units;
use crate::error::LearnError;
use provost_domain::watch::{Drift, FeatureDrift, MissingDrift, PROBABILITY};
use provost_predict::control::Control;
use rayon::prelude::*;

/// Most rows of a window that p-values and the domain classifier are computed on.
const TESTED_ROWS: usize = 5_000;
/// With fewer applicants on a side there are no p-values and no domain classifier: so few are not a window.
const LEAST_UNITS: usize = 10;
const SAMPLE_STREAM: u64 = 0x7769_6e64;
const PERMUTATION_STREAM: u64 = 0x7065_726d;
const DOMAIN_STREAM: u64 = 0x646f_6d61;

/// A feature before its p-values are known.
struct Observed {
    measured: Measured,
    rows: u64,
    missing: u64,
}

impl Observed {
    fn missing_share(&self) -> f64 {
        share(self.missing, self.rows)
    }
    /// The absolute change of the share of missing values.
    fn missing_effect(&self, feature: &FeatureReference) -> f64 {
        let both = feature.rows > 0 && self.rows > 0;
        if both { (self.missing_share() - share(feature.missing, feature.rows)).abs() } else { 0.0 }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Reference {
    /// Compares the rows of a window with the reference: statistics and effects of all rows, p-values and the domain
    /// classifier of a sample of at most 5,000 rows, and 20,000 of the reference, by whole applicants. A window without
    /// rows, or with fewer than ten applicants, has no p-values, and so no feature that is `over`. Features of the
    /// window that the reference does not have are left out; features that the window does not have are missing in each
    /// of its rows. The same rows and seed give the same answer at any number of threads.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn compare(&self, window: &WatchedRows, seed: u64, control: &Control) -> Result<Drift, LearnError> {
        let tested = self.tested_rows(window, seed);
        let drift = self.by_feature(window, &tested, seed, control)?;
        let named: Vec<(usize, &str)> = self.columns().collect();
        let domain_auc = if self.has_enough(&tested) {
            domain_auc(&named, &self.tested, &tested, seed ^ DOMAIN_STREAM, control)?
        } else {
            None
        };
        Ok(Drift { domain_auc, ..drift })
    }

    /// As `compare`, without the domain classifier, which takes most of the time for a small window and has no part in
    /// alarms.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn compare_features(&self, window: &WatchedRows, seed: u64, control: &Control) -> Result<Drift, LearnError> {
        self.by_feature(window, &self.tested_rows(window, seed), seed, control)
    }

    fn tested_rows(&self, window: &WatchedRows, seed: u64) -> Tested {
        let units = Units::sampled(window.applicants(), TESTED_ROWS, seed ^ SAMPLE_STREAM);
        Tested::of(self.features.iter().map(|f| &f.compared), window, units)
    }

    fn has_enough(&self, tested: &Tested) -> bool {
        tested.ends.len().min(self.tested.ends.len()) >= LEAST_UNITS
    }

    fn by_feature(
        &self,
        window: &WatchedRows,
        tested: &Tested,
        seed: u64,
        control: &Control,
    ) -> Result<Drift, LearnError> {
        let observe = |feature: &FeatureReference| -> Result<Observed, LearnError> {
            control.check()?;
            let all = feature.compared.values(window);
            let values = ascending(all.iter().copied());
            let rows = if feature.compared.is_feature() { all.len() } else { values.len() };
            let measured = measure(feature.compared.test, &feature.values, &values, feature.deviation);
            Ok(Observed { measured, rows: rows as u64, missing: (rows - values.len()) as u64 })
        };
        let observed = self.features.par_iter().map(observe).collect::<Result<Vec<_>, _>>()?;
        let enough = self.has_enough(tested);
        let level = level(self.tested.ends.len(), tested.ends.len());
        let p = if enough {
            self.permuted(tested, &observed, level, seed ^ PERMUTATION_STREAM, control)?
        } else {
            vec![PValues::default(); self.features.len()]
        };
        let probability = self.features.iter().position(|f| f.compared.name == PROBABILITY && !f.compared.is_feature());
        let predictions_moved = probability.and_then(|at| observed.get(at)).and_then(|o| o.measured.statistic);
        Ok(Drift {
            rows: window.rows() as u64,
            rows_tested: if enough { tested.applicants.len() as u64 } else { 0 },
            reference_rows_tested: if enough { self.tested.applicants.len() as u64 } else { 0 },
            permutations: p.iter().map(|p| p.permutations).max().unwrap_or(0),
            level,
            domain_auc: None,
            predictions_moved,
            features: self.features(&observed, &p, level),
            not_compared: self.not_compared.clone(),
        })
    }

    /// Place and name of the features of the rows, without those of the predictions.
    fn columns(&self) -> impl Iterator<Item = (usize, &str)> {
        let features = self.features.iter().enumerate().filter(|(_, f)| f.compared.is_feature());
        features.map(|(at, f)| (at, f.compared.name.as_str()))
    }

    fn permuted(
        &self,
        window: &Tested,
        observed: &[Observed],
        level: f64,
        seed: u64,
        control: &Control,
    ) -> Result<Vec<PValues>, LearnError> {
        // Permutations count the smaller side.
        let (first, second) = if window.applicants.len() <= self.tested.applicants.len() {
            (window, &self.tested)
        } else {
            (&self.tested, window)
        };
        let rows = first.applicants.len();
        let code = |(at, feature): (usize, &FeatureReference)| -> Result<Cells, LearnError> {
            control.check()?;
            let Compared { test, .. } = feature.compared;
            let values = [first.columns[at].as_slice(), second.columns[at].as_slice()].concat();
            Ok(Cells::new(test, &values, rows, feature.compared.is_feature()))
        };
        let features = self.features.par_iter().enumerate().map(code).collect::<Result<Vec<_>, _>>()?;
        let after = second.ends.iter().map(|end| end + rows as u32);
        let ends: Vec<u32> = first.ends.iter().copied().chain(after).collect();
        let above = |(feature, observed): (&FeatureReference, &Observed)| {
            let by_values = observed.measured.effect.is_some_and(|effect| effect > feature.floor);
            [by_values, observed.missing_effect(feature) > feature.missing_floor]
        };
        let matter: Vec<[bool; 2]> = self.features.iter().zip(observed).map(above).collect();
        let sides = Sides { features: &features, matter: &matter, ends: &ends, smaller: first.ends.len() };
        p_values(&sides, level, seed, control)
    }

    /// The result for each feature. A feature is `over` where q is at most the level and the effect is above its floor.
    fn features(&self, observed: &[Observed], p: &[PValues], level: f64) -> Vec<FeatureDrift> {
        let tested: Vec<f64> = p.iter().flat_map(|p| p.values.into_iter().chain(p.missing)).collect();
        let mut q = benjamini_hochberg(&tested).into_iter();
        let mut corrected = |p: Option<f64>| p.and_then(|_| q.next());
        let over = |q: Option<f64>, effect: f64, floor: f64| q.is_some_and(|q| q <= level) && effect > floor;
        let one = |((feature, observed), p): ((&FeatureReference, &Observed), &PValues)| {
            let (q, missing_q) = (corrected(p.values), corrected(p.missing));
            let effect = observed.missing_effect(feature);
            let Measured { statistic, effect: of_values, new_categories } = observed.measured;
            FeatureDrift {
                feature: feature.compared.name.clone(),
                test: feature.compared.test,
                statistic,
                effect: of_values,
                floor: feature.floor,
                p: p.values,
                q,
                missing: MissingDrift {
                    reference: share(feature.missing, feature.rows),
                    window: observed.missing_share(),
                    effect,
                    floor: feature.missing_floor,
                    p: p.missing,
                    q: missing_q,
                    over: over(missing_q, effect, feature.missing_floor),
                    alarm: false,
                },
                new_categories,
                over: over(q, of_values.unwrap_or(0.0), feature.floor),
                alarm: false,
            }
        };
        self.features.iter().zip(observed).zip(p).map(one).collect()
    }
}
