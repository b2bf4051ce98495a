//! Percentile anchors, scales and weights of the features, as configuration. The defaults are the contract's.

use serde::{Deserialize, Serialize};

/// A piecewise linear function through (score, percentile) points in rising order of score, flat beyond its ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Anchors(pub Vec<[f64; 2]>);

impl Anchors {
    /// The percentile of a score, linear between anchors.
    pub fn at(&self, score: f64) -> f64 {
        let points = &self.0;
        let above = points.iter().position(|[x, _]| score < *x).unwrap_or(points.len());
        match above {
            0 => points.first().map_or(f64::NAN, |p| p[1]),
            n if n == points.len() => points[n - 1][1],
            n => {
                let ([x0, y0], [x1, y1]) = (points[n - 1], points[n]);
                y0 + (y1 - y0) * (score - x0) / (x1 - x0)
            }
        }
    }
}

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Range {
    pub(super) fn contains(&self, x: f64) -> bool {
        x >= self.low && x <= self.high
    }
}

/// The scales on which a score can be read. A score that fits none of them is impossible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scales {
    /// The greatest scale of a grade point average.
    pub gpa_scale_max: f64,
    /// Score of a GRE section since August 2011.
    pub gre_section: Range,
    /// Score of a GRE section before August 2011.
    pub gre_old_section: Range,
    /// Total score of the GMAT.
    pub gmat: Range,
    /// Highest total of the TOEFL internet test.
    pub toefl_internet_max: f64,
    /// Highest total of the TOEFL computer test. Totals above the maximum of the internet test are read as of the
    /// computer test and scaled in proportion.
    pub toefl_computer_max: f64,
    /// Total of the TOEFL paper test, mapped linearly to 0 to the maximum of the internet test.
    pub toefl_paper: Range,
    /// Band score of the IELTS.
    pub ielts: Range,
}

impl Default for Scales {
    fn default() -> Self {
        Self {
            gpa_scale_max: 100.0,
            gre_section: Range { low: 130.0, high: 170.0 },
            gre_old_section: Range { low: 200.0, high: 800.0 },
            gmat: Range { low: 200.0, high: 805.0 },
            toefl_internet_max: 120.0,
            toefl_computer_max: 300.0,
            toefl_paper: Range { low: 310.0, high: 677.0 },
            ielts: Range { low: 0.0, high: 9.0 },
        }
    }
}

/// The greatest plausible values. A greater value is read as missing and counted as an outlier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plausible {
    /// Publications, awards, positions and the like.
    pub count: f64,
    /// Months of work.
    pub months: f64,
    /// Hours of volunteer work.
    pub hours: f64,
    /// Ranking of a university.
    pub ranking: f64,
}

impl Default for Plausible {
    fn default() -> Self {
        Self { count: 10_000.0, months: 1_200.0, hours: 200_000.0, ranking: 100_000.0 }
    }
}

/// A university's prestige by its ranking: the first step whose limit is not exceeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrestigeSteps {
    /// Pairs of the last ranking of a step and its prestige, 0 to 1, in rising order of ranking.
    pub steps: Vec<[f64; 2]>,
    /// Prestige of a university ranked below the last step.
    pub beyond: f64,
    /// Prestige of a university without a ranking.
    pub unranked: f64,
}

impl PrestigeSteps {
    pub(super) fn of(&self, ranking: f64) -> f64 {
        self.steps.iter().find(|[limit, _]| ranking <= *limit).map_or(self.beyond, |[_, p]| *p)
    }
}

impl Default for PrestigeSteps {
    fn default() -> Self {
        Self {
            steps: vec![[10.0, 1.0], [50.0, 0.9], [100.0, 0.8], [200.0, 0.7], [500.0, 0.5]],
            beyond: 0.3,
            unranked: 0.5,
        }
    }
}

/// Points of the research score, which is at most 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResearchWeights {
    /// Points of a publication.
    pub publication: f64,
    /// Points of all publications, at most.
    pub publications_max: f64,
    /// Points of a conference paper.
    pub conference_paper: f64,
    /// Points of all conference papers, at most.
    pub conference_papers_max: f64,
    /// Points of a patent.
    pub patent: f64,
    /// Points of all patents, at most.
    pub patents_max: f64,
}

impl Default for ResearchWeights {
    fn default() -> Self {
        Self {
            publication: 0.2,
            publications_max: 1.0,
            conference_paper: 0.15,
            conference_papers_max: 0.5,
            patent: 0.25,
            patents_max: 0.5,
        }
    }
}

/// Points of the professional score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfessionalWeights {
    /// Points of `work_full_months` months of work.
    pub work: f64,
    /// Months of work that give all points.
    pub work_full_months: f64,
    /// Points of `relevant_full_months` months of relevant work.
    pub relevant: f64,
    /// Months of relevant work that give all points.
    pub relevant_full_months: f64,
    /// Weight of the internships.
    pub internships: f64,
    /// Points of one internship, before the weight.
    pub internship: f64,
    /// Points of all internships, at most, before the weight.
    pub internships_max: f64,
}

