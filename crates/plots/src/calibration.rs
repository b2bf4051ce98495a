//! Calibration: observed share against mean prediction, one mark per bin, and below them the number of rows in each bin. The
//! marks are not joined by a line, because nothing was measured between two bins.

use crate::error::PlotError;
use crate::frame::{Axes, Heading, heading, no_data, subjects};
use crate::palette::{AXIS, BLUE, INK, MUTED, ORANGE, PALE_BLUE};
use crate::style::{count, score, ticks};
use crate::surface::{Layout, Shape, Surface, Type};
use provost_domain::evaluation::{CalibrationBin, PlotData};

pub const NARROW: f64 = 540.0;

pub fn draw(s: &mut dyn Surface, data: &PlotData) -> Result<(), PlotError> {
    let good = |b: &&CalibrationBin| b.mean_predicted.is_finite() && b.fraction_of_positives.is_finite() && b.count > 0;
    let mut bins: Vec<&CalibrationBin> = data.calibration.iter().filter(good).collect();
    bins.sort_by(|a, b| a.mean_predicted.total_cmp(&b.mean_predicted));
    let n = bins.iter().fold(0u64, |sum, b| sum.saturating_add(b.count));
    let key = if bins.is_empty() { "Brier –".to_owned() } else { format!("Brier {}", score(data.brier)) };
    let note = format!("{}n = {}", found(data).map_or_else(String::new, |found| format!("{found} · ")), count(n));
    let top = heading(s, &Heading { title: "Calibration", key: &key, note: &note, subjects: &subjects(data) })?;
    if bins.is_empty() {
        return no_data(s, top, "No rows were scored.");
    }
    let axes = axes(s.layout());
    let fifths = ticks(0.0, 1.0, 0.2);
    axes.grid_x(s, &fifths, false)?;
    axes.grid_y(s, &fifths)?;
    s.dashes(axes.at(0.0, 0.0), axes.at(1.0, 1.0), 1.25, AXIS)?;
    axes.edges(s)?;
    for bin in &bins {
        let (shape, color) = mark(bin);
        if let Some([low, high]) = bin.interval_95 {
            let (bottom, top) = (axes.at(bin.mean_predicted, low), axes.at(bin.mean_predicted, high));
            s.line(bottom, top, 1.5, color)?;
            for (x, y) in [bottom, top] {
                s.line((x - 3.5, y), (x + 3.5, y), 1.5, color)?;
            }
        }
        s.marker(shape, axes.at(bin.mean_predicted, bin.fraction_of_positives), 4.5, color)?;
    }
    legend(s, &axes)?;
    rows(s, &axes, &bins)
}

/// A summary such as `1 of 10 bins outside its interval`; None if no bin has an interval.
pub fn found(data: &PlotData) -> Option<String> {
    let with_interval: Vec<&CalibrationBin> = data.calibration.iter().filter(|b| b.interval_95.is_some()).collect();
    let (all, outside) = (with_interval.len(), with_interval.iter().filter(|b| is_outside(b)).count());
    let bins = if all == 1 { "bin" } else { "bins" };
    let whose = if outside == 1 { "its interval" } else { "their intervals" };
    match (all, outside) {
        (0, _) => None,
        (_, 0) => Some(format!("{all} {bins}, each within its interval").replace("1 bin, each", "1 bin")),
        _ => Some(format!("{outside} of {all} {bins} outside {whose}")),
    }
}

/// Whether the mean prediction lies outside the interval of the observed share.
fn is_outside(bin: &CalibrationBin) -> bool {
    bin.interval_95.is_some_and(|[low, high]| bin.mean_predicted < low || bin.mean_predicted > high)
}

fn mark(bin: &CalibrationBin) -> (Shape, crate::palette::Color) {
    if is_outside(bin) { (Shape::Diamond, ORANGE) } else { (Shape::Dot, BLUE) }
}

fn axes(layout: Layout) -> Axes {
    let (from, to) = layout.pick(((84.0, 114.0), (760.0, 414.0)), ((44.0, 134.0), (344.0, 374.0)));
    Axes { from, to, x: (0.0, 1.0), y: (0.0, 1.0) }
}

fn legend(s: &mut dyn Surface, axes: &Axes) -> Result<(), PlotError> {
    let layout = s.layout();
    let y = axes.from.1 - 17.0;
    let title = axes.from.1 - layout.pick(17.0, 37.0);
    s.text((axes.from.0 - 28.0, title), "Observed share accepted", Type::new(12.0, INK))?;
    let marks = layout.pick(
        [(300.0, Shape::Dot, BLUE, "Bin, 95% interval"), (446.0, Shape::Diamond, ORANGE, "outside its interval")],
        [(23.0, Shape::Dot, BLUE, "Bin, 95% interval"), (150.0, Shape::Diamond, ORANGE, "outside it")],
    );
    for (x, shape, color, words) in marks {
        s.line((x, y - 7.0), (x, y + 7.0), 1.5, color)?;
        s.shape(shape, (x, y), 4.5, color)?;
        s.text((x + 11.0, y), words, Type::new(layout.pick(12.0, 11.0), INK))?;
    }
    let (from, words) = layout.pick((610.0, "Perfectly calibrated"), (240.0, "Perfect"));
    s.dashes((from, y), (from + 24.0, y), 1.25, AXIS)?;
    s.text((from + 32.0, y), words, Type::new(layout.pick(12.0, 11.0), MUTED))
}

/// The number of rows per bin of predicted probability, as bars.
fn rows(s: &mut dyn Surface, above: &Axes, bins: &[&CalibrationBin]) -> Result<(), PlotError> {
    let layout = s.layout();
    let (top, bottom) = (above.to.1 + 52.0, above.to.1 + layout.pick(120.0, 110.0));
    let most = bins.iter().map(|b| b.count).max().unwrap_or(1);
    let axes = Axes { from: (above.from.0, top), to: (above.to.0, bottom), x: (0.0, 1.0), y: (0.0, most as f64) };
    s.text((above.from.0 - 28.0, top - 29.0), "Applicants", Type::new(12.0, INK))?;
    for bin in bins {
        // A probability on the edge between two bins belongs to the lower bin.
        let left = ((bin.mean_predicted * 10.0).ceil() - 1.0).clamp(0.0, 9.0) / 10.0;
        let (from, to) = (axes.at(left, bin.count as f64), axes.at(left + 0.1, 0.0));
        let top = from.1.min(to.1 - 1.0);
        let inset = layout.pick(3.0, 1.5);
        s.rect((from.0 + inset, top), (to.0 - inset, to.1), PALE_BLUE)?;
        let em = layout.pick(11.0, 9.5);
        s.text(((from.0 + to.0) / 2.0, top - 9.0), &count(bin.count), Type::new(em, MUTED).center())?;
    }
    for (value, label) in ticks(0.0, 1.0, 0.2) {
        s.text((axes.at(value, 0.0).0, bottom + 15.0), &label, Type::new(11.0, MUTED).center())?;
    }
    s.line((axes.from.0, bottom), (axes.to.0, bottom), 1.0, AXIS)?;
    axes.x_title(s, "Predicted probability of acceptance")
}
