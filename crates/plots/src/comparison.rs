//! Comparison of models: one mark per model and metric, with its interval. Marks instead of bars, because the axis does not
//! start at 0 and the length of a bar would mislead.

use crate::error::PlotError;
use crate::font;
use crate::frame::{Axes, Heading, heading, no_data};
use crate::palette::{BAND, GREY, GRID, INK, MUTED};
use crate::style::{count, drawable, human, score, step, ticks};
use crate::surface::{SERIES, Surface, Type, series_color};
use provost_domain::evaluation::{ComparedModel, ComparedScore, ComparisonPlotData};

pub const NARROW: f64 = 720.0;

pub fn draw(s: &mut dyn Surface, data: &ComparisonPlotData) -> Result<(), PlotError> {
    let layout = s.layout();
    let shown = &data.models[..data.models.len().min(SERIES)];
    let scores = || shown.iter().flat_map(|m| &m.scores).filter(|c| drawable(c.value));
    let mut metrics: Vec<&str> = Vec::new();
    for score in scores() {
        if !metrics.contains(&score.metric.as_str()) {
            metrics.push(&score.metric);
        }
    }
    let ends = scores().flat_map(|c| {
        let [low, high] = c.interval.filter(|i| i.iter().all(|end| drawable(*end))).unwrap_or([c.value; 2]);
        [low, c.value, high]
    });
    let ends: Vec<f64> = ends.collect();
    let all = match data.models.len() {
        1 => "1 model".to_owned(),
        n if n > shown.len() => format!("the first {} of {} models", shown.len(), count(n as u64)),
        n => format!("{n} models"),
    };
    let note = format!("{all} · n = {}", count(data.rows));
    let subjects = [
        format!("On the rows that every model holds out · {}", data.date),
        format!("On rows that all hold out · {}", data.date),
    ];
    let top = heading(s, &Heading { title: "Model comparison", key: "", note: &note, subjects: &subjects })?;
    let (Some(low), Some(high)) =
        (ends.iter().copied().min_by(f64::total_cmp), ends.iter().copied().max_by(f64::total_cmp))
    else {
        return no_data(s, top, "No scores to compare.");
    };

    let top = legend(s, top + 20.0, shown)? + 18.0;
    let bottom = layout.height - 80.0;
    let block = ((bottom - top) / metrics.len() as f64).min(150.0);
    let (low, high) = zoom(low, high);
    let (left, right) = (layout.left(), layout.right());
    let axes = Axes {
        from: (left + layout.pick(110.0, 74.0), top),
        to: (right - layout.pick(60.0, 46.0), top + block * metrics.len() as f64),
        x: (low, high),
        y: (0.0, 1.0),
    };
    for at in (0..metrics.len()).step_by(2) {
        let y = top + at as f64 * block;
        s.rect((left, y), (right, y + block), BAND)?;
    }
    axes.grid_x(s, &ticks(low, high, step(high - low, layout.pick(8, 4))), true)?;
    let em = layout.pick(13.0, 12.0);
    for (at, metric) in metrics.iter().enumerate() {
        let y = top + at as f64 * block;
        let name = font::fit(&human(metric), em, true, layout.pick(96.0, 66.0))?;
        s.text((left + layout.pick(10.0, 6.0), y + block / 2.0), &name, Type::new(em, INK).bold())?;
        rows(s, &axes, shown, metric, (y, block))?;
    }
    let whole = (low, high) == (0.0, 1.0);
    let zoomed = format!("Score, 95% interval (axis from {} to {})", score(low), score(high));
    let title = if whole { "Score, 95% interval".to_owned() } else { zoomed };
    let middle = layout.pick((axes.from.0 + axes.to.0) / 2.0, layout.width / 2.0);
    s.text((middle, axes.to.1 + 36.0), &title, Type::new(12.0, INK).center())?;
    let words = match (shown.len() > 1, scores().any(|c| c.highest), layout.narrow) {
        (false, _, _) => "",
        (true, true, false) => "Bold: higher than each other model's beyond chance",
        (true, true, true) => "Bold: above all others beyond chance",
        (true, false, false) => "No model is above all others beyond chance in any metric",
        (true, false, true) => "None is above all others beyond chance",
    };
    s.text((middle, axes.to.1 + 56.0), words, Type::new(11.5, MUTED).center())
}

/// The marks of one metric, one line per model.
fn rows(
    s: &mut dyn Surface,
    axes: &Axes,
    models: &[ComparedModel],
    metric: &str,
    (y, block): (f64, f64),
) -> Result<(), PlotError> {
    let layout = s.layout();
    let of = |m: &ComparedModel| -> Option<ComparedScore> { m.scores.iter().find(|c| c.metric == metric).cloned() };
    let line = (block * 0.84 / models.len() as f64).min(26.0);
    let first = y + (block - line * models.len() as f64) / 2.0 + line / 2.0;
    let em = (line * 0.9).min(11.5);
    for (at, model) in models.iter().enumerate() {
        let Some(found) = of(model).filter(|c| drawable(c.value)) else { continue };
        let middle = first + at as f64 * line;
        s.line((axes.from.0, middle), (axes.to.0, middle), 1.0, GRID)?;
        if let Some([low, high]) = found.interval {
            let (from, to) = (axes.at(low, 0.0).0, axes.at(high, 0.0).0);
            let color = if at < SERIES / 2 { series_color(at) } else { GREY };
            if at < SERIES / 2 {
                s.line((from, middle), (to, middle), 1.75, color)?;
            } else {
                s.dashes((from, middle), (to, middle), 1.75, color)?;
            }
        }
        s.series(at, (axes.at(found.value, 0.0).0, middle), (line * 0.36).clamp(3.0, 5.0))?;
        // Below this size the figures cannot be read; only the marks and the axis are drawn.
        if em >= 7.5 {
            let style = Type::new(em, if found.highest { INK } else { MUTED }).right();
            let style = if found.highest { style.bold() } else { style };
            s.text((layout.right() - 8.0, middle), &score(found.value), style)?;
        }
    }
    Ok(())
}

/// Draws the legend, in two columns where the layout is wide; returns the y below it.
fn legend(s: &mut dyn Surface, top: f64, models: &[ComparedModel]) -> Result<f64, PlotError> {
    let layout = s.layout();
    let columns = if models.len() > 1 && !layout.narrow { 2 } else { 1 };
    let (left, height) = (layout.left(), 19.0);
    let width = (layout.right() - left) / columns as f64;
    for (at, model) in models.iter().enumerate() {
        let (x, y) = (left + (at % columns) as f64 * width, top + (at / columns) as f64 * height);
        s.series(at, (x + 6.0, y), 5.0)?;
        s.text((x + 18.0, y), &font::fit(&model.label, 12.0, false, width - 32.0)?, Type::new(12.0, INK))?;
    }
    Ok(top + models.len().div_ceil(columns).saturating_sub(1) as f64 * height)
}

/// The range of the axis: the range of the scores, widened to round numbers; within [0, 1] if all scores are.
fn zoom(low: f64, high: f64) -> (f64, f64) {
    let span = (high - low).max(0.02 * low.abs().max(high.abs()).max(1.0));
    let (from, to) = (low - 0.04 * span, high + 0.04 * span);
    let step = step(to - from, 8);
    let (from, to) = ((from / step).floor() * step, (to / step).ceil() * step);
    if low >= 0.0 && high <= 1.0 { (from.max(0.0), to.min(1.0)) } else { (from, to) }
}
