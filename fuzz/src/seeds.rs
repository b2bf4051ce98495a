//! Writes a small seed corpus per target, made of the project's own samples: `seeds FOLDER`.

use provost_domain::features::{CATEGORY_RULE, FeatureTables};
use provost_domain::snapshot::SnapshotBuilder;
use provost_domain::{Algorithm, Snapshot, TrainingConfig, sample};
use provost_learn::artifact::{Format, open};
use provost_learn::learners::learner;
use provost_learn::member::Member;
use provost_learn::{Calibration, Control, Dataset, FitTask, Matrix, Model, Predictor, Trained};
use provost_predict::evidence::Evidence;
use provost_predict::model::FORMAT;
use provost_predict::ranges::FeatureRange;
use provost_predict::score_counts::ScoreCounts;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

type Done = Result<(), Box<dyn Error>>;

struct Seeds(PathBuf);

impl Seeds {
    fn put(&self, target: &str, name: &str, bytes: &[u8]) -> Done {
        let folder = self.0.join(target);
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join(name), bytes)?)
    }
}

fn snapshot(rows: usize) -> Snapshot {
    let (tables, mut builder) = (FeatureTables::default(), SnapshotBuilder::new());
    for drawn in sample::draw(rows, 1) {
        builder.add(&drawn.point, &tables.row(&drawn.point), None);
    }
    builder.finish()
}

/// A small model of each algorithm, and an ensemble of them.
fn models() -> Result<Vec<Model>, Box<dyn Error>> {
    let Snapshot { feature_names, columns, labels, .. } = snapshot(300);
    let data = &Dataset::new(Matrix::new(feature_names, columns)?, labels)?;
    let columns: Vec<usize> = (0..data.x().width()).collect();
    let rows: Vec<u32> = (0..data.rows() as u32).collect();
    let own: Vec<u32> = columns.iter().map(|c| *c as u32).collect();
    let model = |algorithm, predictor, calibration| Model {
        algorithm,
        feature_names: data.x().names().to_vec(),
        columns: own.clone(),
        predictor,
        calibration,
        threshold: 0.5,
        category_rule: CATEGORY_RULE,
        evidence: None,
    };
    let mut models = Vec::new();
    for algorithm in Algorithm::BASE {
        let learner = learner(algorithm).ok_or("a base algorithm has a learner")?;
        let mut given = Map::new();
        for (name, small) in [
            ("n_estimators", json!(2)),
            ("max_depth", json!(3)),
            ("max_iter", json!(3)),
            ("hidden_layer_sizes", json!([3])),
        ] {
            if learner.defaults().contains_key(name) {
                given.insert(name.to_owned(), small);
            }
        }
        let params = learner.check(&given)?;
        let task = FitTask {
            data,
            columns: &columns,
            train: &rows,
            validation: &[],
            params: &params,
            seed: 1,
            early_stopping_rounds: 0,
            scale: true,
            shared: None,
        };
        let fit = learner.fit(&task, &Control::default())?;
        models.push(model(algorithm, fit.predictor, Calibration::Platt { a: 1.0, b: 0.1 }));
    }
    let weight = 1.0 / models.len() as f64;
    let members = models.iter().map(|m| Member {
        weight,
        columns: own.clone(),
        predictor: Box::new(m.predictor.clone()),
        calibration: Calibration::Isotonic { x: vec![0.0, 0.5, 1.0], y: vec![0.1, 0.4, 0.9] },
    });
    let ensemble = Predictor::Ensemble(members.collect());
    models.push(model(Algorithm::Ensemble, ensemble, Calibration::None));
    models.push(model(Algorithm::RandomForest, Predictor::Constant(0.25), Calibration::None));
    let evidence = Evidence {
        scores: ScoreCounts::new(&[0.2, 0.4, 0.7], &[0, 1, 1]),
        background: vec![vec![0.5; columns.len()]],
        ranges: vec![FeatureRange::Numbers { low: 0.0, high: 1.0 }; columns.len()],
    };
    let with = models.first().cloned().map(|model| Model { evidence: Some(Arc::new(evidence)), ..model });
    models.extend(with);
    Ok(models)
}

