//! A search as it goes: a mark per finished trial, the best so far as a step, trials that stopped early as hollow crosses.

use super::super::text::three;
use super::{Drawing, Figure, Plane, short, ticks};

/// One finished trial.
pub struct Dot {
    pub number: u64,
    pub score: f64,
    pub is_early: bool,
    /// The series of its algorithm, from 1.
    pub series: usize,
    pub algorithm: &'static str,
}

/// Dots that are drawn at most; of more, the last.
const MOST: usize = 600;

pub fn history(dots: &[Dot], metric: &str) -> Figure {
    let title = "Trials";
    let shown = &dots[dots.len().saturating_sub(MOST)..];
    let scores = || shown.iter().filter(|dot| dot.score.is_finite()).map(|dot| dot.score);
    let (low, high) = scores().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)));
    let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
    // A failed candidate far below would press all others into a line.
    let mut sorted: Vec<f64> = scores().collect();
    sorted.sort_by(f64::total_cmp);
    let low = sorted.get(sorted.len() / 10).map_or(low, |tenth| low.max(tenth - 3.0 * (high - tenth).max(0.005)));
    let margin = ((high - low) * 0.08).max(0.002);
    let first = shown.first().map_or(0, |dot| dot.number) as f64;
    let last = shown.last().map_or(1, |dot| dot.number) as f64;
    let plane = Plane {
        left: 60.0,
        top: 8.0,
        width: 1040.0,
        height: 220.0,
        bottom: 36.0,
        x: (first - 0.5, last.max(first + 9.0) + 0.5),
        y: (low - margin, high + margin),
    };
    let early = dots.iter().filter(|dot| dot.is_early).count();
    let description = format!(
        "{} finished trials in their order, of which {early} stopped early, by {metric}. The line is the best so far.",
        dots.len()
    );
    let mut drawing = Drawing::new(plane, title, &description);
    let whole: Vec<(f64, String)> = ticks(plane.x.0, plane.x.1)
        .into_iter()
        .filter(|(value, _)| value.fract() == 0.0 && *value >= 1.0)
        .map(|(value, _)| (value, format!("{value:.0}")))
        .collect();
    drawing.axes(&whole, &ticks(plane.y.0, plane.y.1), "trial", metric);
    let mut best: Option<f64> = None;
    let mut step = Vec::new();
    for dot in shown.iter().filter(|dot| !dot.is_early && dot.score.is_finite()) {
        if let Some(before) = best {
            step.push((dot.number as f64, before));
        }
        let now = best.map_or(dot.score, |before| before.max(dot.score));
        step.push((dot.number as f64, now));
        best = Some(now);
    }
    if let Some(best) = best {
        step.push((last, best));
    }
    drawing.line("l3", step.into_iter());
    for dot in shown {
        if dot.is_early {
            let (x, y) = plane.at(dot.number as f64, dot.score);
            let [left, right, top, bottom] = [x - 3.0, x + 3.0, y - 3.0, y + 3.0].map(short);
            drawing.add(format_args!(
                r#"<path class="early" d="M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}"/>"#
            ));
        } else {
            drawing.mark(dot.series, dot.number as f64, dot.score, 3.5);
        }
    }
    let rows = dots[dots.len().saturating_sub(50)..]
        .iter()
        .map(|dot| {
            let end = if dot.is_early { "stopped early" } else { "complete" };
            vec![dot.number.to_string(), dot.algorithm.to_owned(), three(dot.score), end.to_owned()]
        })
        .collect();
    let columns = ["Trial", "Algorithm", metric, "End"].map(str::to_owned).into();
    let note = if early > 0 { format!("{early} stopped early, as ×: scored on fewer folds") } else { String::new() };
    Figure { title: title.to_owned(), note, svg: drawing.end(), columns, rows }
}
