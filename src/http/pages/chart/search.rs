//! A search while it runs: a mark for each finished trial, a line for the best score so far, and × for trials that
//! stopped early.

use super::super::text::three;
use super::drawing::{Drawing, Layout, Plane, drawn, short};
use super::{Figure, ticks};

/// One finished trial.
pub struct Dot {
    pub number: u64,
    pub score: f64,
    pub is_early: bool,
    /// The series of its algorithm, from 1.
    pub series: usize,
    pub algorithm: &'static str,
}

/// The most dots that are drawn. Of more, the last ones are drawn.
const fn most(layout: Layout) -> usize {
    match layout {
        Layout::Regular => 600,
        Layout::Narrow => 150,
    }
}

pub fn history(dots: &[Dot], metric: &str) -> Figure {
    let title = "Trials";
    let early = dots.iter().filter(|dot| dot.is_early).count();
    let description = format!(
        "{} finished trials in their order, of which {early} stopped early, by {metric}. The line is the best so far.",
        dots.len()
    );
    let svg = drawn(|layout| {
        let (earlier, shown) = dots.split_at(dots.len().saturating_sub(most(layout)));
        let complete = earlier.iter().filter(|dot| !dot.is_early && dot.score.is_finite());
        let best = complete.map(|dot| dot.score).max_by(f64::total_cmp);
        drawing(layout, shown, best, Texts { title, description: &description, metric })
    });
    let rows = dots[dots.len().saturating_sub(50)..]
        .iter()
        .map(|dot| {
            let end = if dot.is_early { "stopped early" } else { "complete" };
            vec![dot.number.to_string(), dot.algorithm.to_owned(), three(dot.score), end.to_owned()]
        })
        .collect();
    let columns = ["Trial", "Algorithm", metric, "End"].map(str::to_owned).into();
    let note = if early > 0 { format!("{early} stopped early, as ×: scored on fewer folds") } else { String::new() };
    Figure { title: title.to_owned(), note, svg, columns, rows }
}

#[derive(Clone, Copy)]
struct Texts<'a> {
    title: &'a str,
    description: &'a str,
    metric: &'a str,
}

/// `best` is the best score of the trials before those in `shown`.
fn drawing(layout: Layout, shown: &[Dot], mut best: Option<f64>, texts: Texts<'_>) -> Drawing {
    let scores = || shown.iter().filter(|dot| dot.score.is_finite()).map(|dot| dot.score).chain(best);
    let (low, high) = scores().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)));
    let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
    // A very low score of one failed candidate would compress all others into a line.
    let mut sorted: Vec<f64> = scores().collect();
    sorted.sort_by(f64::total_cmp);
    let low = sorted.get(sorted.len() / 10).map_or(low, |tenth| low.max(tenth - 3.0 * (high - tenth).max(0.005)));
    let margin = ((high - low) * 0.08).max(0.002);
    let first = shown.first().map_or(0, |dot| dot.number) as f64;
    let last = shown.last().map_or(1, |dot| dot.number) as f64;
    let x = (first - 0.5, last.max(first + 9.0) + 0.5);
    let plane = Plane::with_axes(layout, (60.0, 688.0, 200.0), x, (low - margin, high + margin));
    let mut drawing = Drawing::new(plane, texts.title, texts.description);
    let whole: Vec<(f64, String)> = ticks(plane.x.0, plane.x.1)
        .into_iter()
        .filter(|(value, _)| value.fract() == 0.0 && *value >= 1.0)
        .map(|(value, _)| (value, format!("{value:.0}")))
        .collect();
    drawing.axes(&whole, &ticks(plane.y.0, plane.y.1), "trial", texts.metric);
    let mut step: Vec<(f64, f64)> = best.map(|best| (first, best)).into_iter().collect();
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
    drawing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_best_goes_on_from_trials_that_are_not_drawn() {
        let dot = |number: u64| Dot {
            number,
            score: if number == 1 { 0.9 } else { 0.5 },
            is_early: false,
            series: 1,
            algorithm: "XGBoost",
        };
        let svg = history(&(1..=400).map(dot).collect::<Vec<_>>(), "AUC").svg;
        let narrow = svg.split("</svg>").nth(1).unwrap_or_default();
        assert_eq!(narrow.matches("<circle").count(), 150, "{narrow}");
        let line = narrow.split("class=\"line l3\" d=\"").nth(1).and_then(|d| d.split('"').next()).unwrap_or_default();
        // It is level: the first trial was the best.
        let heights: Vec<&str> = line.split(['M', 'L']).filter_map(|at| at.split(' ').nth(1)).collect();
        assert!(heights.len() > 1 && heights.iter().all(|y| *y == heights[0]), "{line}");
    }
}
