//! The twelve features and their scale conversions. Tables and weights are configuration (`FeatureTables`).

mod extended;
mod impossible;
mod ranges;
mod tables;
#[cfg(test)]
mod tests;
mod titles;

use crate::record::{AdmissionDataPoint, Profile, Program, TestScore, TestType};
pub use extended::{CATEGORIES, CATEGORY_RULE, EXTENDED, YEAR, is_category, older_codes, tells_time};
pub use impossible::Impossible;
pub use tables::{
    Anchors, CompetitivenessWeights, ExtracurricularWeights, FeatureTables, Plausible, PrestigeSteps,
    ProfessionalWeights, ResearchWeights, Scales,
};
pub use titles::{title, title_within, unit};

/// The twelve features, in order.
pub const FEATURES: [&str; 12] = [
    "gpa_normalized",
    "gre_verbal_percentile",
    "gre_quant_percentile",
    "gmat_percentile",
    "english_proficiency",
    "research_score",
    "professional_score",
    "extracurricular_score",
    "undergrad_prestige",
    "program_competitiveness",
    "gpa_vs_avg",
    "test_score_vs_avg",
];

/// Whether a feature, base or extended, depends on the applicant alone, so that two applications of one person have the
/// same value.
pub fn is_of_applicant(feature: &str) -> bool {
    const OF_PROGRAM: [&str; 3] = ["program_competitiveness", "gpa_vs_avg", "test_score_vs_avg"];
    const EXTENDED_OF_APPLICANT: [&str; 5] =
        ["gpa_scale", "gre_writing", "undergraduate_ranking", "undergraduate_university", "undergraduate_major"];
    let base = FEATURES.contains(&feature) && !OF_PROGRAM.contains(&feature);
    base || EXTENDED_OF_APPLICANT.contains(&feature)
}

/// The features of one data point: NaN is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRow {
    /// The twelve features in the order of [`FEATURES`]; NaN is missing.
    pub values: [f32; 12],
    /// Bit i: feature i comes from data, not from a default (the 0 of an unknown program average, say).
    pub present: u16,
    /// Values that are impossible on every scale (read as missing, counted as outliers).
    pub outliers: u32,
}

impl FeatureRow {
    /// Whether the feature of this index comes from data, not from a default.
    pub fn is_present(&self, feature: usize) -> bool {
        self.present >> feature & 1 == 1
    }
}

/// Result of reading a value.
#[derive(Clone, Copy)]
enum Reading {
    Missing,
    Impossible,
    Value(f64),
}

/// Reads values one by one and counts the impossible ones.
struct Reader<'a> {
    tables: &'a FeatureTables,
    outliers: u32,
}

impl FeatureTables {
    /// The features of a point.
    pub fn row(&self, point: &AdmissionDataPoint) -> FeatureRow {
        let mut r = Reader { tables: self, outliers: 0 };
        let (profile, program) = (&point.profile, &point.program);
        let gpa = r.gpa(profile);
        let tests = &profile.test_scores;
        let verbal = r.test(tests, TestType::Gre, |t| t.verbal_score, |t, s| t.gre_section(s, &t.gre_old_verbal));
        let quant = r.test(tests, TestType::Gre, |t| t.quantitative_score, |t, s| t.gre_section(s, &t.gre_old_quant));
        let gmat = r.test(tests, TestType::Gmat, |t| t.total_score, FeatureTables::gmat_percentile);
        let toefl = r.test(tests, TestType::Toefl, |t| t.total_score, FeatureTables::toefl_percentile);
        let ielts = r.test(tests, TestType::Ielts, |t| t.total_score, FeatureTables::ielts_percentile);
        let research = r.research(profile);
        let professional = r.professional(profile);
        let extracurricular = r.extracurricular(profile);
        let undergraduate_rank = r.ranking(profile.undergraduate_university_ranking);
        let prestige = undergraduate_rank.map(|rank| self.prestige.of(rank));
        let competitiveness = r.competitiveness(program);
        let gpa_gap = r.average_gpa(program, profile.gpa_scale).and_then(|average| Some(gpa? * 4.0 - average));
        let quant_gap = r.quant_average(program).and_then(|average| Some((quant? - average) / 100.0));

        let or_nan = |x: Option<f64>| x.unwrap_or(f64::NAN);
        let cells = [
            (or_nan(gpa), gpa.is_some()),
            (or_nan(verbal), verbal.is_some()),
            (or_nan(quant), quant.is_some()),
            (or_nan(gmat), gmat.is_some()),
            (or_nan(toefl.or(ielts)), toefl.or(ielts).is_some()),
            research,
            professional,
            extracurricular,
            (prestige.unwrap_or(self.prestige.unranked), prestige.is_some()),
            competitiveness,
            (gpa_gap.unwrap_or(0.0), gpa_gap.is_some()),
            (quant_gap.unwrap_or(0.0), quant_gap.is_some()),
        ];
        let mut row = FeatureRow { values: [0.0; 12], present: 0, outliers: r.outliers };
        for (i, (value, present)) in cells.into_iter().enumerate() {
            row.values[i] = value as f32;
            row.present |= u16::from(present) << i;
        }
        row
    }

