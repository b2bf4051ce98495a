//! Calibration: observed against predicted, with the rows of each bin beneath.

use crate::PlotError;
use crate::frame::{Axes, heading, no_data};
use crate::style::{AXIS, BLUE, INK, MUTED, PALE_BLUE, count, score, ticks};
use crate::surface::{Point, Surface, Type};
use provost_domain::evaluation::{CalibrationBin, PlotData};

const CURVE: Axes = Axes { from: (84.0, 114.0), to: (760.0, 414.0), x: (0.0, 1.0), y: (0.0, 1.0) };
const ROWS: (f64, f64) = (466.0, 534.0);
const INTERVAL: (u8, u8, u8) = (133, 173, 205);

pub fn draw(s: &mut dyn Surface, data: &PlotData) -> Result<(), PlotError> {
    let good = |b: &&CalibrationBin| b.mean_predicted.is_finite() && b.fraction_of_positives.is_finite() && b.count > 0;
    let mut bins: Vec<&CalibrationBin> = data.calibration.iter().filter(good).collect();
    bins.sort_by(|a, b| a.mean_predicted.total_cmp(&b.mean_predicted));
    let n = bins.iter().fold(0u64, |sum, b| sum.saturating_add(b.count));
    let key = if bins.is_empty() { "Brier –".to_owned() } else { format!("Brier {}", score(data.brier)) };
    heading(s, "Calibration", &data.title, &key, &format!("n = {}", count(n)))?;
    if bins.is_empty() {
        return no_data(s, "No rows were scored.");
    }
    let fifths = ticks(0.0, 1.0, 0.2);
    CURVE.grid_x(s, &fifths, false)?;
    CURVE.grid_y(s, &fifths)?;
    s.dashes(CURVE.at(0.0, 0.0), CURVE.at(1.0, 1.0), 1.25, AXIS)?;
    CURVE.edges(s)?;
    for bin in &bins {
        let (low, high) = wilson(bin.fraction_of_positives, bin.count);
        let (bottom, top) = (CURVE.at(bin.mean_predicted, low), CURVE.at(bin.mean_predicted, high));
        s.line(bottom, top, 1.5, INTERVAL)?;
        for (x, y) in [bottom, top] {
            s.line((x - 3.5, y), (x + 3.5, y), 1.5, INTERVAL)?;
        }
    }
    let points: Vec<Point> = bins.iter().map(|b| CURVE.at(b.mean_predicted, b.fraction_of_positives)).collect();
    s.path(&points, 2.5, BLUE)?;
    for point in &points {
        s.marker(*point, 4.5, BLUE)?;
    }
    s.text((CURVE.from.0 - 28.0, CURVE.from.1 - 17.0), "Observed share accepted", Type::new(12.0, INK))?;
    legend(s)?;
    rows(s, &bins)
}

fn legend(s: &mut dyn Surface) -> Result<(), PlotError> {
    let y = CURVE.from.1 - 17.0;
    s.dashes((612.0, y), (636.0, y), 1.25, AXIS)?;
    s.text((760.0, y), "Perfectly calibrated", Type::new(12.0, MUTED).right())?;
    s.line((438.0, y - 7.0), (438.0, y + 7.0), 1.5, INTERVAL)?;
    s.dot((438.0, y), 4.5, BLUE)?;
    s.text((450.0, y), "Model, 95% interval", Type::new(12.0, INK))
}

/// Rows per bin of predicted probability.
fn rows(s: &mut dyn Surface, bins: &[&CalibrationBin]) -> Result<(), PlotError> {
    let most = bins.iter().map(|b| b.count).max().unwrap_or(1);
    let axes = Axes { from: (CURVE.from.0, ROWS.0), to: (CURVE.to.0, ROWS.1), x: (0.0, 1.0), y: (0.0, most as f64) };
    s.text((CURVE.from.0 - 28.0, ROWS.0 - 29.0), "Applicants", Type::new(12.0, INK))?;
    for bin in bins {
        // A probability on an edge is in the lower bin.
        let left = ((bin.mean_predicted * 10.0).ceil() - 1.0).clamp(0.0, 9.0) / 10.0;
        let (from, to) = (axes.at(left, bin.count as f64), axes.at(left + 0.1, 0.0));
        let top = from.1.min(to.1 - 1.0);
        s.rect((from.0 + 3.0, top), (to.0 - 3.0, to.1), PALE_BLUE)?;
        s.text(((from.0 + to.0) / 2.0, top - 9.0), &count(bin.count), Type::new(11.0, MUTED).center())?;
    }
    for (value, label) in ticks(0.0, 1.0, 0.2) {
        s.text((axes.at(value, 0.0).0, ROWS.1 + 15.0), &label, Type::new(11.0, MUTED).center())?;
    }
    s.line((axes.from.0, ROWS.1), (axes.to.0, ROWS.1), 1.0, AXIS)?;
    let middle = (axes.from.0 + axes.to.0) / 2.0;
    s.text((middle, ROWS.1 + 36.0), "Predicted probability of acceptance", Type::new(12.0, INK).center())
}

/// The 95 % score interval of a share (Wilson 1927).
fn wilson(share: f64, n: u64) -> (f64, f64) {
    let (z2, n) = (1.959_963_984_540_054f64.powi(2), n as f64);
    let share = share.clamp(0.0, 1.0);
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 * (share * (1.0 - share) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}
