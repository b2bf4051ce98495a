//! The ROC curve, with the model's own threshold marked on it.

use crate::PlotError;
use crate::frame::{Axes, heading, no_data};
use crate::style::{AXIS, BLUE, GRID, INK, MUTED, ORANGE, PALER_BLUE, count, percent, score, ticks};
use crate::surface::{Point, Surface, Type};
use provost_domain::evaluation::PlotData;

const AXES: Axes = Axes { from: (84.0, 114.0), to: (502.0, 532.0), x: (0.0, 1.0), y: (0.0, 1.0) };
const PANEL: f64 = 560.0;

pub fn draw(s: &mut dyn Surface, data: &PlotData) -> Result<(), PlotError> {
    let [[tn, fp], [fn_, tp]] = data.confusion_matrix;
    let (negatives, positives) = (tn.saturating_add(fp), fn_.saturating_add(tp));
    let n = format!("n = {}", count(negatives.saturating_add(positives)));
    let curve: Vec<(f64, f64)> = data.roc.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    if curve.len() < 2 {
        heading(s, "ROC curve", &data.title, "AUC –", &n)?;
        return no_data(s, "A ROC curve needs rows of both outcomes.");
    }
    heading(s, "ROC curve", &data.title, &format!("AUC {}", score(data.auc)), &n)?;
    let points = thinned(&curve);
    s.under(&points, AXES.to.1, PALER_BLUE)?;
    let fifths = ticks(0.0, 1.0, 0.2);
    AXES.grid_x(s, &fifths, true)?;
    AXES.grid_y(s, &fifths)?;
    s.dashes(AXES.at(0.0, 0.0), AXES.at(1.0, 1.0), 1.25, AXIS)?;
    AXES.edges(s)?;
    s.path(&points, 2.5, BLUE)?;
    AXES.titles(s, "False positive rate (rejected applicants accepted)", "True positive rate")?;

    legend_line(s, 128.0, "Model")?;
    s.dashes((PANEL, 152.0), (PANEL + 24.0, 152.0), 1.25, AXIS)?;
    s.text((PANEL + 34.0, 152.0), "Guessing (AUC 0.500)", Type::new(12.0, MUTED))?;
    if negatives > 0 && positives > 0 {
        let at = AXES.at(fp as f64 / negatives as f64, tp as f64 / positives as f64);
        s.marker(at, 5.0, ORANGE)?;
        s.dot((PANEL + 12.0, 176.0), 5.0, ORANGE)?;
        s.text((PANEL + 34.0, 176.0), "At the model's threshold", Type::new(12.0, INK))?;
        s.line((PANEL, 204.0), (760.0, 204.0), 1.0, GRID)?;
        let rates = [
            ("True positive rate", percent(tp, positives), positives, "accepted"),
            ("False positive rate", percent(fp, negatives), negatives, "rejected"),
        ];
        for (row, (name, rate, of, whom)) in rates.iter().enumerate() {
            let y = 232.0 + 70.0 * row as f64;
            s.text((PANEL, y), rate, Type::new(19.0, INK).bold())?;
            s.text((PANEL, y + 22.0), name, Type::new(12.0, INK))?;
            s.text((PANEL, y + 38.0), &format!("of {} {whom}", count(*of)), Type::new(11.0, MUTED))?;
        }
    }
    Ok(())
}

fn legend_line(s: &mut dyn Surface, y: f64, name: &str) -> Result<(), PlotError> {
    s.line((PANEL, y), (PANEL + 24.0, y), 2.5, BLUE)?;
    s.text((PANEL + 34.0, y), name, Type::new(12.0, INK))
}

/// The curve in units, less the points that lie within a quarter of one from the last kept.
fn thinned(curve: &[(f64, f64)]) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for (at, (x, y)) in curve.iter().enumerate() {
        let point = AXES.at(*x, *y);
        let near = points.last().is_some_and(|last| (last.0 - point.0).hypot(last.1 - point.1) < 0.25);
        if !near || at + 1 == curve.len() {
            points.push(point);
        }
    }
    points
}
