#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use provost_domain::evaluation::{CalibrationBin, PLOTS};
use provost_domain::features::FEATURES;
use provost_domain::model::FeatureImportance;
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
        CalibrationBin { mean_predicted, fraction_of_positives, count: 40 + 37 * ((i * 7) % 10) as u64 }
    });
    PlotData {
        title: "random_forest · model_random_forest_0193f2a7".to_owned(),
        confusion_matrix: [[1432, 391], [741, 1261]],
        roc,
        auc: 0.769,
        feature_importance: importance.collect(),
        calibration: bins.collect(),
        brier: 0.187,
    }
}

/// Everything empty or not a number.
fn nothing() -> PlotData {
    PlotData {
        title: String::new(),
        confusion_matrix: [[0, 0], [0, 0]],
        roc: vec![(f64::NAN, 0.0), (0.5, f64::INFINITY), (0.0, 0.0)],
        auc: f64::NAN,
        feature_importance: vec![],
        calibration: vec![CalibrationBin { mean_predicted: f64::NAN, fraction_of_positives: 0.5, count: 3 }],
        brier: f64::NAN,
    }
}

/// Few rows, long names, extreme numbers.
fn extreme() -> PlotData {
    let importance = (0..35).map(|i| FeatureImportance {
        feature_name: format!("a_feature_whose_name_is_far_longer_than_any_label_column_{i} <&>\"'\u{1}"),
        importance_score: [1.0, 1e-9, -0.4, f64::NAN, 0.0, 0.3][i % 6],
        rank: i as u32 + 1,
    });
    PlotData {
        title: "a model label <b>&amp;</b> \"quoted\" \u{0}\u{7f} ".repeat(12),
        confusion_matrix: [[u64::MAX, 0], [0, 1]],
        roc: vec![(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)],
        auc: 1.0,
        feature_importance: importance.collect(),
        calibration: vec![CalibrationBin { mean_predicted: 1.0, fraction_of_positives: 1.0, count: 1 }],
        brier: 1e308,
    }
}

fn scored(models: usize) -> Vec<(String, Vec<(String, f64)>)> {
    let names = ["accuracy", "precision", "recall", "f1_score", "auc_roc"];
    let model = |m: usize| {
        let of = names
            .iter()
            .enumerate()
            .map(|(i, name)| ((*name).to_owned(), 0.68 + 0.03 * i as f64 + 0.02 * ((m * 5 + i * 3) % 7) as f64));
        (format!("model_gradient_boosting_{m}"), of.collect())
    };
    (0..models).map(model).collect()
}

/// (width, height, number of distinct colours)
fn decoded(bytes: &[u8]) -> (u32, u32, usize) {
    let mut reader = png::Decoder::new(bytes).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let colors: BTreeSet<&[u8]> = pixels[..info.buffer_size()].chunks_exact(3).collect();
    (info.width, info.height, colors.len())
}

/// Tags nest, text is escaped, nothing is outside XML's characters.
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
    assert_eq!(decoded(&comparison(&scored(3), Format::Png).unwrap()).0, 1600);
}

#[test]
fn svgs_are_well_formed_and_carry_their_labels() {
    let labels = [
        ("confusion_matrix", vec!["Confusion matrix", "1,432", "78.6% of rejected", "n = 3,825", "Recall"]),
        ("roc_curve", vec!["AUC 0.769", "True positive rate", "Guessing", "21.4%"]),
        ("feature_importance", vec!["GPA (normalised)", "0.260", "Undergraduate prestige", "12 features"]),
        ("calibration", vec!["Brier 0.187", "Applicants", "Perfectly calibrated", "Predicted probability"]),
    ];
    for (name, expected) in labels {
        let svg = String::from_utf8(render(name, Format::Svg, &typical()).unwrap()).unwrap();
        well_formed(&svg);
        assert!(svg.contains("random_forest · model_random_forest_0193f2a7"));
        assert!(svg.contains("sans-serif"), "no fall-back font");
        for label in expected {
            assert!(svg.contains(label), "{name} does not say {label:?}");
        }
    }
    let svg = String::from_utf8(comparison(&scored(3), Format::Svg).unwrap()).unwrap();
    well_formed(&svg);
    for label in ["model_gradient_boosting_2", "AUC", "F1", "axis zoomed to"] {
        assert!(svg.contains(label), "the comparison does not say {label:?}");
    }
}

#[test]
fn what_cannot_be_drawn_is_said() {
    for name in PLOTS {
        let svg = String::from_utf8(render(name, Format::Svg, &nothing()).unwrap()).unwrap();
        well_formed(&svg);
        assert!(svg.contains("No data"), "{name}");
        render(name, Format::Png, &nothing()).unwrap();
    }
    let no_scores = [("a".to_owned(), vec![("accuracy".to_owned(), f64::NAN)])];
    for models in [&no_scores[..], &[]] {
        let svg = String::from_utf8(comparison(models, Format::Svg).unwrap()).unwrap();
        assert!(svg.contains("No data"));
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
        for name in PLOTS {
            well_formed(&String::from_utf8(render(name, Format::Svg, &data).unwrap()).unwrap());
            render(name, Format::Png, &data).unwrap();
        }
    }
    for models in [vec![("one".to_owned(), vec![("auc_roc".to_owned(), 1.0)])], scored(14)] {
        well_formed(&String::from_utf8(comparison(&models, Format::Svg).unwrap()).unwrap());
        comparison(&models, Format::Png).unwrap();
    }
    let huge = vec![("huge".to_owned(), vec![("a".to_owned(), 1e308), ("b".to_owned(), -1e308)])];
    well_formed(&String::from_utf8(comparison(&huge, Format::Svg).unwrap()).unwrap());
    for score in [f64::MAX, f64::MIN, 5e-324, -5e-324, 1e11, -1e11] {
        let importance = [score, 0.5, -score].map(|importance_score| FeatureImportance {
            feature_name: "ä_feature".to_owned(),
            importance_score,
            rank: 1,
        });
        let data = PlotData { feature_importance: importance.to_vec(), ..extreme() };
        well_formed(&String::from_utf8(render("feature_importance", Format::Svg, &data).unwrap()).unwrap());
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

/// Writes every picture into the folder named by PLOTS_DIR, to be looked at.
#[test]
#[ignore = "writes files, for eyes"]
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
            for name in PLOTS {
                std::fs::write(
                    dir.join(format!("{kind}_{name}.{}", format.extension())),
                    render(name, format, data).unwrap(),
                )
                .unwrap();
            }
        }
        for models in [1, 3, 5, 14] {
            std::fs::write(
                dir.join(format!("comparison_{models}.{}", format.extension())),
                comparison(&scored(models), format).unwrap(),
            )
            .unwrap();
        }
    }
}
