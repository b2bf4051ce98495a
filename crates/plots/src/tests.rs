#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use provost_domain::evaluation::{CalibrationBin, ComparedModel, ComparedScore, PLOTS};
use provost_domain::features::FEATURES;
use provost_domain::model::{FeatureImportance, ImportanceKind};
use std::collections::BTreeSet;

fn typical() -> PlotData {
    let roc = (0..=200).map(|i| f64::from(i) / 200.0).map(|x| (x, x.powf(0.3))).collect();
    let importance = FEATURES.iter().enumerate().map(|(i, name)| FeatureImportance {
        feature_name: (*name).to_owned(),
        importance_score: 0.26 * 0.78f64.powi(i as i32),
        rank: i as u32 + 1,
    });
    let bins = (0..10).map(|i| {
        let mean_predicted = 0.05 + 0.1 * f64::from(i);
        let fraction_of_positives = (mean_predicted + 0.06 * (f64::from(i) * 1.3).sin()).clamp(0.0, 1.0);
        let count = 40 + 37 * ((i * 7) % 10) as u64;
        let reach = 0.98 / (count as f64).sqrt();
        let interval_95 = Some([(fraction_of_positives - reach).max(0.0), (fraction_of_positives + reach).min(1.0)]);
        CalibrationBin { mean_predicted, fraction_of_positives, count, interval_95 }
    });
    PlotData {
        algorithm: "Gradient boosting".to_owned(),
        model_id: "model_gradient_boosting_0193f2a7c4d57e018a3c1f0e6b2a9d88".to_owned(),
        date: "2026-11-30".to_owned(),
        confusion_matrix: [[1432, 391], [741, 1261]],
        threshold: 0.437,
        roc,
        auc: 0.769,
        auc_interval: Some([0.7541, 0.7839]),
        feature_importance: importance.collect(),
        importance_kind: ImportanceKind::Gain,
        importance_rows: 17_850,
        calibration: bins.collect(),
        brier: 0.187,
    }
}

/// Data in which everything is empty or NaN.
fn nothing() -> PlotData {
    PlotData {
        algorithm: String::new(),
        model_id: String::new(),
        date: String::new(),
        confusion_matrix: [[0, 0], [0, 0]],
        threshold: f64::NAN,
        roc: vec![(f64::NAN, 0.0), (0.5, f64::INFINITY), (0.0, 0.0)],
        auc: f64::NAN,
        auc_interval: None,
        feature_importance: vec![],
        importance_kind: ImportanceKind::Permutation,
        importance_rows: 0,
        calibration: vec![bin(f64::NAN, 0.5, 3)],
        brier: f64::NAN,
    }
}

fn bin(mean_predicted: f64, fraction_of_positives: f64, count: u64) -> CalibrationBin {
    CalibrationBin { mean_predicted, fraction_of_positives, count, interval_95: None }
}

/// Data with few rows, long names and extreme numbers.
fn extreme() -> PlotData {
    let importance = (0..35).map(|i| FeatureImportance {
        feature_name: format!("a_feature_whose_name_is_far_longer_than_any_label_column_{i} <&>\"'\u{1}"),
        importance_score: [1.0, 1e-9, -0.4, f64::NAN, 0.0, 0.3][i % 6],
        rank: i as u32 + 1,
    });
    PlotData {
        algorithm: "a model label <b>&amp;</b> \"quoted\" \u{0}\u{7f} ".repeat(12),
        model_id: "ü<&>".repeat(40),
        date: "\u{1}".to_owned(),
        confusion_matrix: [[u64::MAX, 0], [0, 1]],
        threshold: 1e308,
        roc: vec![(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)],
        auc: 1.0,
        auc_interval: Some([f64::NAN, 1e300]),
        feature_importance: importance.collect(),
        importance_kind: ImportanceKind::Members,
        importance_rows: u64::MAX,
        calibration: vec![bin(1.0, 1.0, 1)],
        brier: 1e308,
    }
}

