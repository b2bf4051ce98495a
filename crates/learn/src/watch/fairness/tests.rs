#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::few::{difference_interval, ratio_interval};
use super::figures::Share;
use super::*;
use provost_domain::rng::SplitMix64;
use serde_json::Value;

/// What Fairlearn, scikit-learn and statsmodels found: scripts/fairness_fixture.py writes it.
fn fixture() -> Value {
    serde_json::from_str(include_str!("fairlearn.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

fn column<'w>(name: &str, of_row: impl Iterator<Item = Option<&'w str>>) -> AuditColumn {
    let mut column = AuditColumn { name: name.to_owned(), ..AuditColumn::default() };
    for word in of_row {
        let group = word.map(|word| {
            column.words.iter().position(|known| known == word).unwrap_or_else(|| {
                column.words.push(word.to_owned());
                column.words.len() - 1
            }) as u32
        });
        column.groups.push(group);
    }
    column
}

struct Sample {
    y: Vec<u8>,
    p: Vec<f64>,
    threshold: f64,
    applicants: Vec<u64>,
}

impl Sample {
    fn rows(&self) -> AuditRows<'_> {
        AuditRows { y: &self.y, p: &self.p, threshold: self.threshold, applicants: &self.applicants }
    }

    /// Rows of two groups; the model scores group 0 lower by `gap`.
    fn drawn(n: usize, gap: f64, seed: u64) -> (Self, AuditColumn) {
        let mut random = SplitMix64::new(seed);
        let (mut y, mut p, mut words) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            let first = random.unit() < 0.4;
            let score = random.normal() - if first { gap } else { 0.0 };
            p.push(1.0 / (1.0 + (-score).exp()));
            y.push(u8::from(random.unit() < 1.0 / (1.0 + (-score).exp())));
            words.push(Some(if first { "first" } else { "second" }));
        }
        let applicants = (0..n as u64).collect();
        (Self { y, p, threshold: 0.5, applicants }, column("group", words.into_iter()))
    }
}

fn of_fixture(found: &Value) -> (Sample, AuditColumn) {
    let y: Vec<u8> = numbers(&found["y"]).into_iter().map(|y| y as u8).collect();
    let words: Vec<&str> = found["group"].as_array().unwrap().iter().map(|g| g.as_str().unwrap()).collect();
    let applicants = (0..y.len() as u64).collect();
    let sample = Sample { p: numbers(&found["p"]), threshold: found["threshold"].as_f64().unwrap(), applicants, y };
    (sample, column("region", words.into_iter().map(Some)))
}

#[test]
fn figures_differences_and_ratios_are_fairlearns() {
    let expected = fixture();
    let (sample, column) = of_fixture(&expected);
    let found = audit(&sample.rows(), &[column], 1);
    let [attribute] = &found[..] else { panic!() };
    assert_eq!((attribute.rows, attribute.missing, attribute.groups.len()), (600, 0, 4));
    let mut seen = 0;
    for group in &attribute.groups {
        let name = group.group.as_str();
        for measure in FairnessMeasure::ALL {
            let near = |found: Option<f64>, expected: &Value| {
                let (found, expected) = (found.unwrap(), expected.as_f64().unwrap());
                assert!((found - expected).abs() < 1e-12, "{name} {measure}: {found} is {expected}");
            };
            if *measure == FairnessMeasure::CalibrationSlope {
                continue;
            }
            near(group.figures.of(*measure).value, &expected["by_group"][name][measure.as_str()]);
            let of_rest = &expected["against_rest"][name];
            if let (Some(difference), Some(ratio)) = (&group.difference, &group.ratio) {
                near(difference.of(*measure).value, &of_rest["difference"][measure.as_str()]);
                near(ratio.of(*measure).value, &of_rest["ratio"][measure.as_str()]);
                seen += 1;
            }
        }
        if let Some(slope) = group.figures.calibration_slope.value {
            let of_group = &expected["against_rest"][name]["slope"];
            assert!((slope - of_group["value"].as_f64().unwrap()).abs() < 1e-8, "{name}: {slope}");
            let half = (group.figures.calibration_slope.high.unwrap() - slope) / normal_quantile(0.975);
            assert!((half - of_group["error"].as_f64().unwrap()).abs() < 1e-6, "{name}: {half}");
        }
    }
    // West has 22 rows, which are not compared.
    assert_eq!(seen, 15);
    let verdict = |name: &str| attribute.groups.iter().find(|g| g.group == name).unwrap().verdict;
    assert_eq!((verdict("west"), verdict("east")), (FairnessVerdict::TooFew, FairnessVerdict::Differs));
}

