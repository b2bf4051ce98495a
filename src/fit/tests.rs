#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use provost_domain::rng::SplitMix64;
use std::fmt::Write as _;

/// A CSV with `rows` rows and three features, one of them with gaps; `split` adds that column.
fn csv(rows: usize, split: bool, seed: u64) -> String {
    let mut r = SplitMix64::new(seed);
    let mut text = format!("data_point_id,α,b c,gap,label{}\n", if split { ",split" } else { "" });
    for i in 0..rows {
        let (a, b) = (r.normal(), r.normal());
        let label = u8::from(r.unit() < 1.0 / (1.0 + (-2.0 * a + b).exp()));
        let gap = if i % 3 == 0 { String::new() } else { format!("{:.4}", r.unit()) };
        write!(text, "p{i},{a:.5},{b:.5},{gap},{label}").unwrap();
        match (split, i % 10) {
            (false, _) => {}
            (_, 0 | 1) => text.push_str(",test"),
            (_, 2) => text.push_str(",validation"),
            _ => text.push_str(",train"),
        }
        text.push('\n');
    }
    text
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn lines(options: &FitOptions) -> Vec<Value> {
    let mut out = Vec::new();
    run(options, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

const SCORES: [&str; 8] = ["rows", "accuracy", "precision", "recall", "f1", "auc", "brier", "log_loss"];

#[test]
fn defaults_print_the_peers_fields_and_save_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let features = file(folder.path(), "f.csv", &csv(400, true, 1));
    let held = file(folder.path(), "h.csv", &csv(200, false, 2));
    let mut options = FitOptions::new(&features);
    options.algorithms = vec![Algorithm::LogisticRegression, Algorithm::GradientBoosting];
    options.json = true;
    options.test = Some(held.clone());
    options.save = Some(folder.path().join("models"));
    let lines = lines(&options);
    assert_eq!(lines.len(), 2);
    let fields = ["algorithm", "mode", "train_rows", "threads", "wall_s", "cpu_s", "rss_mb", "test", "heldout"];
    for line in &lines {
        assert_eq!(keys(line), fields);
        assert_eq!((keys(&line["test"]), keys(&line["heldout"])), (SCORES.to_vec(), SCORES.to_vec()));
        assert_eq!((&line["train_rows"], &line["test"]["rows"]), (&280.into(), &80.into()));
        assert!(line["heldout"]["auc"].as_f64().unwrap() > 0.8, "{line}");
        assert!(line["rss_mb"].as_u64().unwrap() > 1);
    }
    let bytes = std::fs::read(folder.path().join("models/logistic_regression.model")).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    assert_eq!((model.threshold, &model.feature_names[1][..]), (0.5, "b c"));
    let table = Table::read(&held).unwrap();
    let data = dataset(table, &held).unwrap();
    let all: Vec<u32> = (0..200).collect();
    let again = report::score(&model, &data, &all).unwrap();
    assert_eq!(Value::Object(again), lines[0]["heldout"]);
}

#[test]
fn a_search_prints_the_best_and_given_candidates() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = FitOptions::new(file(folder.path(), "f.csv", &csv(300, false, 3)));
    options.mode = Mode::Search;
    options.algorithms = vec![Algorithm::LogisticRegression];
    options.json = true;
    options.rows = Some(250);
    let searched = lines(&options).remove(0);
    assert_eq!(searched["train_rows"], 175);
    assert_eq!(keys(&searched["best"]).len(), 5);
    assert!(searched["cv_f1"].as_f64().unwrap() > 0.6);
    assert!(searched.get("candidates").is_none());
    let list = r#"{"logistic_regression": [{"C": 1e-6}, {"C": 1, "penalty": "l1"}], "lightgbm": []}"#;
    options.candidates = Some(file(folder.path(), "c.json", list));
    let given = lines(&options).remove(0);
    assert_eq!(given["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(keys(&given["candidates"][0]), ["params", "f1", "auc"]);
    assert_eq!(given["best"], serde_json::json!({"C": 1, "penalty": "l1"}));
    options.json = false;
    let mut out = Vec::new();
    run(&options, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("algorithm") && text.contains("best logistic_regression: {\"C\":1"), "{text}");
}

#[test]
fn folds_are_scikit_learns() {
    // StratifiedKFold(3).split on these labels, taken from scikit-learn 1.9.
    let labels = [1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0];
    let mut text = "a,label\n".to_owned();
    labels.iter().for_each(|l| writeln!(text, "1,{l}").unwrap());
    let table = Table::parse(text.as_bytes()).unwrap();
    let train: Vec<u32> = (0..11).collect();
    let folds = parts::folds(&table, &train, 3).unwrap();
    assert_eq!(folds, vec![vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9, 10]]);
    let fixed = text.replace("a,label", "a,label,fold").replace("\n1,1", "\n1,1,7").replace("\n1,0", "\n1,0,");
    let table = Table::parse(fixed.as_bytes()).unwrap();
    assert!(parts::folds(&table, &train, 3).unwrap_err().contains("fold 0's"));
}

#[test]
fn bad_cells_are_named() {
    let bad = |text: &str| Table::parse(text.as_bytes()).unwrap_err();
    assert_eq!(
        bad("a,b,label\n1,2,0\n1,x7,1\n"),
        "line 3, column \"b\": \"x7\" is not a number within ±3.4e38 (empty or NaN where missing)"
    );
    assert!(bad("a,label\n1e308,1\n").contains("\"1e308\""));
    assert!(bad("a,label\ninf,1\n").contains("\"inf\""));
    assert!(bad("a,label\n1,2\n").contains("column \"label\": \"2\" is not 0 or 1"));
    assert!(bad("a,label\n1,\n").contains("is not 0 or 1"));
    assert!(bad("a,b\n1,2\n").contains("no column \"label\""));
    assert!(bad("a,a,label\n").contains("twice"));
    assert!(bad("label\n1\n").contains("no feature columns"));
    assert!(bad("a,label\n").contains("no rows"));
    assert!(bad("a,label\n1,0,3\n").contains("line: 2"));
    assert!(bad("a,label,split\n1,0,tset\n").contains("\"tset\" is not train, validation or test"));
    assert!(bad("").contains("label"));
    let table = Table::parse("a,label\n NaN ,1\n,0\n".as_bytes()).unwrap();
    assert!(table.columns[0].iter().all(|v| v.is_nan()));
    let one = Table::parse("a,label\n1,1\n2,1\n".as_bytes()).unwrap();
    assert!(parts::parts(&one, 1).unwrap_err().contains("both classes are needed"));
}

#[test]
fn bad_options_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let base = FitOptions::new(file(folder.path(), "f.csv", &csv(100, false, 4)));
    let error = |change: &dyn Fn(&mut FitOptions)| {
        let mut options = base.clone();
        change(&mut options);
        run(&options, &mut Vec::new()).unwrap_err()
    };
    assert!(matches!(error(&|o| o.threads = 0), FitError::Usage(_)));
    assert!(matches!(error(&|o| o.algorithms = vec![Algorithm::Ensemble]), FitError::Usage(_)));
    assert!(matches!(error(&|o| o.features = "absent.csv".into()), FitError::File { .. }));
    let typo = file(folder.path(), "p.json", r#"{"random_forrest": {}}"#);
    assert!(error(&|o| o.params = Some(typo.clone())).to_string().contains("\"random_forrest\""));
    let wrong = file(folder.path(), "q.json", r#"{"logistic_regression": {"C": -1}}"#);
    let e = error(&|o| {
        o.params = Some(wrong.clone());
        o.algorithms = vec![Algorithm::LogisticRegression];
    });
    assert!(matches!(e, FitError::Params { .. }) && e.to_string().contains("C"), "{e}");
}
