//! Bars and intervals: score histograms, importance, metrics side by side.

use super::super::text::{count, three};
use super::drawing::{Drawing, Layout, NARROW, Plane, RIGHT, drawn, fitted, room, short};
use super::{Figure, quarters, ticks};

/// A named share.
pub struct Bar {
    pub name: String,
    pub value: f64,
}

/// Rows by predicted chance, the accepted upwards and the rejected downwards, with the threshold as a line. `accepted` and
/// `rejected` count rows in equal bins from 0 to 1; both have the same number of bins.
pub fn score_histogram(rejected: &[u64], accepted: &[u64], threshold: f64) -> Figure {
    let title = "Predicted chance by outcome";
    let most = rejected.iter().chain(accepted).copied().max().unwrap_or(0).max(1) as f64;
    let rows_at = |value: f64| count(value.abs().round() as u64);
    let half = (most / 2.0).round();
    let ys = [-most, -half, 0.0, half, most].map(|value| (value, rows_at(value)));
    let bins = accepted.len().max(1) as f64;
    let svg = drawn(|layout| {
        let plane = Plane::with_axes(layout, (50.0, 574.0, 220.0), (0.0, 1.0), (-most, most));
        let mut drawing = Drawing::new(
            plane,
            title,
            "Held-out rows by predicted chance: those that were accepted above the line, those that were rejected below it.",
        );
        drawing.axes(&quarters(), &ys, "predicted chance", "rows");
        let (_, middle) = plane.at(0.0, 0.0);
        for (series, values, sign) in [(1, accepted, 1.0), (2, rejected, -1.0)] {
            for (at, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
                let (left, edge) = plane.at(at as f64 / bins, sign * *value as f64);
                let (right, _) = plane.at((at + 1) as f64 / bins, 0.0);
                let (top, height) = (edge.min(middle), (edge - middle).abs());
                let [x, y, w, h] = [left + 0.5, top, (right - left - 1.0).max(0.5), height].map(short);
                drawing.add(format_args!(r#"<rect class="f{series} soft" x="{x}" y="{y}" width="{w}" height="{h}"/>"#));
            }
        }
        drawing.segment("axis", (plane.left, middle), (plane.left + plane.width, middle));
        let (x, _) = plane.at(threshold, 0.0);
        let (x, y1, y2) = (short(x), short(plane.top), short(plane.top + plane.height));
        let (left, width) = (short(plane.left), short(plane.width));
        drawing.add(format_args!(
            r#"<line class="tick" data-mark data-left="{left}" data-width="{width}" x1="{x}" x2="{x}" y1="{y1}" y2="{y2}"/>"#
        ));
        drawing
    });
    let rows = accepted
        .iter()
        .zip(rejected)
        .enumerate()
        .map(|(at, (accepted, rejected))| {
            vec![
                format!("{:.2} to {:.2}", at as f64 / bins, (at + 1) as f64 / bins),
                count(*accepted),
                count(*rejected),
            ]
        })
        .collect();
    let columns = ["Predicted chance", "Accepted", "Rejected"].map(str::to_owned).into();
    Figure { title: title.to_owned(), note: String::new(), svg, columns, rows }
}

/// The texts of a chart of shares.
pub struct Shares {
    pub title: &'static str,
    pub description: &'static str,
    /// The heads of the table's columns: what has a share, and of what the share is.
    pub columns: [&'static str; 2],
    pub note: String,
}

/// Shares as bars, one below the other, in the given order.
pub fn shares(bars: &[Bar], chart: Shares) -> Figure {
    let Shares { title, description, columns, note } = chart;
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max).max(1e-9);
    let svg = drawn(|layout| {
        let is_narrow = layout == Layout::Narrow;
        // A narrow row has the name above its bar.
        let (row, above) = if is_narrow { (36.0, 16.0) } else { (22.0, 0.0) };
        let left = if is_narrow { 0.0 } else { room(bars.iter().map(|bar| bar.name.as_str()), 240.0) };
        let width = if is_narrow { NARROW } else { 524.0 - left - RIGHT };
        // Room for the number behind the longest bar.
        let behind = 58.0;
        let plane = Plane {
            layout,
            left,
            top: 4.0,
            width,
            height: row * bars.len() as f64,
            right: if is_narrow { 0.0 } else { RIGHT },
            bottom: 4.0,
            x: (0.0, most * width / (width - behind)),
            y: (0.0, 1.0),
        };
        let mut drawing = Drawing::new(plane, title, description);
        for (at, bar) in bars.iter().enumerate() {
            let y = plane.top + row * at as f64;
            let (right, _) = plane.at(bar.value, 0.0);
            let (x, anchor, most) = if is_narrow { (0.0, "start", NARROW) } else { (left - 8.0, "end", left - 8.0) };
            drawing.words("label", (x, y + if is_narrow { 12.0 } else { 15.0 }), anchor, &fitted(&bar.name, most));
            let [x, top, w, h] = [left, y + above + 4.0, (right - left).max(0.5), row - above - 8.0].map(short);
            drawing.add(format_args!(r#"<rect class="f1" x="{x}" y="{top}" width="{w}" height="{h}" rx="1"/>"#));
            drawing.words("", (right + 5.0, y + above + 14.0), "start", &format!("{:.1} %", 100.0 * bar.value));
        }
        drawing
    });
    let rows = bars.iter().map(|bar| vec![bar.name.clone(), three(bar.value)]).collect();
    let columns = columns.map(str::to_owned).into();
    Figure { title: title.to_owned(), note, svg, columns, rows }
}

/// A value with its interval.
pub struct Range {
    pub name: String,
    pub value: f64,
    pub interval: Option<[f64; 2]>,
    /// The number of its series, from 1.
    pub series: usize,
}

/// Values with their intervals, one below the other, with a vertical line at `zero` if given.
pub fn ranges(title: &str, ranges: &[Range], zero: Option<f64>, note: String) -> Figure {
    let ends = ranges.iter().flat_map(|range| range.interval.unwrap_or([range.value, range.value])).chain(zero);
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
    let margin = ((high - low) * 0.06).max(0.002);
    let svg = drawn(|layout| {
        let is_narrow = layout == Layout::Narrow;
        // A narrow row has the name above its interval.
        let (row, above) = if is_narrow { (40.0, 16.0) } else { (26.0, 0.0) };
        // Half of a tick's label lies beyond the end of the axis.
        let left = if is_narrow { 18.0 } else { room(ranges.iter().map(|range| range.name.as_str()), 240.0) };
        let plane = Plane {
            layout,
            left,
            top: 4.0,
            width: if is_narrow { NARROW - 36.0 } else { 548.0 - left - RIGHT },
            height: row * ranges.len().max(1) as f64,
            right: if is_narrow { 18.0 } else { RIGHT },
            bottom: 22.0,
            x: (low - margin, high + margin),
            y: (0.0, 1.0),
        };
        let mut drawing = Drawing::new(plane, title, "Each value with its 95 % interval.");
        for (value, text) in ticks(plane.x.0, plane.x.1) {
            let (x, _) = plane.at(value, 0.0);
            drawing.segment("gridline", (x, plane.top), (x, plane.top + plane.height));
            drawing.label_below(x, &text);
        }
        if let Some(zero) = zero {
            let (x, _) = plane.at(zero, 0.0);
            drawing.segment("tick", (x, plane.top), (x, plane.top + plane.height));
        }
        for (at, range) in ranges.iter().enumerate() {
            let from_top = row * at as f64 + above + (row - above) / 2.0;
            let y = plane.top + from_top;
            let (x, below, anchor, most) = match is_narrow {
                true => (0.0, plane.top + row * at as f64 + 12.0, "start", NARROW),
                false => (left - 10.0, y + 4.0, "end", left - 10.0),
            };
            drawing.words("label", (x, below), anchor, &fitted(&range.name, most));
            if let Some([low, high]) = range.interval {
                let ((from, _), (to, _)) = (plane.at(low, 0.0), plane.at(high, 0.0));
                drawing.segment(&format!("whisker l{}", range.series.min(5)), (from, y), (to, y));
            }
            drawing.mark(range.series, range.value, 1.0 - from_top / plane.height, 5.0);
        }
        drawing
    });
    let rows = ranges
        .iter()
        .map(|range| {
            let interval = range.interval.map_or_else(|| "–".to_owned(), super::super::text::interval);
            vec![range.name.clone(), three(range.value), interval]
        })
        .collect();
    let columns = ["", "Value", "95 % interval"].map(str::to_owned).into();
    Figure { title: title.to_owned(), note, svg, columns, rows }
}