#[test]
fn holm_wilson_and_newcombe_are_statsmodels() {
    let expected = fixture();
    let adjusted = holm(&numbers(&expected["holm"]["p"]));
    for (found, expected) in adjusted.iter().zip(numbers(&expected["holm"]["adjusted"])) {
        assert!((found - expected).abs() < 1e-15, "{found} is {expected}");
    }
    assert_eq!(holm(&[]), [0.0; 0]);
    let near = |found: [f64; 2], expected: &Value| {
        for (found, expected) in found.into_iter().zip(numbers(expected)) {
            assert!((found - expected).abs() < 1e-12, "{found} is {expected}");
        }
    };
    for case in expected["wilson"].as_array().unwrap() {
        let share = numbers(&case["share"]);
        near(wilson(share[0] as u64, share[1] as u64).unwrap(), &case["interval"]);
    }
    for case in expected["newcombe"].as_array().unwrap() {
        let n: Vec<u64> = numbers(&case["pair"]).into_iter().map(|n| n as u64).collect();
        let (a, b) = (Share { part: n[0], whole: n[1] }, Share { part: n[2], whole: n[3] });
        near(difference_interval(a, b).unwrap(), &case["interval"]);
        assert!(ratio_interval(a, b).is_some());
    }
}

#[test]
fn what_has_no_answer_says_so() {
    let attribute = |sample: &Sample, column: AuditColumn| audit(&sample.rows(), &[column], 1).remove(0);
    // No row at all, and no row with the attribute.
    let none = Sample { y: vec![], p: vec![], threshold: 0.5, applicants: vec![] };
    let found = attribute(&none, column("a", [].into_iter()));
    assert_eq!((found.rows, found.missing, found.groups.len()), (0, 0, 0));
    let (sample, _) = Sample::drawn(200, 0.0, 3);
    let found = attribute(&sample, column("a", (0..200).map(|_| None)));
    assert_eq!((found.rows, found.missing, found.groups.len()), (0, 200, 0));
    // One group has nobody to be compared with.
    let found = attribute(&sample, column("a", (0..200).map(|_| Some("all"))));
    assert_eq!(found.groups[0].verdict, FairnessVerdict::NoOther);
    assert!(found.groups[0].difference.is_none() && found.groups[0].figures.selection_rate.low.is_some());
    // One class.
    let rejected = Sample { y: vec![0; 200], ..sample };
    let found = attribute(&rejected, column("a", (0..200).map(|row| Some(if row < 100 { "x" } else { "y" }))));
    for group in &found.groups {
        assert_eq!((group.verdict, group.accepted), (FairnessVerdict::TooFew, 0));
        assert_eq!((group.figures.true_positive_rate.value, group.figures.auc_roc.value), (None, None));
        assert!(group.figures.false_positive_rate.value.is_some());
    }
    // One row.
    let one = Sample { y: vec![1], p: vec![0.7], threshold: 0.5, applicants: vec![1] };
    let found = attribute(&one, column("a", [Some("x")].into_iter()));
    assert_eq!((found.groups[0].rows, found.groups[0].verdict), (1, FairnessVerdict::TooFew));
    assert_eq!(calibration_slope(&[0, 0, 1, 1], &[0.1, 0.2, 0.8, 0.9]), None);
    assert_eq!(calibration_slope(&[0, 1, 0, 1], &[0.5; 4]), None);
    assert_eq!(calibration_slope(&[], &[]), None);
}