impl Default for ProfessionalWeights {
    fn default() -> Self {
        Self {
            work: 0.3,
            work_full_months: 60.0,
            relevant: 0.5,
            relevant_full_months: 48.0,
            internships: 0.2,
            internship: 0.2,
            internships_max: 0.4,
        }
    }
}

/// Points of the extracurricular score, which is at most 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtracurricularWeights {
    /// Points of a position of leadership.
    pub leadership: f64,
    /// Points of all positions of leadership, at most.
    pub leadership_max: f64,
    /// Points of an award.
    pub award: f64,
    /// Points of all awards, at most.
    pub awards_max: f64,
    /// Points of a certification.
    pub certification: f64,
    /// Points of all certifications, at most.
    pub certifications_max: f64,
    /// Hours of volunteer work that give 1 point, were it not for `volunteer_max`.
    pub volunteer_hours: f64,
    /// Points of volunteer work, at most.
    pub volunteer_max: f64,
}

impl Default for ExtracurricularWeights {
    fn default() -> Self {
        Self {
            leadership: 0.15,
            leadership_max: 0.4,
            award: 0.15,
            awards_max: 0.3,
            certification: 0.1,
            certifications_max: 0.3,
            volunteer_hours: 200.0,
            volunteer_max: 0.3,
        }
    }
}

/// How a program's competitiveness is made of its acceptance rate and its university's prestige.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompetitivenessWeights {
    /// Selectivity (1 − acceptance rate) of a program whose acceptance rate is unknown.
    pub unknown: f64,
    /// Weight of the university's prestige, where it is ranked; selectivity has the rest.
    pub ranking_share: f64,
}

impl Default for CompetitivenessWeights {
    fn default() -> Self {
        Self { unknown: 0.5, ranking_share: 0.3 }
    }
}

/// Percentile anchors and weights; the defaults are the contract's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureTables {
    /// GRE percentile at twice a section's score.
    pub gre: Anchors,
    /// Percentile of a GRE verbal section before August 2011.
    pub gre_old_verbal: Anchors,
    /// Percentile of a GRE quantitative section before August 2011.
    pub gre_old_quant: Anchors,
    /// GMAT percentile at the total score.
    pub gmat: Anchors,
    /// TOEFL percentile at the total score of the internet test.
    pub toefl: Anchors,
    /// IELTS percentile at the band score.
    pub ielts: Anchors,
    /// The scales of scores.
    pub scales: Scales,
    /// Greatest plausible counts.
    pub plausible: Plausible,
    /// Ranking to prestige.
    pub prestige: PrestigeSteps,
    /// The research score.
    pub research: ResearchWeights,
    /// The professional score.
    pub professional: ProfessionalWeights,
    /// The extracurricular score.
    pub extracurricular: ExtracurricularWeights,
    /// The program's competitiveness.
    pub competitiveness: CompetitivenessWeights,
}

/// The percentiles that GRE, GMAT, TOEFL and IELTS anchors share, from the lowest score up.
const PERCENTILES: [f64; 11] = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0];

fn anchors(scores: [f64; 11]) -> Anchors {
    Anchors(scores.into_iter().zip(PERCENTILES).map(|(s, p)| [s, p]).collect())
}

impl Default for FeatureTables {
    fn default() -> Self {
        Self {
            gre: anchors([290.0, 295.0, 300.0, 305.0, 310.0, 315.0, 320.0, 325.0, 330.0, 335.0, 340.0]),
            gre_old_verbal: Anchors(vec![
                [200.0, 0.0],
                [300.0, 4.0],
                [350.0, 14.0],
                [400.0, 29.0],
                [450.0, 44.0],
                [500.0, 61.0],
                [550.0, 74.0],
                [600.0, 85.0],
                [650.0, 92.0],
                [700.0, 97.0],
                [750.0, 99.0],
            ]),
            gre_old_quant: Anchors(vec![
                [200.0, 0.0],
                [300.0, 2.0],
                [400.0, 8.0],
                [500.0, 20.0],
                [550.0, 31.0],
                [600.0, 43.0],
                [650.0, 56.0],
                [700.0, 67.0],
                [750.0, 81.0],
                [780.0, 88.0],
                [800.0, 94.0],
            ]),
            gmat: anchors([560.0, 580.0, 600.0, 620.0, 640.0, 660.0, 680.0, 700.0, 720.0, 740.0, 760.0]),
            toefl: anchors([70.0, 75.0, 80.0, 85.0, 90.0, 95.0, 100.0, 105.0, 110.0, 115.0, 118.0]),
            ielts: anchors([4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 8.5, 9.0]),
            scales: Scales::default(),
            plausible: Plausible::default(),
            prestige: PrestigeSteps::default(),
            research: ResearchWeights::default(),
            professional: ProfessionalWeights::default(),
            extracurricular: ExtracurricularWeights::default(),
            competitiveness: CompetitivenessWeights::default(),
        }
    }
}
