//! The index of one model's training rows: standardised features in a tree, and the ids of their points in the store.

use super::{SimilarRow, SimilarService};
use crate::blocking::blocking;
use crate::error::LoadError;
use crate::serving::error::PredictionError;
use crate::snapshot::{LoadedSnapshot, read_snapshot};
use provost_domain::features::is_category;
use provost_domain::model::ModelRecord;
use provost_domain::{AdmissionDataPoint, ModelId, TrainingConfig};
use provost_learn::neighbours::bands::{Bands, FEWEST_ROWS};
use provost_learn::neighbours::{MOST_ROWS, Neighbours};
use provost_learn::{LearnError, Matrix};
use provost_predict::application::Application;
use provost_predict::outcome::Outcome;
use provost_predict::serving::ServingModel;
use provost_store::PointSelection;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A row that may be shown.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    row: u32,
    distance: f64,
    pub label: u8,
}

/// Made once for a model; never stored.
pub struct SimilarIndex {
    pub model_id: ModelId,
    /// Of the store's points when it was made.
    pub points_version: u64,
    pub made_at: Duration,
    /// By name, in the order of the tree's columns.
    features: Vec<String>,
    bands: Vec<Bands>,
    /// Training rows of each year.
    years: BTreeMap<i32, u32>,
    neighbours: Neighbours,
    /// The point of each row.
    ids: Vec<String>,
}

impl SimilarIndex {
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The id of a candidate's point.
    pub fn id(&self, candidate: &Candidate) -> &str {
        &self.ids[candidate.row as usize]
    }

    /// The application's values, in the order of the tree's columns.
    fn values(&self, model: &ServingModel, application: &Application) -> Vec<f32> {
        let all: HashMap<String, Option<f64>> = model.features(application).into_iter().collect();
        let value = |name: &String| all.get(name).copied().flatten().map_or(f32::NAN, |value| value as f32);
        self.features.iter().map(value).collect()
    }

    /// The nearest rows of each outcome, at most `k` of each.
    pub fn candidates(&self, model: &ServingModel, application: &Application, k: usize) -> Vec<Candidate> {
        let found = self.neighbours.nearest(&self.values(model, application), k).unwrap_or_default();
        let labelled = (0..).zip(found).flat_map(|(label, class)| class.into_iter().map(move |near| (label, near)));
        labelled.map(|(label, near)| Candidate { row: near.row, distance: near.distance, label }).collect()
    }

    /// What is shown of a candidate, from its point as it is in the store.
    pub fn shown(&self, model: &ServingModel, point: &AdmissionDataPoint, candidate: &Candidate) -> SimilarRow {
        let values = self.values(model, &Application::from_point(point.clone()));
        let bands = self.features.iter().zip(&self.bands).zip(values);
        let year = point.application_year.filter(|year| self.years.get(year).is_some_and(|rows| *rows >= FEWEST_ROWS));
        SimilarRow {
            distance: (candidate.distance * 100.0).round() / 100.0,
            year,
            outcome: if candidate.label == 1 { Outcome::Accepted } else { Outcome::Rejected },
            features: bands.map(|((name, bands), value)| (name.clone(), bands.band(value))).collect(),
        }
    }
}

/// Reads the model's snapshot and the store's points, and makes the index of the training rows that are in both.
pub async fn make(
    service: &SimilarService,
    record: ModelRecord,
    salt: u64,
    points_version: u64,
    made_at: Duration,
) -> Result<SimilarIndex, PredictionError> {
    let ModelRecord { version, snapshot, .. } = record;
    let (artifacts, config) = (service.artifacts.clone(), version.training_config);
    let selection = PointSelection { verified_only: config.use_verified_only };
    let mut points = service.points.stream_points(selection).await?;
    let model_id = version.model_id;
    let cannot = {
        let model = model_id.clone();
        move |why: String| PredictionError::CannotServe { model: model.clone(), why }
    };
    blocking(move || {
        let data = read_snapshot(&artifacts, snapshot).map_err(|error| match error {
            LoadError::Store(error) if error.may_pass() => error.into(),
            error => cannot(error.to_string()),
        })?;
        let mut places = training_places(&data, &config, salt).map_err(|e| cannot(e.to_string()))?;
        let mut rows: Vec<(u32, String)> = Vec::new();
        while let Some(batch) = points.blocking_recv() {
            for point in batch? {
                // Where a point's outcome has changed since training, it is another row.
                if let Some(row) = places.remove(&point.row_id())
                    && point.decision.label() == Some(data.dataset.y()[row as usize])
                {
                    rows.push((row, point.data_point_id));
                }
            }
        }
        // By row ids, which are hashes: the first ones are a fair sample.
        rows.sort_unstable();
        rows.truncate(MOST_ROWS);
        index(&data, rows, model_id, points_version, made_at).map_err(|e| cannot(e.to_string()))
    })
    .await
}

/// The training rows of a snapshot by their ids.
fn training_places(
    data: &LoadedSnapshot,
    config: &TrainingConfig,
    salt: u64,
) -> Result<HashMap<u128, u32>, LearnError> {
    let parts = data.parts(config, salt)?;
    Ok(parts.train.iter().map(|row| (data.snapshot.row_ids[*row as usize], *row)).collect())
}

fn index(
    data: &LoadedSnapshot,
    rows: Vec<(u32, String)>,
    model_id: ModelId,
    points_version: u64,
    made_at: Duration,
) -> Result<SimilarIndex, LearnError> {
    let x = data.dataset.x();
    // Codes of categories have no distances.
    let columns: Vec<usize> = (0..x.width()).filter(|at| !is_category(&x.names()[*at])).collect();
    let features: Vec<String> = columns.iter().map(|at| x.names()[*at].clone()).collect();
    let column = |at: &usize| rows.iter().map(|(row, _)| x.value(*row as usize, *at)).collect::<Vec<f32>>();
    let own = Matrix::new(features.clone(), columns.iter().map(column).collect())?;
    let labels: Vec<u8> = rows.iter().map(|(row, _)| data.dataset.y()[*row as usize]).collect();
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let mut years = BTreeMap::new();
    for (row, _) in &rows {
        *years.entry(data.snapshot.years[*row as usize]).or_insert(0) += 1;
    }
    Ok(SimilarIndex {
        model_id,
        points_version,
        made_at,
        bands: (0..own.width()).map(|at| Bands::of(own.column(at).iter().copied())).collect(),
        features,
        years,
        neighbours: Neighbours::new(&own, &all, &labels)?,
        ids: rows.into_iter().map(|(_, id)| id).collect(),
    })
}
