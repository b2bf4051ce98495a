//! Synthetic data points drawn from a documented model with known truth, so that a learner can be compared with the
//! Bayes-optimal AUC.
//!
//! # The generating model
//!
//! Row i depends on the seed and on i alone. Five rows belong to three applicants (one, two and two applications).
//!
//! * **Applicant.** A latent ability a ~ N(0, 1). GPA, GRE sections, GMAT, TOEFL or IELTS and the counts (papers,
//!   months, positions ...) are noisy functions of a, on real scales: GPA on 4 (70 %), 10 (20 %) or 100 (10 %), integer
//!   scores. 45 % are international and have an English test. At random, 3 % of the GPAs, 12 % of the GRE and GMAT
//!   results and 15 % of the rankings of the undergraduate university are missing.
//! * **Program.** One of 40 universities with 5 programs each; a selectivity in (0, 1) gives the acceptance rate, the
//!   ranking (missing for a tenth) and the averages. MBA programs take the GMAT (a quarter of the applicants have the
//!   GRE too), the others the GRE. Better applicants apply to more selective programs, with noise. A program's values
//!   never change.
//! * **Decision.** The twelve features of the finished point, as `FeatureTables::default().row` computes them, give
//!   P(accepted) = 1 / (1 + exp(−η)) with the η below. The term of a missing feature is 0. Two terms have a bend: above
//!   0.9 the slope of the GPA is halved, and below the percentile 30 the quantitative score has no further effect. 4 %
//!   of the decisions are not outcomes yet (waitlisted, deferred, withdrawn), whatever the features.
//!
//! ```text
//! η / 0.72 = −0.55 + 7·(gpa − 0.8) + 1.6·(verbal − 55)/50 + 2·(quant − 55)/50 + 2.2·(gmat − 55)/50
//!          + 0.9·(english − 60)/50 + 2·research·(0.6 + 0.8·competitiveness) + 1.2·professional + 0.8·extracurricular
//!          + 2·(prestige − 0.6) − 5.5·(competitiveness − 0.55) + 1.2·gpa_vs_avg + 1.5·test_score_vs_avg
//! ```
//!
//! The true probability is thus a function of the twelve features: mostly additive, with one interaction and two bends.
//! No learner on these features can rank better than this probability on average; a good learner comes near.

use crate::features::FeatureTables;
use crate::record::{AdmissionDataPoint, Cycle, Decision, DegreeLevel, Profile, Program, TestScore, TestType};
use crate::rng::SplitMix64;
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::BTreeMap;

/// The last application year. The five years before it are drawn, too; later years are more frequent.
pub const REFERENCE_YEAR: i32 = 2026;
const UNIVERSITIES: u32 = 40;

/// One drawn point and the true probability of acceptance behind its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The point.
    pub point: AdmissionDataPoint,
    /// The probability of acceptance that its outcome was drawn with.
    pub probability: f64,
}

/// `rows` points; the same seed gives the same points, and the first n of a longer sample are the n-row sample.
pub fn draw(rows: usize, seed: u64) -> impl Iterator<Item = Drawn> {
    let tables = FeatureTables::default();
    (0..rows as u64).map(move |row| draw_row(row, seed, &tables))
}

/// AUC of the best possible ranking (by the true probabilities) on these labels: the share of (1, 0) pairs in order,
/// ties counted half. NaN with one class. O(n log n).
pub fn bayes_auc(drawn: &[(f64, u8)]) -> f64 {
    let mut sorted = drawn.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut twice) = (0u128, 0u128);
    let mut positives = 0u128;
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let ones = tied.iter().filter(|(_, y)| *y == 1).count() as u128;
        let zeros = tied.len() as u128 - ones;
        twice += ones * (2 * below + zeros);
        below += zeros;
        positives += ones;
    }
    twice as f64 / (2 * positives * below) as f64
}

/// Keys of the streams of random numbers; each part has its own, so that no draw depends on another part.
const APPLICANT: u64 = 1;
const APPLICATION: u64 = 2;
const UNIVERSITY: u64 = 3;