fn scored(models: usize) -> ComparisonPlotData {
    let names = ["accuracy", "precision", "recall", "f1_score", "auc_roc"];
    let model = |m: usize| {
        let scores = names.iter().enumerate().map(|(i, name)| {
            let value = 0.68 + 0.03 * i as f64 + 0.02 * ((m * 5 + i * 3) % 7) as f64;
            let interval = Some([value - 0.03, value + 0.028]);
            ComparedScore { metric: (*name).to_owned(), value, interval, highest: m == 1 && i == 2 }
        });
        ComparedModel { label: format!("Gradient boosting …9d8{m}"), scores: scores.collect() }
    };
    ComparisonPlotData { date: "2026-11-30".to_owned(), rows: 866, models: (0..models).map(model).collect() }
}

fn one_score(values: &[(&str, f64)]) -> ComparisonPlotData {
    let scores = values.iter().map(|(metric, value)| ComparedScore {
        metric: (*metric).to_owned(),
        value: *value,
        interval: None,
        highest: false,
    });
    let models = vec![ComparedModel { label: "a".to_owned(), scores: scores.collect() }];
    ComparisonPlotData { date: String::new(), rows: 1, models }
}

fn svg(name: &str, data: &PlotData) -> String {
    let svg = String::from_utf8(render(name, Format::Svg, data).unwrap()).unwrap();
    well_formed(&svg);
    svg
}

fn compared(data: &ComparisonPlotData, narrow: bool) -> String {
    let svg = String::from_utf8(comparison(data, Format::Svg, narrow).unwrap()).unwrap();
    well_formed(&svg);
    svg
}

/// The names of all plots in both layouts.
fn names() -> impl Iterator<Item = String> {
    PLOTS.into_iter().flat_map(|name| [name.to_owned(), format!("{name}_narrow")])
}

/// Width, height and number of distinct colours.
fn decoded(bytes: &[u8]) -> (u32, u32, usize) {
    let mut reader = png::Decoder::new(bytes).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let colors: BTreeSet<&[u8]> = pixels[..info.buffer_size()].chunks_exact(3).collect();
    (info.width, info.height, colors.len())
}

