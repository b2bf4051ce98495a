//! Estimates the memory that an export takes, before the export is made.

use provost_predict::trees::sets::Categories;
use provost_predict::trees::{Node, Tree};
use provost_predict::{Calibration, Model, Predictor};

/// Bytes for each node of a tree: its entries in the lists, and five copies of its encoded form, of which the last one
/// is the file.
const NODE: usize = 160;
/// Bytes for each number in a table, in the same copies.
const NUMBER: usize = 48;
/// Bytes for each part of a model: its operators and their names.
const PART: usize = 16_384;

/// Estimate of the bytes that making a model's ONNX file takes; rather too high than too low.
pub fn of(model: &Model) -> usize {
    let columns = model.feature_names.iter().map(|name| 2 * name.len() + NUMBER).sum::<usize>();
    [PART, columns, of_calibration(&model.calibration), of_predictor(&model.predictor)]
        .into_iter()
        .fold(0, usize::saturating_add)
}

fn of_calibration(calibration: &Calibration) -> usize {
    match calibration {
        Calibration::None | Calibration::Platt { .. } => PART,
        // The file has the x coordinates twice and the y coordinates once.
        Calibration::Isotonic { x, y } => PART + (2 * x.len() + y.len()).saturating_mul(NUMBER),
    }
}

fn of_predictor(predictor: &Predictor) -> usize {
    let own = match predictor {
        Predictor::Forest(forest) => of_trees(forest.trees(), None),
        Predictor::Boosting(model) => of_trees(model.trees(), None),
        Predictor::CategoryBoosting(model) => of_trees(model.boosting().trees(), Some(model.categories())),
        Predictor::Xgboost(model) => of_trees(model.trees(), None),
        Predictor::Logistic(model) => 6 * model.coefficients().len() * NUMBER,
        Predictor::Network(model) => {
            let preprocessed = 6 * model.preprocessor().columns().len();
            (model.layers().parameters().len() + preprocessed).saturating_mul(NUMBER)
        }
        Predictor::Encoded(model) => of_predictor(model.predictor()),
        Predictor::Ensemble(members) => {
            let member = members.iter().map(|m| of_member(&m.predictor, &m.calibration, m.columns.len()));
            member.fold(0, usize::saturating_add)
        }
        Predictor::Stack(stack) => {
            let member = stack.members.iter().map(|m| of_member(&m.predictor, &m.calibration, m.columns.len()));
            member.fold(0, usize::saturating_add)
        }
        _ => 0,
    };
    PART.saturating_add(own)
}

fn of_member(predictor: &Predictor, calibration: &Calibration, columns: usize) -> usize {
    [of_predictor(predictor), of_calibration(calibration), columns * NUMBER].into_iter().fold(0, usize::saturating_add)
}

fn of_trees(trees: &[Tree], categories: Option<&Categories>) -> usize {
    let nodes: usize = trees.iter().map(|tree| tree.len() + 1).sum();
    // Each split by a set stores the values of its set and an end mark.
    let sets = categories.map_or(&[][..], Categories::sets);
    let members = |set: usize| {
        1 + sets.get(set).map_or(0, |set| set.iter().map(|bits| bits.count_ones() as usize).sum::<usize>())
    };
    let members: usize = trees.iter().flatten().filter_map(Node::set).map(members).sum();
    nodes.saturating_mul(NODE).saturating_add(members.saturating_mul(NUMBER))
}
