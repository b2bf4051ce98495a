//! The ROC curve; the model's decision threshold is marked on it.

use crate::error::PlotError;
use crate::frame::{Axes, Heading, heading, no_data, subjects};
use crate::palette::{AXIS, BLUE, GRID, INK, MUTED, ORANGE, PALER_BLUE};
use crate::style::{count, interval, percent, score, ticks};
use crate::surface::{Layout, Point, Shape, Surface, Type};
use provost_domain::evaluation::PlotData;

pub const NARROW: f64 = 588.0;

pub fn draw(s: &mut dyn Surface, data: &PlotData) -> Result<(), PlotError> {
    let layout = s.layout();
    let [[tn, fp], [fn_, tp]] = data.confusion_matrix;
    let (negatives, positives) = (tn.saturating_add(fp), fn_.saturating_add(tp));
    let n = format!("n = {}", count(negatives.saturating_add(positives)));
    let curve: Vec<(f64, f64)> = data.roc.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    let drawn = curve.len() >= 2;
    let key = format!("AUC {}", if drawn { score(data.auc) } else { "–".to_owned() });
    let note = if drawn { format!("{}{n}", interval(data.auc_interval, " · ")) } else { n };
    let top = heading(s, &Heading { title: "ROC curve", key: &key, note: &note, subjects: &subjects(data) })?;
    if !drawn {
        return no_data(s, top, "A ROC curve needs rows of both outcomes.");
    }
    let axes = axes(layout);
    let points = thinned(&axes, &curve);
    s.under(&points, axes.to.1, PALER_BLUE)?;
    let fifths = ticks(0.0, 1.0, 0.2);
    axes.grid_x(s, &fifths, true)?;
    axes.grid_y(s, &fifths)?;
    s.dashes(axes.at(0.0, 0.0), axes.at(1.0, 1.0), 1.25, AXIS)?;
    axes.edges(s)?;
    s.path(&points, 2.5, BLUE)?;
    let across = layout.pick("False positive rate (rejected applicants accepted)", "False positive rate");
    axes.titles(s, across, "True positive rate")?;

    let (x, y) = layout.pick((560.0, 128.0), (16.0, 474.0));
    s.line((x, y), (x + 24.0, y), 2.5, BLUE)?;
    s.text((x + 34.0, y), "Model", Type::new(12.0, INK))?;
    let (x, y) = layout.pick((560.0, 152.0), (150.0, 474.0));
    s.dashes((x, y), (x + 24.0, y), 1.25, AXIS)?;
    s.text((x + 34.0, y), "Guessing (AUC 0.500)", Type::new(12.0, MUTED))?;
    if negatives == 0 || positives == 0 {
        return Ok(());
    }
    let at = axes.at(fp as f64 / negatives as f64, tp as f64 / positives as f64);
    s.marker(Shape::Diamond, at, 5.0, ORANGE)?;
    let (x, y) = layout.pick((560.0, 176.0), (16.0, 496.0));
    s.shape(Shape::Diamond, (x + 12.0, y), 5.0, ORANGE)?;
    s.text((x + 34.0, y), &format!("At its threshold, {}", score(data.threshold)), Type::new(12.0, INK))?;
    if !layout.narrow {
        s.line((x, 204.0), (layout.right(), 204.0), 1.0, GRID)?;
    }
    let rates = [
        ("True positive rate", percent(tp, positives), positives, "accepted"),
        ("False positive rate", percent(fp, negatives), negatives, "rejected"),
    ];
    for (at, (name, rate, of, whom)) in (0..).map(f64::from).zip(&rates) {
        let (x, y) = layout.pick((560.0, 232.0 + 70.0 * at), (16.0 + 172.0 * at, 526.0));
        s.text((x, y), rate, Type::new(layout.pick(19.0, 17.0), INK).bold())?;
        s.text((x, y + 22.0), name, Type::new(12.0, INK))?;
        s.text((x, y + 38.0), &format!("of {} {whom}", count(*of)), Type::new(11.0, MUTED))?;
    }
    Ok(())
}

fn axes(layout: Layout) -> Axes {
    let (from, to) = layout.pick(((84.0, 114.0), (502.0, 532.0)), ((44.0, 112.0), (340.0, 408.0)));
    Axes { from, to, x: (0.0, 1.0), y: (0.0, 1.0) }
}

/// The curve in picture units, without points that lie within a quarter of a unit of the last point kept.
fn thinned(axes: &Axes, curve: &[(f64, f64)]) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for (at, (x, y)) in curve.iter().enumerate() {
        let point = axes.at(*x, *y);
        let near = points.last().is_some_and(|last| (last.0 - point.0).hypot(last.1 - point.1) < 0.25);
        if !near || at + 1 == curve.len() {
            points.push(point);
        }
    }
    points
}