fn artifacts(seeds: &Seeds) -> Done {
    let bare = |magic: &[u8; 8], version, bytes: &[u8]| -> Result<Vec<u8>, Box<dyn Error>> {
        Ok(open(Format { magic: *magic, version }, bytes)?.1.to_vec())
    };
    for (number, model) in models()?.into_iter().enumerate() {
        let name = format!("{number}-{}", model.algorithm);
        let sealed = model.to_bytes();
        let kind = if model.evidence.is_some() { 2 } else { 0 };
        let payload = bare(b"PROVOSTM", FORMAT.version, &sealed)?;
        seeds.put("model", &name, &[&[kind], payload.as_slice()].concat())?;
        seeds.put("model", &format!("{name}-sealed"), &[&[1], sealed.as_slice()].concat())?;
        let trained = Trained {
            model,
            params: Map::from_iter([("n_estimators".to_owned(), json!(2))]),
            cv_scores: vec![0.5, 0.75],
            oof: vec![0.25; 4],
            importance: vec![("gpa_normalized".to_owned(), 1.0)],
            iterations: 2,
            trials: 1,
            warnings: vec!["a warning".to_owned()],
            seconds: 1.5,
            temporal: None,
        };
        let payload = bare(b"PROVOSTT", 2, &trained.to_bytes())?;
        seeds.put("trained", &name, &[&[1], payload.as_slice()].concat())?;
        // Version 1 ends before the temporal part, here one byte of "none".
        seeds.put("trained", &format!("{name}-v1"), &[&[0], &payload[..payload.len() - 1]].concat())?;
    }
    for rows in [0, 1, 12] {
        let snapshot = postcard::to_allocvec(&snapshot(rows))?;
        seeds.put("snapshot", &rows.to_string(), &[&[0], snapshot.as_slice()].concat())?;
        // Version 2 ends in the codes of an older rule, here none.
        seeds.put("snapshot", &format!("{rows}-v2"), &[&[1], snapshot.as_slice(), &[0]].concat())?;
    }
    Ok(())
}

/// One line of text per point.
fn points(seeds: &Seeds) -> Result<Vec<Value>, Box<dyn Error>> {
    let points: Vec<Value> = sample::draw(12, 3).map(|d| serde_json::to_value(&d.point)).collect::<Result<_, _>>()?;
    let text: String = points.iter().map(|p| format!("{p}\n")).collect();
    seeds.put("jsonl", "points", text.as_bytes())?;
    seeds.put("file", "points", text.as_bytes())?;
    seeds.put("file", "array", format!("[{}]", text.trim_end().replace('\n', ",\n")).as_bytes())?;
    let utf16: Vec<u8> = text.encode_utf16().take(4000).flat_map(u16::to_le_bytes).collect();
    seeds.put("file", "utf16", &utf16)?;
    let table =
        "id;CGPA;University;Term;Status\n1;3,75;\u{c9}cole A;Fall 2019;Accepted on 3 Mar 2019\n2;;B;F20;Rejected\n";
    let latin: Vec<u8> = table.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
    seeds.put("file", "table", &latin)?;
    for (number, point) in points.iter().take(4).enumerate() {
        seeds.put("jsonl", &format!("point-{number}"), format!("\u{feff}{point}\r\n\n{{}}\n").as_bytes())?;
    }
    Ok(points)
}

fn events(seeds: &Seeds, points: &[Value]) -> Done {
    let config = serde_json::to_value(TrainingConfig::default())?;
    let kinds = [
        ("admission.data.recorded.v1", points[0].clone()),
        ("admission.data.batch.v1", json!({ "points": &points[..3] })),
        ("admission.data.corrected.v1", points[1].clone()),
        ("admission.data.retracted.v1", json!({ "data_point_id": "p-1", "seq": 3 })),
        ("training.trigger.v1", json!({ "reason": "why", "config": config, "auto_activate": true })),
        ("training.trigger.v1", json!({ "reason": "why", "config": { "algorithms": ["xgbost"] } })),
        ("training.cancel.v1", json!({ "job_id": "job_0190163d8694739b8b2c2a0b7a3f1e55" })),
        ("training.cancel.v2", json!({})),
    ];
    for (number, (kind, data)) in kinds.into_iter().enumerate() {
        let (id, source, time) = ("e-1", "upstream/1", "2026-01-02T03:04:05Z");
        let event = json!({
            "specversion": "1.0", "id": id, "source": source, "type": kind, "time": time, "data": data
        });
        seeds.put("event", &format!("{number}-structured"), event.to_string().as_bytes())?;
        let binary = format!("#specversion=1.0\n#id={id}\n#source={source}\n#type={kind}\n#time={time}\n{data}");
        seeds.put("event", &format!("{number}-binary"), binary.as_bytes())?;
    }
    Ok(())
}

