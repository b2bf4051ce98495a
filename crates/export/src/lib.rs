//! Export of fitted models as ONNX files, with which other systems predict. Imputation, scaling and calibration are
//! part of the file, so that its probabilities are the model's own (within 1e-6 for trees and logistic regression, and
//! within 1e-5 for neural networks and models that contain one).
//!
//! A file has one input, `features` (rows × columns, single precision, NaN is missing), and two outputs of one value
//! per row: `probability` (double precision) and `predicted_outcome` (`accepted` or `rejected`). Its metadata give the
//! names of the columns in order (`feature_names`, one per line), the `threshold` and the `algorithm`. Models that
//! encode categories as rates have the encoded columns as inputs; [`Exported::inputs`] lists them.

#![warn(missing_docs)]

mod dense;
mod graph;
mod inputs;
mod memory;
mod protobuf;
mod scores;
mod trees;

use graph::{Attribute, Element, Graph, Tensor};
use inputs::Inputs;
pub use inputs::{Input, Source};
use provost_predict::trees::sets::Categories;
use provost_predict::trees::{Node, Tree};
use provost_predict::{Model, Predictor};
use trees::Addition;

/// Why a model cannot be exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The model has a part that ONNX has no operator for.
    #[error("the model cannot be exported as ONNX: {0}")]
    Unsupported(String),
    /// Making the file would take more memory than is allowed.
    #[error("the export would take {bytes} bytes of memory; {most} are allowed")]
    TooLarge {
        /// Estimate of the bytes that the export would take.
        bytes: usize,
        /// Number of bytes that are allowed.
        most: usize,
    },
}

/// A model as an ONNX file.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The file.
    pub bytes: Vec<u8>,
    /// The columns of the file's input, in order.
    pub inputs: Vec<Input>,
}

/// Writes the model as an ONNX file, in at most `most` bytes of memory. The same model gives the same bytes.
///
/// # Errors
///
/// `TooLarge`, before any work is done, if the estimated memory exceeds `most`; `Unsupported` if ONNX has no operator
/// for a part of the model.
pub fn onnx(model: &Model, most: usize) -> Result<Exported, ExportError> {
    let bytes = memory::of(model);
    if bytes > most {
        return Err(ExportError::TooLarge { bytes, most });
    }
    let all: Vec<u32> = model.columns.clone();
    let mut inputs = Inputs::default();
    inputs.collect(&model.predictor, &all, &model.feature_names);
    if inputs.is_empty() {
        // A constant model needs no column, but a tensor must have one.
        inputs.raw(0, &model.feature_names);
    }
    let mut graph = Graph::default();
    let features = graph.input("features", Element::Float, inputs.len());
    let x = graph.cast(&features, Element::Double);
    let score = probability(&mut graph, &mut inputs.reader(), &x, &model.predictor, &all)?;
    let calibrated = scores::calibrated(&mut graph, &model.calibration, &score);
    let axis = graph.ints(&[1]);
    let p = graph.node("Squeeze", &[&calibrated, &axis], &[]);
    graph.output("probability", Element::Double, &p);
    let threshold = graph.number(model.threshold);
    let accepted = graph.node("GreaterOrEqual", &[&p, &threshold], &[]);
    let (yes, no) = (graph.text("accepted"), graph.text("rejected"));
    let outcome = graph.node("Where", &[&accepted, &yes, &no], &[]);
    graph.output("predicted_outcome", Element::Text, &outcome);
    let names: Vec<&str> = inputs.list().iter().map(|input| input.name.as_str()).collect();
    let metadata = [
        ("feature_names", names.join("\n")),
        ("threshold", model.threshold.to_string()),
        ("algorithm", model.algorithm.to_string()),
    ];
    Ok(Exported { bytes: graph.into_file("admission", &metadata), inputs: inputs.into_list() })
}