#[test]
fn the_smallest_group_that_is_compared_has_thirty_rows_and_ten_of_each_outcome() {
    let verdict = |rows: usize, accepted: usize| {
        let n = 300;
        let y = (0..n).map(|row| u8::from(row < accepted || row >= rows && row % 2 == 0)).collect();
        let p = (0..n).map(|row| (row * 37 % 100) as f64 / 100.0).collect();
        let sample = Sample { y, p, threshold: 0.5, applicants: (0..n as u64).collect() };
        let own = column("a", (0..n).map(|row| Some(if row < rows { "own" } else { "rest" })));
        let found = audit(&sample.rows(), &[own], 1).remove(0);
        found.groups.into_iter().find(|g| g.group == "own").unwrap().verdict
    };
    for (rows, accepted) in [(29, 15), (30, 9), (30, 21)] {
        assert_eq!(verdict(rows, accepted), FairnessVerdict::TooFew, "{rows} {accepted}");
    }
    assert_ne!(verdict(30, 10), FairnessVerdict::TooFew);
    assert_ne!(verdict(30, 20), FairnessVerdict::TooFew);
}

#[test]
fn a_gap_is_found_pairs_are_looked_at_and_threads_change_nothing() {
    let (sample, group) = Sample::drawn(1200, 1.0, 5);
    let other =
        column("parity", (0..1200).map(|row| (row % 3 > 0).then_some(if row % 2 == 0 { "even" } else { "odd" })));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| audit(&sample.rows(), &[group.clone(), other.clone()], 9))
    };
    let found = run(1);
    assert_eq!(found, run(2));
    let names: Vec<&str> = found.iter().map(|a| a.attribute.as_str()).collect();
    assert_eq!(names, ["group", "parity", "group × parity"]);
    assert_eq!((found[1].rows, found[1].missing), (800, 400));
    assert_eq!(found[2].groups.len(), 4);
    let first = found[0].groups.iter().find(|g| g.group == "first").unwrap();
    assert!(first.differs_in.contains(&FairnessMeasure::SelectionRate), "{first:?}");
    assert!(first.ratio.unwrap().selection_rate.high.unwrap() < 0.8);
    assert!(found[1].groups.iter().all(|g| g.verdict == FairnessVerdict::NoDifference), "{:?}", found[1]);
}

/// Rows of one applicant are no evidence of their own.
#[test]
fn repeated_rows_make_nothing_surer() {
    let (mut sample, group) = Sample::drawn(300, 0.3, 7);
    let once = audit(&sample.rows(), std::slice::from_ref(&group), 1).remove(0);
    sample.p = sample.p.iter().flat_map(|p| [*p; 4]).collect();
    sample.y = sample.y.iter().flat_map(|y| [*y; 4]).collect();
    sample.applicants = sample.applicants.iter().flat_map(|a| [*a; 4]).collect();
    let groups = group.groups.iter().flat_map(|g| [*g; 4]).collect();
    let repeated = audit(&sample.rows(), &[AuditColumn { groups, ..group }], 1).remove(0);
    let width = |a: &AttributeFairness| {
        let d = a.groups[0].difference.unwrap().selection_rate;
        d.high.unwrap() - d.low.unwrap()
    };
    assert!((width(&repeated) / width(&once) - 1.0).abs() < 0.05, "{} {}", width(&repeated), width(&once));
}

#[test]
fn only_the_largest_groups_are_shown_and_the_others_counted() {
    let (sample, _) = Sample::drawn(700, 0.0, 11);
    let names: Vec<String> = (0..70).map(|i| format!("g{i:02}")).collect();
    let many = column("a", (0..700).map(|row| Some(names[row % 70].as_str())));
    let found = audit(&sample.rows(), &[many], 1).remove(0);
    assert_eq!((found.groups.len(), found.groups_not_shown), (FAIRNESS_GROUPS, 20));
    assert_eq!(found.groups[0].group, "g00");
}
