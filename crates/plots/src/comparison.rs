//! Models side by side: one dot per model and metric. Dots, because the axis is zoomed and a bar would lie on it.

use crate::PlotError;
use crate::font;
use crate::frame::{Axes, LEFT, RIGHT, heading, no_data};
use crate::style::{BAND, GRID, INK, MUTED, SERIES, count, drawable, human, score, step, ticks};
use crate::surface::{Surface, Type};

const BOTTOM: f64 = 536.0;

/// Label and (metric, score) pairs.
type Scored = (String, Vec<(String, f64)>);

pub fn draw(s: &mut dyn Surface, models: &[Scored]) -> Result<(), PlotError> {
    let shown = &models[..models.len().min(SERIES.len())];
    let mut metrics: Vec<&str> = Vec::new();
    let mut values: Vec<f64> = Vec::new();
    for (metric, value) in shown.iter().flat_map(|m| &m.1).filter(|(_, v)| drawable(*v)) {
        if !metrics.contains(&metric.as_str()) {
            metrics.push(metric);
        }
        values.push(*value);
    }
    let all = if models.len() == 1 { "1 model".to_owned() } else { format!("{} models", count(models.len() as u64)) };
    let note = if shown.len() < models.len() { format!("the first {} of {all}", shown.len()) } else { all };
    heading(s, "Model comparison", "On the rows that every model holds out", "", &note)?;
    let (Some(low), Some(high)) =
        (values.iter().copied().min_by(f64::total_cmp), values.iter().copied().max_by(f64::total_cmp))
    else {
        return no_data(s, "No scores to compare.");
    };

    let top = legend(s, shown)? + 18.0;
    let block = ((BOTTOM - top) / metrics.len() as f64).min(150.0);
    let (low, high) = zoom(low, high);
    let axes = Axes {
        from: (LEFT + 110.0, top),
        to: (RIGHT - 20.0, top + block * metrics.len() as f64),
        x: (low, high),
        y: (0.0, 1.0),
    };
    for at in (0..metrics.len()).step_by(2) {
        let y = top + at as f64 * block;
        s.rect((LEFT, y), (RIGHT, y + block), BAND)?;
    }
    axes.grid_x(s, &ticks(low, high, step(high - low, 8)), true)?;
    for (at, metric) in metrics.iter().enumerate() {
        let y = top + at as f64 * block;
        let name = font::fit(&human(metric), 13.0, true, 96.0)?;
        s.text((LEFT + 10.0, y + block / 2.0), &name, Type::new(13.0, INK).bold())?;
        rows(s, &axes, shown, metric, (y, block))?;
    }
    let zoomed = format!("Score (axis zoomed to {} – {})", score(low), score(high));
    let whole = "Score".to_owned();
    let title = if (low, high) == (0.0, 1.0) { whole } else { zoomed };
    s.text(((axes.from.0 + axes.to.0) / 2.0, axes.to.1 + 36.0), &title, Type::new(12.0, INK).center())
}

/// One metric's dots, a line of its own for each model.
fn rows(
    s: &mut dyn Surface,
    axes: &Axes,
    models: &[Scored],
    metric: &str,
    (y, block): (f64, f64),
) -> Result<(), PlotError> {
    let of = |m: &Scored| m.1.iter().find(|(name, v)| name == metric && drawable(*v)).map(|(_, v)| *v);
    let best = models.iter().filter_map(of).max_by(f64::total_cmp);
    let line = (block * 0.84 / models.len() as f64).min(26.0);
    let first = y + (block - line * models.len() as f64) / 2.0 + line / 2.0;
    let em = (line * 0.8).min(11.5);
    for (at, model) in models.iter().enumerate() {
        let Some(value) = of(model) else { continue };
        let middle = first + at as f64 * line;
        let x = axes.at(value, 0.0).0;
        s.line((axes.from.0, middle), (axes.to.0, middle), 1.0, GRID)?;
        s.dot((x, middle), (line * 0.34).clamp(3.2, 5.5), SERIES[at % SERIES.len()])?;
        // Below this nobody can read the figures; the dots and the axis remain.
        if em >= 7.5 {
            let style = Type::new(em, if Some(value) == best { INK } else { MUTED });
            let style = if Some(value) == best { style.bold() } else { style };
            let inside = x + 44.0 > RIGHT;
            let at = if inside { x - 10.0 } else { x + 10.0 };
            s.text((at, middle), &score(value), if inside { style.right() } else { style })?;
        }
    }
    Ok(())
}

/// Two columns; returns where it ends.
fn legend(s: &mut dyn Surface, models: &[Scored]) -> Result<f64, PlotError> {
    let columns = if models.len() > 1 { 2 } else { 1 };
    let width = (RIGHT - LEFT) / columns as f64;
    for (at, (label, _)) in models.iter().enumerate() {
        let (x, y) = (LEFT + (at % columns) as f64 * width, 96.0 + (at / columns) as f64 * 20.0);
        s.dot((x + 6.0, y), 5.0, SERIES[at % SERIES.len()])?;
        s.text((x + 18.0, y), &font::fit(label, 12.0, false, width - 32.0)?, Type::new(12.0, INK))?;
    }
    Ok(96.0 + models.len().div_ceil(columns).saturating_sub(1) as f64 * 20.0)
}

/// The scores' range on round numbers, with a little room; within [0, 1] when they are.
fn zoom(low: f64, high: f64) -> (f64, f64) {
    let span = (high - low).max(0.02 * low.abs().max(high.abs()).max(1.0));
    let (from, to) = (low - 0.08 * span, high + 0.08 * span);
    let step = step(to - from, 8);
    let (from, to) = ((from / step).floor() * step, (to / step).ceil() * step);
    if low >= 0.0 && high <= 1.0 { (from.max(0.0), to.min(1.0)) } else { (from, to) }
}