fn draw_row(row: u64, seed: u64, tables: &FeatureTables) -> Drawn {
    let applicant = row / 5 * 3 + [0, 1, 1, 2, 2][(row % 5) as usize];
    let mut r = SplitMix64::keyed(seed, &[APPLICATION, row]);
    let ability = SplitMix64::keyed(seed, &[APPLICANT, applicant]).normal();
    let ambition = sigmoid(0.9 * ability + 1.1 * r.normal());
    let reach = (ambition * f64::from(UNIVERSITIES)) as u32;
    let university = reach.min(UNIVERSITIES - 1);
    // Both applications of one person go to the same kind of program, so that one profile serves both.
    let field = SplitMix64::keyed(seed, &[APPLICANT, applicant, 1]).below(5);
    let program = program(university, field, seed);
    let profile = profile(ability, program.degree_level == Some(DegreeLevel::Mba), applicant, seed);

    let u = r.unit();
    let year = REFERENCE_YEAR - [0.30, 0.56, 0.75, 0.87, 0.95].iter().filter(|c| u >= **c).count() as i32;
    let cycle = [Cycle::Fall, Cycle::Fall, Cycle::Fall, Cycle::Spring, Cycle::Summer][r.below(5) as usize];
    let mut point = AdmissionDataPoint {
        data_point_id: format!("sample-{seed}-{row:07}"),
        profile,
        program,
        decision: Decision::Rejected,
        decision_date: NaiveDate::from_ymd_opt(year, 1 + r.below(5), 1 + r.below(28)),
        application_year: Some(year),
        application_cycle: Some(cycle),
        scholarship_amount: None,
        assistantship_offered: None,
        verified: r.unit() < 0.97,
        source: Some("sample".to_owned()),
        created_at: DateTime::<Utc>::from_timestamp(1_600_000_000, 0),
        updated_at: None,
        applicant_id: Some(format!("sample-{seed}-applicant-{applicant:07}")),
        seq: 0,
        attributes: BTreeMap::new(),
    };
    let probability = sigmoid(score(&tables.row(&point).values));
    point.decision = if r.unit() < 0.04 {
        [Decision::Waitlisted, Decision::Deferred, Decision::Withdrawn][r.below(3) as usize]
    } else if r.unit() < probability {
        Decision::Accepted
    } else {
        Decision::Rejected
    };
    Drawn { point, probability }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The linear predictor η of the module's documentation.
fn score(features: &[f32; 12]) -> f64 {
    let x = features.map(f64::from);
    let term = |value: f64| if value.is_nan() { 0.0 } else { value };
    let gpa = x[0] - 0.8 - 0.5 * (x[0] - 0.9).max(0.0);
    let quant = if x[2].is_nan() { 0.0 } else { (x[2].max(30.0) - 55.0) / 50.0 };
    let sum = -0.55
        + 7.0 * term(gpa)
        + 1.6 * term((x[1] - 55.0) / 50.0)
        + 2.0 * quant
        + 2.2 * term((x[3] - 55.0) / 50.0)
        + 0.9 * term((x[4] - 60.0) / 50.0)
        + 2.0 * x[5] * (0.6 + 0.8 * x[9])
        + 1.2 * x[6]
        + 0.8 * x[7]
        + 2.0 * (x[8] - 0.6)
        - 5.5 * (x[9] - 0.55)
        + 1.2 * x[10]
        + 1.5 * x[11];
    0.72 * sum
}

/// Field of study, degree and whether it is STEM.
const FIELDS: [(&str, &str, DegreeLevel, bool); 5] = [
    ("Computer Science", "Engineering", DegreeLevel::Masters, true),
    ("Data Science", "Engineering", DegreeLevel::Masters, true),
    ("Business Administration", "Management", DegreeLevel::Mba, false),
    ("Biology", "Natural Sciences", DegreeLevel::Phd, true),
    ("Public Policy", "Social Sciences", DegreeLevel::Masters, false),
];
const PLACES: [&str; 8] =
    ["Ashford", "Brookhaven", "Carrington", "Dunmore", "Eastvale", "Fairmont", "Glenrock", "Harwick"];
const KINDS: [&str; 5] =
    ["University of", "Institute of Technology at", "State University of", "College of", "Polytechnic of"];

fn round(x: f64, digits: i32) -> f64 {
    let unit = 10f64.powi(digits);
    (x * unit).round() / unit
}

/// The program of a university and a field. Selectivity rises with `university`.
fn program(university: u32, field: u32, seed: u64) -> Program {
    let mut u = SplitMix64::keyed(seed, &[UNIVERSITY, university.into()]);
    let selectivity = (f64::from(university) + u.unit()) / f64::from(UNIVERSITIES);
    let ranked = u.unit() < 0.9;
    let ranking = (1.0 + 900.0 * (1.0 - selectivity).powi(2) * (0.7 + 0.6 * u.unit())).floor();
    let mut f = SplitMix64::keyed(seed, &[UNIVERSITY, university.into(), 1 + u64::from(field)]);
    let (name, department, degree, stem) = FIELDS[field as usize];
    let rate = (0.85 - 0.75 * selectivity + 0.06 * f.normal()).clamp(0.04, 0.95);
    let mba = degree == DegreeLevel::Mba;
    let place = PLACES[(university % 8) as usize];
    Program {
        university_name: Some(format!("{} {place}", KINDS[(university / 8) as usize])),
        university_ranking: ranked.then_some(ranking),
        program_name: Some(name.to_owned()),
        degree_level: Some(degree),
        department: Some(department.to_owned()),
        specialization: None,
        acceptance_rate: Some(round(rate, 3)),
        average_gpa: (f.unit() < 0.85).then(|| round(3.0 + 0.75 * selectivity + 0.05 * f.normal(), 2).min(4.0)),
        gre_verbal_avg: (!mba).then(|| round(149.0 + 12.0 * selectivity + f.normal(), 1)),
        gre_quant_avg: (!mba && f.unit() < 0.85).then(|| round(152.0 + 13.0 * selectivity + f.normal(), 1)),
        gmat_avg: mba.then(|| round(600.0 + 110.0 * selectivity + 8.0 * f.normal(), 0)),
        is_stem: Some(stem),
        has_funding: Some(f.unit() < 0.4),
        application_deadline: None,
    }
}

fn profile(ability: f64, mba: bool, applicant: u64, seed: u64) -> Profile {
    let mut r = SplitMix64::keyed(seed, &[APPLICANT, applicant, 2]);
    let u = r.unit();
    let (gpa_scale, digits) = if u < 0.7 {
        (4.0, 2)
    } else if u < 0.9 {
        (10.0, 2)
    } else {
        (100.0, 1)
    };
    let gpa = round(gpa_scale * (0.82 + 0.07 * ability + 0.06 * r.normal()).clamp(0.4, 1.0), digits);
    let has_gpa = r.unit() >= 0.03;
    let ranking = (10f64.powf(2.1 - 0.35 * ability + 0.5 * r.normal())).clamp(1.0, 1500.0).floor();
    let ranked = r.unit() >= 0.15;
    let international = r.unit() < 0.45;
    let mut count = |mean: f64, by_ability: f64| {
        let rate = mean * (by_ability * ability - 0.5 * by_ability * by_ability).exp();
        poisson(&mut r, rate)
    };
    let research_publications = Some(count(0.7, 0.6));
    let conference_papers = Some(count(0.5, 0.5));
    let patents = Some(count(0.05, 0.4));
    let internships_count = Some(count(1.0, 0.2));
    let academic_awards = Some(count(0.6, 0.4));
    let professional_certifications = Some(count(0.5, 0.1));
    let leadership_positions = Some(count(0.7, 0.2));
    let volunteer_hours = Some((30.0 * r.normal().abs() * (1.0 + r.unit())).round());
    let work = ((if mba { 48.0 } else { 14.0 }) * -(1.0 - r.unit()).ln()).min(240.0).round();
    let relevant = (work * r.unit()).round();
    Profile {
        gpa: has_gpa.then_some(gpa),
        gpa_scale,
        undergraduate_university_ranking: ranked.then_some(ranking),
        test_scores: test_scores(ability, mba, international, &mut r),
        research_publications,
        conference_papers,
        patents,
        work_experience_months: Some(work),
        relevant_work_experience_months: Some(relevant),
        internships_count,
        academic_awards,
        professional_certifications,
        leadership_positions,
        volunteer_hours,
        nationality: Some(if international { "international" } else { "domestic" }.to_owned()),
        ..Profile::default()
    }
}

fn test_scores(ability: f64, mba: bool, international: bool, r: &mut SplitMix64) -> Vec<TestScore> {
    let (gre, gmat) = (r.unit(), r.unit());
    let day = NaiveDate::from_ymd_opt(2019, 1 + r.below(12), 1 + r.below(28));
    let blank = |kind| TestScore {
        test_type: kind,
        total_score: None,
        verbal_score: None,
        quantitative_score: None,
        analytical_score: None,
        date_taken: day,
    };
    let mut tests = Vec::with_capacity(2);
    let verbal = (153.5 + 4.5 * ability + 4.0 * r.normal()).round().clamp(130.0, 170.0);
    let quant = (157.0 + 5.0 * ability + 4.0 * r.normal()).round().clamp(130.0, 170.0);
    let writing = ((7.0 + 1.0 * ability + r.normal()).round() / 2.0).clamp(0.0, 6.0);
    if gre < if mba { 0.25 } else { 0.88 } {
        tests.push(TestScore {
            total_score: Some(verbal + quant),
            verbal_score: Some(verbal),
            quantitative_score: Some(quant),
            analytical_score: Some(writing),
            ..blank(TestType::Gre)
        });
    }
    let total = ((63.5 + 3.5 * ability + 2.5 * r.normal()).round() * 10.0).clamp(400.0, 800.0);
    if mba && gmat < 0.88 {
        tests.push(TestScore { total_score: Some(total), ..blank(TestType::Gmat) });
    }
    let toefl = (96.0 + 7.0 * ability + 8.0 * r.normal()).round().clamp(40.0, 120.0);
    let ielts = ((13.8 + 0.8 * ability + r.normal()).round() / 2.0).clamp(3.0, 9.0);
    if international {
        let (kind, score) = if r.unit() < 0.7 { (TestType::Toefl, toefl) } else { (TestType::Ielts, ielts) };
        tests.push(TestScore { total_score: Some(score), ..blank(kind) });
    }
    tests
}

/// A Poisson number by Knuth's product method, which is fast for the small rates here.
fn poisson(r: &mut SplitMix64, rate: f64) -> f64 {
    let limit = (-rate).exp();
    let (mut n, mut product) = (0.0, r.unit());
    while product > limit && n < 50.0 {
        n += 1.0;
        product *= r.unit();
    }
    n
}

#[cfg(test)]
mod tests;