    /// Percentile of a GRE section score on today's scale (130 to 170) or on the scale until August 2011 (200 to 800).
    fn gre_section(&self, score: f64, old: &Anchors) -> Option<f64> {
        let s = &self.scales;
        if s.gre_section.contains(score) {
            Some(self.gre.at(2.0 * score))
        } else if s.gre_old_section.contains(score) {
            Some(old.at(score))
        } else {
            None
        }
    }

    fn gmat_percentile(&self, total: f64) -> Option<f64> {
        self.scales.gmat.contains(total).then(|| self.gmat.at(total))
    }

    /// Percentile of a TOEFL total. Totals up to 120 are of the internet test, above that up to 300 of the computer
    /// test, and from 310 to 677 of the paper test.
    fn toefl_percentile(&self, total: f64) -> Option<f64> {
        let s = &self.scales;
        let top = s.toefl_internet_max;
        let internet = if total <= top {
            total
        } else if total <= s.toefl_computer_max {
            total * (top / s.toefl_computer_max)
        } else if s.toefl_paper.contains(total) {
            (total - s.toefl_paper.low) / (s.toefl_paper.high - s.toefl_paper.low) * top
        } else {
            return None;
        };
        Some(self.toefl.at(internet))
    }

    fn ielts_percentile(&self, total: f64) -> Option<f64> {
        self.scales.ielts.contains(total).then(|| self.ielts.at(total))
    }
}

