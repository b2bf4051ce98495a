//! ONNX operators of calibration and of the functions between scores and probabilities. All tensors are rows × 1, in
//! double precision.

use crate::graph::{Attribute, Element, Graph, Tensor};
use provost_predict::Calibration;

/// Probabilities are bounded by this distance from 0 and 1 before their log-odds are taken, as in
/// `provost_predict::calibration::logit`.
const BOUND: f64 = 1e-6;

/// `1 / (1 + e^-z)`
pub fn sigmoid(graph: &mut Graph, z: &Tensor) -> Tensor {
    let negative = graph.node("Neg", &[z], &[]);
    let exponential = graph.node("Exp", &[&negative], &[]);
    let one = graph.number(1.0);
    let sum = graph.node("Add", &[&one, &exponential], &[]);
    graph.node("Div", &[&one, &sum], &[])
}

/// `ln(p / (1 - p))` with `p` bounded as in `provost_predict::calibration::logit`.
pub fn logit(graph: &mut Graph, p: &Tensor) -> Tensor {
    let p = clip(graph, p, BOUND, 1.0 - BOUND);
    let one = graph.number(1.0);
    let rest = graph.node("Sub", &[&one, &p], &[]);
    let odds = graph.node("Div", &[&p, &rest], &[]);
    graph.node("Log", &[&odds], &[])
}

/// Limits each number to `low` to `high`.
pub fn clip(graph: &mut Graph, x: &Tensor, low: f64, high: f64) -> Tensor {
    let (low, high) = (graph.number(low), graph.number(high));
    graph.node("Clip", &[x, &low, &high], &[])
}

/// The calibrated probability of each score.
pub fn calibrated(graph: &mut Graph, calibration: &Calibration, p: &Tensor) -> Tensor {
    match calibration {
        Calibration::None => clip(graph, p, 0.0, 1.0),
        Calibration::Platt { a, b } => {
            let (a, b) = (graph.number(*a), graph.number(*b));
            let z = logit(graph, p);
            let z = graph.node("Mul", &[&z, &a], &[]);
            let z = graph.node("Add", &[&z, &b], &[]);
            sigmoid(graph, &z)
        }
        Calibration::Isotonic { x, y } => interpolated(graph, x, y, p),
    }
}

/// Linear interpolation between the points (x, y). The number of points with x ≤ `p` tells between which two points `p`
/// lies.
fn interpolated(graph: &mut Graph, x: &[f64], y: &[f64], p: &Tensor) -> Tensor {
    let p = clip(graph, p, 0.0, 1.0);
    let (points, of_points) = (graph.doubles(&[1, x.len()], x), graph.doubles(&[x.len()], x));
    let values = graph.doubles(&[y.len()], y);
    let reached = graph.node("LessOrEqual", &[&points, &p], &[]);
    let reached = graph.cast(&reached, Element::Int);
    let axis = graph.ints(&[1]);
    let above = graph.node("ReduceSum", &[&reached, &axis], &[Attribute::int("keepdims", 1)]);
    let (zero, one, last) = (graph.ints(&[0]), graph.ints(&[1]), graph.ints(&[x.len() as i64 - 1]));
    let below = graph.node("Sub", &[&above, &one], &[]);
    let below = graph.node("Max", &[&below, &zero], &[]);
    let above = graph.node("Min", &[&above, &last], &[]);
    let mut ends =
        |list: &Tensor| (graph.node("Gather", &[list, &below], &[]), graph.node("Gather", &[list, &above], &[]));
    let ((x0, x1), (y0, y1)) = (ends(&of_points), ends(&values));
    let width = graph.node("Sub", &[&x1, &x0], &[]);
    let (none, unit) = (graph.number(0.0), graph.number(1.0));
    // At both ends the two points are the same point, and the width is 0.
    let is_point = graph.node("Equal", &[&width, &none], &[]);
    let width = graph.node("Where", &[&is_point, &unit, &width], &[]);
    let from = graph.node("Sub", &[&p, &x0], &[]);
    let share = graph.node("Div", &[&from, &width], &[]);
    let height = graph.node("Sub", &[&y1, &y0], &[]);
    let rise = graph.node("Mul", &[&share, &height], &[]);
    graph.node("Add", &[&y0, &rise], &[])
}