fn configs(seeds: &Seeds) -> Done {
    let default = serde_json::to_value(TrainingConfig::default())?;
    seeds.put("config", "default", default.to_string().as_bytes())?;
    for (number, changed) in [
        json!({}),
        json!({ "algorithms": ["ensemble", "neural_network"], "split": "temporal", "tuning_iterations": 50.0 }),
        json!({ "data_source": "csv", "data_path": "a/b.csv", "n_jobs": 2, "notes": "n", "version_tag": "v" }),
        json!({ "feature_selection": "manual", "selected_features": ["gpa_normalized", "gre_verbal_percentile"] }),
        json!({ "grids": { "xgboost": { "max_depth": [3, 4], "learning_rate": [0.1] } } }),
        json!({ "algorithms": [], "test_size": 0.9, "what": null, "grids": { "xgbost": 3 } }),
    ]
    .into_iter()
    .enumerate()
    {
        seeds.put("config", &number.to_string(), changed.to_string().as_bytes())?;
    }
    let defaults = include_str!("../../config/default.toml");
    // By section, so that each file is small; those that name files are left to the operator.
    for (number, section) in defaults.split("\n[").enumerate() {
        let text = if number == 0 { section.to_owned() } else { format!("[{section}") };
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#') && !l.contains("_file")).collect();
        seeds.put("settings", &format!("section-{number:02}"), lines.join("\n").as_bytes())?;
    }
    for (number, line) in [
        "PROVOST_HTTP__LISTEN=0.0.0.0:8000",
        "PROVOST_JOBS__SOFT_LIMIT=1h30m",
        "PROVOST_X__Y=1",
        "PROVOST_MAIL__URL=smtp://user:word@mail.example.org:25",
        "PROVOST_BRIDGE__URL=amqp://u:p@h:5672/v",
    ]
    .into_iter()
    .enumerate()
    {
        seeds.put("settings", &format!("environment-{number}"), format!("{line}\n").as_bytes())?;
    }
    Ok(())
}

fn tables(seeds: &Seeds) -> Done {
    let snapshot = snapshot(8);
    let mut text = format!("data_point_id,{},label,split,fold\n", snapshot.feature_names.join(","));
    for row in 0..snapshot.rows() {
        let cells: Vec<String> =
            snapshot.columns.iter().map(|c| if c[row].is_nan() { String::new() } else { c[row].to_string() }).collect();
        let part = ["train", "validation", "test"][row % 3];
        text += &format!("p{row},{},{},{part},{}\n", cells.join(","), snapshot.labels[row], row % 2);
    }
    seeds.put("table", "features", text.as_bytes())?;
    seeds.put("table", "small", b"a,label\n1,0\n,1\nNaN,1\n-3.5e10,0\n")?;
    let table = "id,admit,gre,gpa,rank\n1,1,325,3.5,1\n2,0,\"300\",3,\n3,0,x,,4\n\"4\",1,\"3\n1\",,\n";
    let mapping = "id_prefix = \"u-\"\n[columns]\ndecision = \"admit\"\ngre_total = \"gre\"\ndata_point_id = \"id\"\n\
        [decisions]\n\"1\" = \"accepted\"\n\"0\" = \"rejected\"\n[constants]\nuniversity_name = \"U\"\n\
        program_name = \"P\"\ngpa_scale = 4.0";
    seeds.put("csv", "mapped", format!("{mapping}\n---\n{table}").as_bytes())?;
    let threshold = "threshold = 0.5\n[columns]\ndecision = \"admit\"\n[constants]\nuniversity_name = \"U\"";
    seeds.put("csv", "threshold", format!("{threshold}\n---\n{table}").as_bytes())?;
    let named = "data_point_id,decision,gpa,university_name,program_name,gre_verbal,toefl_total,application_year\n\
        p1,accepted,3.5,U,P,160,100,2024\np2,rejected,,U,P,,,\n";
    seeds.put("csv", "named", named.as_bytes())
}

fn main() -> Done {
    let folder = std::env::args_os().nth(1).ok_or("usage: seeds FOLDER")?;
    let seeds = Seeds(folder.into());
    artifacts(&seeds)?;
    let points = points(&seeds)?;
    events(&seeds, &points)?;
    configs(&seeds)?;
    tables(&seeds)
}
