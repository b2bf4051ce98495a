//! The allowed range of each setting of the features. The comments of config/default.toml give the same ranges.

use super::FeatureTables;
use super::tables::Range;
use crate::check::{Fault, Faults};

/// The highest score that any scale may have; the lowest is 0.
const HIGHEST_SCORE: f64 = 10_000.0;
const MOST_POINTS: usize = 1000;

impl FeatureTables {
    /// Checks every number of the configured tables, so that each feature is finite and on its scale.
    ///
    /// # Errors
    /// One fault per setting that is out of its range.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Vec::new();
        let mut fault = |name: &str, message: String| {
            faults.push(Fault {
                pointer: format!("/{}", name.replace('.', "/")),
                message: format!("`{name}` {message}"),
            });
        };
        for (name, points) in [
            ("gre", &self.gre.0),
            ("gre_old_verbal", &self.gre_old_verbal.0),
            ("gre_old_quant", &self.gre_old_quant.0),
            ("gmat", &self.gmat.0),
            ("toefl", &self.toefl.0),
            ("ielts", &self.ielts.0),
        ] {
            let sound = is_rising(points, HIGHEST_SCORE, 100.0) && points.windows(2).all(|w| w[0][1] <= w[1][1]);
            if !sound {
                let allowed = "scores from 0 to 10000 in rising order, percentiles from 0 to 100, not falling";
                fault(name, format!("is {}; one to {MOST_POINTS} points are allowed: {allowed}", shown(points)));
            }
        }
        if !is_rising(&self.prestige.steps, self.plausible.ranking, 1.0) {
            let allowed = "rankings up to `plausible.ranking` in rising order, each with a prestige from 0 to 1";
            let found = shown(&self.prestige.steps);
            fault("prestige.steps", format!("is {found}; one to {MOST_POINTS} steps are allowed: {allowed}"));
        }
        for (name, value, low, high) in self.numbers() {
            if !(value >= low && value <= high) {
                fault(name, format!("is {value}; a number from {low} to {high} is allowed"));
            }
        }
        let p = &self.professional;
        let all = p.work + p.relevant + p.internships;
        if all > 1.0 + 1e-9 {
            fault(
                "professional",
                format!("has weights work, relevant and internships of together {all}; up to 1 is allowed"),
            );
        }
        let s = &self.scales;
        for (name, Range { low, high }) in [
            ("scales.gre_section", s.gre_section),
            ("scales.gre_old_section", s.gre_old_section),
            ("scales.gmat", s.gmat),
            ("scales.toefl_paper", s.toefl_paper),
            ("scales.ielts", s.ielts),
        ] {
            if !(low >= 0.0 && low < high && high <= HIGHEST_SCORE) {
                let found = format!("has low {low} and high {high}");
                fault(name, format!("{found}; low from 0, high above it, up to {HIGHEST_SCORE}, is allowed"));
            }
        }
        if s.toefl_computer_max <= s.toefl_internet_max {
            let message = format!(
                "is {}; a number above `scales.toefl_internet_max` ({}) is allowed",
                s.toefl_computer_max, s.toefl_internet_max
            );
            fault("scales.toefl_computer_max", message);
        }
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }

    /// Name, value, lowest and highest allowed value of every single number.
    fn numbers(&self) -> Vec<(&'static str, f64, f64, f64)> {
        let Self { scales, plausible, prestige, research, professional, extracurricular, competitiveness, .. } = self;
        // Weights and maxima, as shares of a score from 0 to 1.
        let shares = [
            ("prestige.beyond", prestige.beyond),
            ("prestige.unranked", prestige.unranked),
            ("research.publication", research.publication),
            ("research.publications_max", research.publications_max),
            ("research.conference_paper", research.conference_paper),
            ("research.conference_papers_max", research.conference_papers_max),
            ("research.patent", research.patent),
            ("research.patents_max", research.patents_max),
            ("professional.work", professional.work),
            ("professional.relevant", professional.relevant),
            ("professional.internships", professional.internships),
            ("professional.internship", professional.internship),
            ("professional.internships_max", professional.internships_max),
            ("extracurricular.leadership", extracurricular.leadership),
            ("extracurricular.leadership_max", extracurricular.leadership_max),
            ("extracurricular.award", extracurricular.award),
            ("extracurricular.awards_max", extracurricular.awards_max),
            ("extracurricular.certification", extracurricular.certification),
            ("extracurricular.certifications_max", extracurricular.certifications_max),
            ("extracurricular.volunteer_max", extracurricular.volunteer_max),
            ("competitiveness.unknown", competitiveness.unknown),
            ("competitiveness.ranking_share", competitiveness.ranking_share),
        ];
        // Numbers that are divisors, which must be at least 1, and other bounds.
        let others = [
            ("scales.gpa_scale_max", scales.gpa_scale_max, 1.0, 1000.0),
            ("scales.toefl_internet_max", scales.toefl_internet_max, 1.0, HIGHEST_SCORE),
            ("scales.toefl_computer_max", scales.toefl_computer_max, 1.0, HIGHEST_SCORE),
            ("plausible.count", plausible.count, 1.0, 1e6),
            ("plausible.months", plausible.months, 1.0, 12_000.0),
            ("plausible.hours", plausible.hours, 1.0, 1e7),
            ("plausible.ranking", plausible.ranking, 1.0, 1e7),
            ("professional.work_full_months", professional.work_full_months, 1.0, 1200.0),
            ("professional.relevant_full_months", professional.relevant_full_months, 1.0, 1200.0),
            ("extracurricular.volunteer_hours", extracurricular.volunteer_hours, 1.0, 200_000.0),
        ];
        shares.into_iter().map(|(name, value)| (name, value, 0.0, 1.0)).chain(others).collect()
    }
}