/// The predictor's probabilities, rows × 1. `columns` are the predictor's own columns as indices into the model's
/// features.
fn probability(
    graph: &mut Graph,
    inputs: &mut inputs::Reader<'_>,
    x: &Tensor,
    predictor: &Predictor,
    columns: &[u32],
) -> Result<Tensor, ExportError> {
    let own = match predictor {
        Predictor::Constant(_) | Predictor::Ensemble(_) | Predictor::Stack(_) => None,
        Predictor::Encoded(_) => Some(inputs.next_encoded()),
        _ => Some(inputs.raw(columns)),
    };
    let x_own = own.map(|places| {
        let places = graph.ints(&places);
        graph.node("Gather", &[x, &places], &[Attribute::int("axis", 1)])
    });
    let single = match (predictor, &x_own) {
        (Predictor::Encoded(model), Some(x)) => return single(graph, model.predictor(), x),
        (_, Some(x)) => return single(graph, predictor, x),
        (other, None) => other,
    };
    let part = |columns: &[u32], own: &[u32]| own.iter().map(|c| columns[*c as usize]).collect::<Vec<u32>>();
    match single {
        Predictor::Ensemble(members) => {
            let mut mean = graph.number(0.0);
            for member in members {
                let p = probability(graph, inputs, x, &member.predictor, &part(columns, &member.columns))?;
                let p = scores::calibrated(graph, &member.calibration, &p);
                let weight = graph.number(member.weight);
                let weighted = graph.node("Mul", &[&p, &weight], &[]);
                mean = graph.node("Add", &[&mean, &weighted], &[]);
            }
            Ok(scores::clip(graph, &mean, 0.0, 1.0))
        }
        Predictor::Stack(stack) => {
            let mut z = graph.number(stack.intercept);
            for member in &stack.members {
                let p = probability(graph, inputs, x, &member.predictor, &part(columns, &member.columns))?;
                let p = scores::calibrated(graph, &member.calibration, &p);
                let (odds, weight) = (scores::logit(graph, &p), graph.number(member.weight));
                let weighted = graph.node("Mul", &[&odds, &weight], &[]);
                z = graph.node("Add", &[&z, &weighted], &[]);
            }
            Ok(scores::sigmoid(graph, &z))
        }
        Predictor::Constant(p) => Ok(constant(graph, x, *p)),
        _ => Err(ExportError::Unsupported("a predictor that is newer than this export".to_owned())),
    }
}

/// The same number for each row, rows × 1.
fn constant(graph: &mut Graph, x: &Tensor, p: f64) -> Tensor {
    let first = graph.ints(&[0]);
    let column = graph.node("Gather", &[x, &first], &[Attribute::int("axis", 1)]);
    let missing = graph.node("IsNaN", &[&column], &[]);
    let p = graph.number(p);
    graph.node("Where", &[&missing, &p, &p], &[])
}

/// Probabilities of a predictor that is not a combination of others, rows × 1; `x` has the predictor's own columns.
fn single(graph: &mut Graph, predictor: &Predictor, x: &Tensor) -> Result<Tensor, ExportError> {
    let unsupported = ExportError::Unsupported;
    Ok(match predictor {
        Predictor::Constant(p) => constant(graph, x, *p),
        Predictor::Logistic(model) => dense::logistic(graph, model, x),
        Predictor::Network(model) => dense::network(graph, model, x),
        Predictor::Forest(forest) => {
            let sum = trees::sum(graph, x, forest.trees(), None, Addition::Double).map_err(unsupported)?;
            let count = graph.number(forest.trees().len() as f64);
            graph.node("Div", &[&sum, &count], &[])
        }
        Predictor::Boosting(model) => boosted(graph, x, model.trees(), None, model.base())?,
        Predictor::CategoryBoosting(model) => {
            let boosting = model.boosting();
            boosted(graph, x, boosting.trees(), Some(model.categories()), boosting.base())?
        }
        Predictor::Xgboost(model) => {
            // XGBoost adds the leaves to the margin in single precision.
            let margin = vec![Node::leaf(model.margin())];
            let trees = std::iter::once(&margin).chain(model.trees());
            let z = trees::sum(graph, x, trees, None, Addition::SingleInOrder).map_err(unsupported)?;
            scores::sigmoid(graph, &z)
        }
        _ => return Err(unsupported("an encoder around a model that is no single learner's".to_owned())),
    })
}

fn boosted(
    graph: &mut Graph,
    x: &Tensor,
    trees: &[Tree],
    categories: Option<&Categories>,
    base: f64,
) -> Result<Tensor, ExportError> {
    let sum = trees::sum(graph, x, trees, categories, Addition::Double).map_err(ExportError::Unsupported)?;
    let base = graph.number(base);
    let z = graph.node("Add", &[&sum, &base], &[]);
    Ok(scores::sigmoid(graph, &z))
}
