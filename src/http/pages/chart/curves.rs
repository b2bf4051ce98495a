//! Curves over the unit square: ROC, precision and recall, calibration.

use super::super::text::{count, three};
use super::drawing::{Drawing, Plane, drawn};
use super::{Figure, quarters};
use provost_domain::evaluation::CalibrationBin;

/// One model's curve.
pub struct Curve {
    pub name: String,
    /// (x, y), by rising x or falling threshold.
    pub points: Vec<(f64, f64)>,
    /// The point at the model's own threshold.
    pub decision: Option<(f64, f64)>,
}

fn table(curves: &[Curve], decimals: usize) -> Vec<Vec<String>> {
    let every = |points: &[(f64, f64)]| (points.len() / 12).max(1);
    curves
        .iter()
        .flat_map(|curve| {
            let step = every(&curve.points);
            curve
                .points
                .iter()
                .step_by(step)
                .map(move |(x, y)| vec![curve.name.clone(), format!("{x:.decimals$}"), format!("{y:.decimals$}")])
        })
        .collect()
}

fn with_curves(mut drawing: Drawing, curves: &[Curve]) -> Drawing {
    for (series, curve) in (1..).zip(curves) {
        drawing.line(&format!("l{}", series.min(5)), curve.points.iter().copied());
        if let Some((x, y)) = curve.decision {
            drawing.mark(series, x, y, 5.0);
        }
    }
    drawing
}

/// True against false positive rate.
pub fn roc(curves: &[Curve], note: String) -> Figure {
    let title = "ROC";
    let svg = drawn(|layout| {
        let mut drawing = Drawing::new(
            Plane::unit(layout),
            title,
            "Share of the accepted that the model accepts, against the share of the rejected that it accepts. The mark is the model's own threshold.",
        );
        drawing.axes(&quarters(), &quarters(), "false positive rate", "true positive rate");
        drawing.line("even", [(0.0, 0.0), (1.0, 1.0)].into_iter());
        with_curves(drawing, curves)
    });
    let columns = ["Model", "False positive rate", "True positive rate"].map(str::to_owned).into();
    Figure { title: title.to_owned(), note, svg, columns, rows: table(curves, 3) }
}

/// Precision against recall. A level line at the share of accepted rows shows what guessing reaches.
pub fn precision_recall(curves: &[Curve], base: f64, note: String) -> Figure {
    let title = "Precision and recall";
    let svg = drawn(|layout| {
        let mut drawing = Drawing::new(
            Plane::unit(layout),
            title,
            "Share of the model's acceptances that are right, against the share of the accepted that it finds. The dashed line is what guessing reaches.",
        );
        drawing.axes(&quarters(), &quarters(), "recall", "precision");
        drawing.line("even", [(0.0, base), (1.0, base)].into_iter());
        with_curves(drawing, curves)
    });
    let columns = ["Model", "Recall", "Precision"].map(str::to_owned).into();
    Figure { title: title.to_owned(), note, svg, columns, rows: table(curves, 3) }
}

/// Observed against predicted shares: a mark with its interval for each bin, without a joining line.
pub fn calibration(bins: &[CalibrationBin], brier: f64) -> Figure {
    let title = "Calibration";
    let outside = bins
        .iter()
        .filter(|bin| bin.interval_95.is_some_and(|[low, high]| bin.mean_predicted < low || bin.mean_predicted > high))
        .count();
    let note = format!("{outside} of {} bins outside its interval · Brier score {}", bins.len(), three(brier));
    let svg = drawn(|layout| {
        let mut drawing = Drawing::new(
            Plane::unit(layout),
            title,
            "Observed share of acceptances against the mean predicted chance, in ten bins with 95 % intervals. On the dashed line both are equal.",
        );
        drawing.axes(&quarters(), &quarters(), "predicted chance", "observed share");
        drawing.line("even", [(0.0, 0.0), (1.0, 1.0)].into_iter());
        for bin in bins {
            if let Some([low, high]) = bin.interval_95 {
                let (from, to) =
                    (drawing.plane.at(bin.mean_predicted, low), drawing.plane.at(bin.mean_predicted, high));
                drawing.segment("whisker l1", from, to);
            }
            drawing.mark(1, bin.mean_predicted, bin.fraction_of_positives, 4.0);
        }
        drawing
    });
    let rows = bins
        .iter()
        .map(|bin| {
            let interval = bin.interval_95.map_or_else(|| "–".to_owned(), super::super::text::interval);
            vec![three(bin.mean_predicted), three(bin.fraction_of_positives), interval, count(bin.count)]
        })
        .collect();
    let columns = ["Predicted", "Observed", "95 % interval", "Rows"].map(str::to_owned).into();
    Figure { title: title.to_owned(), note, svg, columns, rows }
}