fn is_rising(points: &[[f64; 2]], highest: f64, most: f64) -> bool {
    (1..=MOST_POINTS).contains(&points.len())
        && points.iter().all(|[x, y]| (0.0..=highest).contains(x) && (0.0..=most).contains(y))
        && points.windows(2).all(|w| w[0][0] < w[1][0])
}

fn shown(points: &[[f64; 2]]) -> String {
    crate::fields::shown(&serde_json::json!(points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(FeatureTables::default().check(), Ok(()));
    }

    #[test]
    fn every_number_has_a_range() {
        let tables = FeatureTables::default();
        let document = serde_json::to_value(&tables).unwrap_or_default();
        let mut checked = 0;
        // Each number of the tables, one at a time, far out of its range.
        for (pointer, value) in leaves("", &document) {
            for wrong in [-5.0, 1e9, value - 1e9] {
                let mut changed = document.clone();
                if let Some(place) = changed.pointer_mut(&pointer) {
                    *place = wrong.into();
                }
                let read: FeatureTables = crate::json::from_value(changed).unwrap_or_else(|e| panic!("{pointer}: {e}"));
                let faults = read.check().err().unwrap_or_else(|| panic!("{pointer} = {wrong} was taken"));
                let named = |f: &Fault| pointer.starts_with(&f.pointer) || f.pointer.ends_with("steps");
                assert!(faults.0.iter().any(named), "{pointer} = {wrong}: {faults}");
                for fault in faults.0.iter().filter(|f| f.pointer == pointer) {
                    let Some((_, range)) = fault.message.split_once("a number from ") else { continue };
                    let (low, high) = range.split_once(" to ").unwrap_or_default();
                    let high = high.split(' ').next().unwrap_or_default();
                    let [low, high] = [low, high].map(|end| end.parse().unwrap_or(f64::NAN));
                    assert!(low <= high && !(low..=high).contains(&wrong), "{fault}");
                }
                checked += 1;
            }
        }
        assert!(checked > 200, "{checked}");
        for wrong in [f64::NAN, f64::INFINITY] {
            let mut read = FeatureTables::default();
            read.prestige.beyond = wrong;
            read.scales.gmat.high = wrong;
            assert_eq!(read.check().err().map(|f| f.0.len()), Some(2));
        }
    }

    fn leaves(at: &str, value: &serde_json::Value) -> Vec<(String, f64)> {
        match value {
            serde_json::Value::Object(map) => map.iter().flat_map(|(k, v)| leaves(&format!("{at}/{k}"), v)).collect(),
            serde_json::Value::Array(list) => {
                list.iter().enumerate().flat_map(|(i, v)| leaves(&format!("{at}/{i}"), v)).collect()
            }
            other => vec![(at.to_owned(), other.as_f64().unwrap_or_default())],
        }
    }
}