/// Checks that tags nest, text is escaped and every character is allowed in XML.
fn well_formed(svg: &str) {
    assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
    let mut open: Vec<&str> = Vec::new();
    for (at, _) in svg.match_indices('<') {
        let end = at + svg[at..].find('>').unwrap();
        let tag = &svg[at + 1..end];
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
    for (at, _) in svg.match_indices('&') {
        let entity = &svg[at + 1..at + svg[at..].find(';').unwrap()];
        assert!(["amp", "lt", "gt", "quot", "apos"].contains(&entity), "{entity}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "a coordinate is not a number");
}

#[test]
fn every_plot_is_a_png_of_the_promised_size() {
    for name in PLOTS {
        let (width, height, colors) = decoded(&render(name, Format::Png, &typical()).unwrap());
        assert_eq!((width, height), (1600, 1200));
        assert!(colors > 60, "{name} has only {colors} colours");
    }
    assert_eq!(decoded(&comparison(&scored(3), Format::Png, false).unwrap()).0, 1600);
    assert_eq!(decoded(&render("calibration_narrow", Format::Png, &typical()).unwrap()).0, 720);
}

#[test]
fn svgs_are_well_formed_and_carry_their_labels() {
    let labels = [
        ("confusion_matrix", vec!["1,432", "78.6% of rejected", "n = 3,825", "Recall", "accepted from 0.437 on"]),
        ("confusion_matrix", vec!["Accuracy 70.4%", "always the majority: 52.3%"]),
        ("roc_curve", vec!["AUC 0.769", "95% 0.754 to 0.784 · n = 3,825", "Guessing", "21.4%", "threshold, 0.437"]),
        ("feature_importance", vec!["GPA (normalised)", "0.260", "gain · 17,850 training rows · 12 features"]),
        ("feature_importance", vec!["Share of total gain", "Undergraduate prestige"]),
        (
            "calibration",
            vec!["Brier 0.187", "Applicants", "Perfect", "Predicted probability", "1 of 10 bins outside its interval"],
        ),
    ];
    for (name, expected) in labels {
        let (wide, narrow) = (svg(name, &typical()), svg(&format!("{name}_narrow"), &typical()));
        assert!(
            wide.contains(">model_gradient_boosting_0193f2a7c4d57e018a3c1f0e6b2a9d88</text>"),
            "the whole id is missing"
        );
        for svg in [wide, narrow] {
            assert!(svg.contains("sans-serif"), "no fall-back font");
            assert!(svg.contains("Gradient boosting · …6b2a9d88 · 2026-11-30"));
            assert!(!svg.contains("held-out rows"), "{name} takes the importance for one of held-out rows");
            for label in &expected {
                assert!(svg.contains(label), "{name} does not say {label:?}");
            }
        }
    }
    for narrow in [false, true] {
        let svg = compared(&scored(3), narrow);
        for label in ["Gradient boosting …9d82", "AUC", "F1", "axis from", "3 models · n = 866", "2026-11-30", "Bold"]
        {
            assert!(svg.contains(label), "the comparison does not say {label:?}");
        }
        // Bold are the title, the names of the metrics and the one score that is above all others.
        assert_eq!(svg.matches("font-weight=\"600\"").count(), 1 + 1 + 5);
    }
    let mut none = scored(3);
    none.models.iter_mut().flat_map(|m| &mut m.scores).for_each(|c| c.highest = false);
    assert!(compared(&none, false).contains("No model is above all others beyond chance in any metric"));
}

#[test]
fn importance_names_its_kind() {
    for kind in ImportanceKind::ALL {
        let svg = svg("feature_importance", &PlotData { importance_kind: *kind, ..typical() });
        assert!(svg.contains(&format!("{kind} · 17,850 training rows")) && svg.contains("Share of "), "{kind}");
    }
}

#[test]
fn calibration_counts_the_bins_that_its_intervals_leave_out() {
    let bins = |outside: usize, all: usize| {
        let bins = (0..all).map(|i| CalibrationBin {
            interval_95: Some(if i < outside { [0.9, 1.0] } else { [0.4, 0.6] }),
            ..bin(0.5, 0.5, 30)
        });
        calibration::found(&PlotData { calibration: bins.collect(), ..typical() })
    };
    assert_eq!(bins(0, 0), None);
    assert_eq!(bins(0, 1).as_deref(), Some("1 bin within its interval"));
    assert_eq!(bins(0, 10).as_deref(), Some("10 bins, each within its interval"));
    assert_eq!(bins(1, 1).as_deref(), Some("1 of 1 bin outside its interval"));
    assert_eq!(bins(3, 10).as_deref(), Some("3 of 10 bins outside their intervals"));
    // The marks are not joined: the only path of more than two points is the axes' edge.
    let svg = svg("calibration", &typical());
    assert!(svg.matches("stroke-linejoin").count() == 1, "marks are joined");
    // The legend's diamond, and the diamond of the bin outside its interval with its ring.
    assert_eq!(svg.matches("<polygon").count(), 1 + 2, "the bin outside looks like the others");
}

#[test]
fn a_class_on_the_root_turns_every_colour() {
    let pictures = names().map(|name| svg(&name, &typical())).chain([compared(&scored(8), false)]);
    for svg in pictures {
        assert!(svg.contains("class=\"provost auto\""));
        let (_, rest) = svg.split_once("<style>").unwrap();
        let (style, body) = rest.split_once("</style>").unwrap();
        for (at, _) in body.match_indices("class=\"") {
            let class = body[at + 7..].split('"').next().unwrap();
            assert!(style.contains(&format!(".provost.dark .{class}{{")), "{class} has no dark colour");
            assert!(
                style.contains(&format!(".provost.auto .{class}{{")),
                "{class} does not follow the reader's colour scheme"
            );
        }
        let coloured = body.matches("fill=\"#").count() + body.matches("stroke=\"#").count();
        assert_eq!(coloured, body.matches("class=\"").count(), "a colour has no class");
    }
}

#[test]
fn nothing_narrow_lies_beyond_the_edge() {
    for kind in [typical(), extreme()] {
        for name in PLOTS {
            let svg = svg(&format!("{name}_narrow"), &kind);
            for (at, _) in svg.match_indices(" x=\"") {
                let x: f64 = svg[at + 4..].split('"').next().unwrap().parse().unwrap();
                assert!((0.0..=360.0).contains(&x), "{name}: {x}");
            }
        }
    }
}

#[test]
fn what_cannot_be_drawn_is_said() {
    for name in names() {
        assert!(svg(&name, &nothing()).contains("No data"), "{name}");
        render(&name, Format::Png, &nothing()).unwrap();
    }
    let nobody = ComparisonPlotData { models: Vec::new(), ..scored(1) };
    for models in [one_score(&[("accuracy", f64::NAN)]), nobody] {
        assert!(compared(&models, false).contains("No data"));
    }
}

#[test]
fn extreme_data_are_drawn() {
    let one_point = PlotData { roc: vec![(0.0, 0.0)], ..extreme() };
    let unused = PlotData {
        feature_importance: typical()
            .feature_importance
            .into_iter()
            .map(|f| FeatureImportance { importance_score: 0.0, ..f })
            .collect(),
        ..extreme()
    };
    let wrong = PlotData { confusion_matrix: [[1, u64::MAX], [u64::MAX, u64::MAX]], ..extreme() };
    for data in [extreme(), one_point, unused, wrong] {
        for name in names() {
            svg(&name, &data);
            render(&name, Format::Png, &data).unwrap();
        }
    }
    for models in [one_score(&[("auc_roc", 1.0)]), scored(14)] {
        compared(&models, true);
        compared(&models, false);
        comparison(&models, Format::Png, false).unwrap();
    }
    compared(&one_score(&[("a", 1e308), ("b", -1e308)]), false);
    for score in [f64::MAX, f64::MIN, 5e-324, -5e-324, 1e11, -1e11] {
        let importance = [score, 0.5, -score].map(|importance_score| FeatureImportance {
            feature_name: "ä_feature".to_owned(),
            importance_score,
            rank: 1,
        });
        svg("feature_importance", &PlotData { feature_importance: importance.to_vec(), ..extreme() });
    }
}

#[test]
fn the_same_data_give_the_same_bytes_on_any_thread() {
    let data = typical();
    for format in [Format::Png, Format::Svg] {
        let here = render("roc_curve", format, &data).unwrap();
        let there: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| render("roc_curve", format, &data).unwrap())).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(there.iter().all(|bytes| *bytes == here));
    }
}

#[test]
fn unknown_plots_are_refused_by_name() {
    let error = render("../secret", Format::Png, &typical()).unwrap_err();
    assert!(matches!(&error, PlotError::Unknown(name) if name == "../secret"));
}

/// Writes every picture into the folder named by PLOTS_DIR, for review by eye.
#[test]
#[ignore = "writes files for review by eye"]
fn gallery() {
    let Some(dir) = std::env::var_os("PLOTS_DIR").map(std::path::PathBuf::from) else { return };
    let unused = PlotData {
        feature_importance: typical()
            .feature_importance
            .into_iter()
            .map(|f| FeatureImportance { importance_score: 0.0, ..f })
            .collect(),
        confusion_matrix: [[1, 0], [0, 0]],
        calibration: typical().calibration.into_iter().take(1).collect(),
        ..typical()
    };
    let mut harmful = typical();
    for feature in &mut harmful.feature_importance {
        feature.importance_score -= 0.05;
    }
    let kinds = [
        ("typical", typical()),
        ("extreme", extreme()),
        ("nothing", nothing()),
        ("unused", unused),
        ("harmful", harmful),
    ];
    for format in [Format::Png, Format::Svg] {
        for (kind, data) in &kinds {
            for name in names() {
                let file = format!("{kind}_{name}.{}", format.extension());
                std::fs::write(dir.join(file), render(&name, format, data).unwrap()).unwrap();
            }
        }
        for models in [1, 3, 6, 14] {
            for narrow in [false, true] {
                let file = format!("comparison_{models}{}.{}", if narrow { "_narrow" } else { "" }, format.extension());
                std::fs::write(dir.join(file), comparison(&scored(models), format, narrow).unwrap()).unwrap();
            }
        }
    }
}
