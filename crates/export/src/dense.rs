//! ONNX operators of models on preprocessed columns: logistic regression and the neural network.

use crate::graph::{Attribute, Element, Graph, Tensor};
use crate::scores::{clip, sigmoid};
use provost_predict::logistic::LogisticModel;
use provost_predict::network::activation::Activation;
use provost_predict::network::{INPUT_BOUND, NetworkModel};
use provost_predict::preprocess::{Affine, Preprocessor};

/// The preprocessed columns of `x`: imputed and scaled values, then the indicators of presence.
fn preprocessed(graph: &mut Graph, preprocessor: &Preprocessor, x: &Tensor) -> Tensor {
    let columns = preprocessor.columns();
    let medians: Vec<f64> = columns.iter().map(|column| column.median).collect();
    let medians = graph.doubles(&[1, columns.len()], &medians);
    let missing = graph.node("IsNaN", &[x], &[]);
    let filled = graph.node("Where", &[&missing, &medians, x], &[]);
    let values = scaled(graph, &filled, columns.iter().map(|column| column.value));
    let indicators: Vec<(i64, Affine)> =
        columns.iter().enumerate().filter_map(|(at, column)| Some((at as i64, column.present?))).collect();
    if indicators.is_empty() {
        return values;
    }
    let present = graph.node("Not", &[&missing], &[]);
    let present = graph.cast(&present, Element::Double);
    let which = graph.ints(&indicators.iter().map(|(at, _)| *at).collect::<Vec<_>>());
    let present = graph.node("Gather", &[&present, &which], &[Attribute::int("axis", 1)]);
    let present = scaled(graph, &present, indicators.iter().map(|(_, affine)| *affine));
    graph.node("Concat", &[&values, &present], &[Attribute::int("axis", 1)])
}

fn scaled(graph: &mut Graph, x: &Tensor, affines: impl Iterator<Item = Affine>) -> Tensor {
    let (shifts, factors): (Vec<f64>, Vec<f64>) = affines.map(|a| (a.shift, a.factor)).unzip();
    let shifts = graph.doubles(&[1, shifts.len()], &shifts);
    let factors = graph.doubles(&[1, factors.len()], &factors);
    let moved = graph.node("Sub", &[x, &shifts], &[]);
    graph.node("Mul", &[&moved, &factors], &[])
}

/// Probability of class 1 by logistic regression, rows × 1.
pub fn logistic(graph: &mut Graph, model: &LogisticModel, x: &Tensor) -> Tensor {
    let design = preprocessed(graph, model.preprocessor(), x);
    let coefficients = graph.doubles(&[model.coefficients().len(), 1], model.coefficients());
    let intercept = graph.number(model.intercept());
    let z = graph.node("MatMul", &[&design, &coefficients], &[]);
    let z = graph.node("Add", &[&z, &intercept], &[]);
    sigmoid(graph, &z)
}

/// Probability of class 1 by the network, rows × 1. The layers compute in single precision, as in training.
pub fn network(graph: &mut Graph, model: &NetworkModel, x: &Tensor) -> Tensor {
    let design = preprocessed(graph, model.preprocessor(), x);
    let bounded = clip(graph, &design, -INPUT_BOUND, INPUT_BOUND);
    let mut units = graph.cast(&bounded, Element::Float);
    let layers = model.layers();
    let layout = layers.layout();
    for (at, layer) in layout.iter().enumerate() {
        let weights = &layers.parameters()[layer.weights..layer.biases];
        let weights = graph.floats(&[layer.inputs, layer.outputs], weights);
        let biases = graph.floats(&[1, layer.outputs], &layers.parameters()[layer.biases..layer.end]);
        let sums = graph.node("MatMul", &[&units, &weights], &[]);
        units = graph.node("Add", &[&sums, &biases], &[]);
        if at + 1 < layout.len() {
            let operator = match layers.activation() {
                Activation::Relu => "Relu",
                Activation::Tanh => "Tanh",
            };
            units = graph.node(operator, &[&units], &[]);
        }
    }
    let z = graph.cast(&units, Element::Double);
    sigmoid(graph, &z)
}