impl Reader<'_> {
    fn count(&mut self, reading: Reading) -> Option<f64> {
        match reading {
            Reading::Missing => None,
            Reading::Impossible => {
                self.outliers += 1;
                None
            }
            Reading::Value(x) => Some(x),
        }
    }

    /// Reads a number; one outside of `low` to `high` is impossible.
    fn within(&mut self, value: Option<f64>, low: f64, high: f64) -> Option<f64> {
        self.count(match value {
            None => Reading::Missing,
            Some(x) if x >= low && x <= high => Reading::Value(x),
            Some(_) => Reading::Impossible,
        })
    }

    /// GPA divided by its scale, above 0 to 1. A GPA of 0 means missing.
    fn gpa(&mut self, profile: &Profile) -> Option<f64> {
        let scale = profile.gpa_scale;
        self.count(match profile.gpa {
            None | Some(0.0) => Reading::Missing,
            Some(gpa) if self.tables.gpa_scale().contains(scale) && gpa > 0.0 && gpa <= scale => {
                Reading::Value(gpa / scale)
            }
            Some(_) => Reading::Impossible,
        })
    }

    /// The percentile of the latest readable result, or the highest of several on one day. Results with a date are
    /// preferred to results without.
    fn test(
        &mut self,
        tests: &[TestScore],
        kind: TestType,
        score: impl Fn(&TestScore) -> Option<f64>,
        percentile: impl Fn(&FeatureTables, f64) -> Option<f64>,
    ) -> Option<f64> {
        let mut best = None;
        for test in tests.iter().filter(|t| t.test_type == kind) {
            let Some(score) = score(test) else { continue };
            match percentile(self.tables, score) {
                None => self.outliers += 1,
                Some(p) => {
                    let candidate = (test.date_taken, p);
                    // `None` dates sort before all others.
                    if best.is_none_or(|b| candidate > b) {
                        best = Some(candidate);
                    }
                }
            }
        }
        best.map(|(_, p)| p)
    }

    fn research(&mut self, p: &Profile) -> (f64, bool) {
        let w = &self.tables.research;
        let max = self.tables.plausible.count;
        let publications = self.within(p.research_publications, 0.0, max);
        let papers = self.within(p.conference_papers, 0.0, max);
        let patents = self.within(p.patents, 0.0, max);
        let score = (w.publication * publications.unwrap_or(0.0)).min(w.publications_max)
            + (w.conference_paper * papers.unwrap_or(0.0)).min(w.conference_papers_max)
            + (w.patent * patents.unwrap_or(0.0)).min(w.patents_max);
        (score.min(1.0), publications.or(papers).or(patents).is_some())
    }

    fn professional(&mut self, p: &Profile) -> (f64, bool) {
        let w = &self.tables.professional;
        let Plausible { count, months, .. } = self.tables.plausible;
        let work = self.within(p.work_experience_months, 0.0, months);
        let relevant = self.within(p.relevant_work_experience_months, 0.0, months);
        let internships = self.within(p.internships_count, 0.0, count);
        let score = w.work * (work.unwrap_or(0.0) / w.work_full_months).min(1.0)
            + w.relevant * (relevant.unwrap_or(0.0) / w.relevant_full_months).min(1.0)
            + w.internships * (w.internship * internships.unwrap_or(0.0)).min(w.internships_max);
        (score, work.or(relevant).or(internships).is_some())
    }

    fn extracurricular(&mut self, p: &Profile) -> (f64, bool) {
        let w = &self.tables.extracurricular;
        let Plausible { count, hours, .. } = self.tables.plausible;
        let leadership = self.within(p.leadership_positions, 0.0, count);
        let awards = self.within(p.academic_awards, 0.0, count);
        let certifications = self.within(p.professional_certifications, 0.0, count);
        let volunteer = self.within(p.volunteer_hours, 0.0, hours);
        let score = (w.leadership * leadership.unwrap_or(0.0)).min(w.leadership_max)
            + (w.award * awards.unwrap_or(0.0)).min(w.awards_max)
            + (w.certification * certifications.unwrap_or(0.0)).min(w.certifications_max)
            + (volunteer.unwrap_or(0.0) / w.volunteer_hours).min(w.volunteer_max);
        (score.min(1.0), leadership.or(awards).or(certifications).or(volunteer).is_some())
    }

    fn ranking(&mut self, ranking: Option<f64>) -> Option<f64> {
        self.within(ranking, 1.0, self.tables.plausible.ranking)
    }

    fn competitiveness(&mut self, program: &Program) -> (f64, bool) {
        let w = &self.tables.competitiveness;
        let rate = self.within(program.acceptance_rate, 0.0, 1.0);
        let selective = rate.map_or(w.unknown, |r| 1.0 - r);
        match self.ranking(program.university_ranking) {
            None => (selective, rate.is_some()),
            Some(rank) => ((1.0 - w.ranking_share) * selective + w.ranking_share * self.tables.prestige.of(rank), true),
        }
    }

    /// The program's average GPA on the 4.0 scale. An average above 4 is taken to be on the applicant's own scale if it
    /// fits there.
    fn average_gpa(&mut self, program: &Program, scale: f64) -> Option<f64> {
        self.count(match program.average_gpa {
            None | Some(0.0) => Reading::Missing,
            Some(average) if average <= 4.0 => Reading::Value(average),
            Some(average) if average <= scale && scale <= self.tables.scales.gpa_scale_max => {
                Reading::Value(average / scale * 4.0)
            }
            Some(_) => Reading::Impossible,
        })
    }

    /// Percentile of the program's quantitative average.
    fn quant_average(&mut self, program: &Program) -> Option<f64> {
        let tables = self.tables;
        self.count(match program.gre_quant_avg {
            None => Reading::Missing,
            Some(s) => tables.gre_section(s, &tables.gre_old_quant).map_or(Reading::Impossible, Reading::Value),
        })
    }
}
