//! Values over time, window by window: a mark and a line for each series, with intervals where they are known.

use super::drawing::{Drawing, Layout, Plane, drawn};
use super::{Figure, ticks};
use chrono::{DateTime, Utc};

/// A value of one window.
pub struct Moment {
    pub at: DateTime<Utc>,
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
}

/// One series over time.
pub struct Track {
    pub name: String,
    /// In order of time.
    pub moments: Vec<Moment>,
}

/// A chart over time, without its series.
pub struct Timeline<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub note: String,
    pub y_name: &'a str,
    /// The height of a dashed line.
    pub level: Option<f64>,
    /// The range of values that is shown at least.
    pub range: (f64, f64),
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Draws series over time. Without any value the plane is empty.
pub fn timeline(tracks: &[Track], chart: Timeline<'_>) -> Figure {
    let all = || tracks.iter().flat_map(|track| &track.moments);
    let seconds = |at: DateTime<Utc>| at.timestamp() as f64;
    let ends = |moment: &Moment| moment.interval.unwrap_or((moment.value, moment.value));
    let (low, high) = all().filter(|moment| moment.value.is_finite()).fold(chart.range, |(low, high), moment| {
        let (from, to) = ends(moment);
        (low.min(from), high.max(to))
    });
    let first = all().map(|moment| seconds(moment.at)).fold(f64::INFINITY, f64::min);
    let last = all().map(|moment| seconds(moment.at)).fold(f64::NEG_INFINITY, f64::max);
    let (first, last) = if first.is_finite() { (first, last) } else { (0.0, 1.0) };
    let room = ((last - first) * 0.03).max(60.0);
    let names: Vec<&str> = tracks.iter().map(|track| track.name.as_str()).collect();
    let series = if names.is_empty() { String::new() } else { format!(" Series: {}.", names.join(", ")) };
    let description = format!("{}{series}", chart.description);
    let svg = drawn(|layout| {
        let plane = Plane::with_axes(layout, (60.0, 688.0, 200.0), (first - room, last + room), (low, high));
        let mut drawing = Drawing::new(plane, chart.title, &description);
        let steps = if layout == Layout::Narrow { 2 } else { 4 };
        let days = if all().next().is_some() { times(first, last, steps) } else { Vec::new() };
        drawing.axes(&days, &ticks(low, high), "end of the window", chart.y_name);
        if let Some(level) = chart.level {
            drawing.line("even", [(plane.x.0, level), (plane.x.1, level)].into_iter());
        }
        for (series, track) in (1..).zip(tracks) {
            let class = series.min(5);
            let known = || track.moments.iter().filter(|moment| moment.value.is_finite());
            drawing.line(&format!("l{class}"), known().map(|moment| (seconds(moment.at), moment.value)));
            for moment in known() {
                let x = seconds(moment.at);
                if let Some((from, to)) = moment.interval {
                    let (from, to) = (drawing.plane.at(x, from), drawing.plane.at(x, to));
                    drawing.segment(&format!("whisker l{class}"), from, to);
                }
                drawing.mark(series, x, moment.value, 4.0);
            }
        }
        drawing
    });
    Figure { title: chart.title.to_owned(), note: chart.note, svg, columns: chart.columns, rows: chart.rows }
}

/// Times from the first to the last in `most` equal steps, as labels that differ from each other.
fn times(first: f64, last: f64, most: u32) -> Vec<(f64, String)> {
    let span = last - first;
    let format = if span > 2.0 * 86_400.0 { "%Y-%m-%d" } else { "%d %b %H:%M" };
    // Within a few minutes the labels would be equal and overlap.
    let steps = if span >= 300.0 { most } else { 0 };
    (0..=steps)
        .filter_map(|n| {
            let at = first + span * f64::from(n) / f64::from(most);
            Some((at, DateTime::from_timestamp(at as i64, 0)?.format(format).to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Timeline<'static> {
        Timeline {
            title: "Drift",
            description: "Effects by window.",
            note: String::new(),
            y_name: "effect",
            level: Some(1.0),
            range: (0.0, 1.2),
            columns: vec!["Window".to_owned()],
            rows: vec![vec!["1".to_owned()]],
        }
    }

    #[test]
    fn each_value_has_a_mark_and_none_has_a_chart_all_the_same() {
        let at = |n| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(n);
        let track = Track {
            name: "gpa".to_owned(),
            moments: [(0, 0.5), (1, f64::NAN), (2, 2.5)]
                .map(|(n, value)| Moment { at: at(n), value, interval: Some((0.1, 2.9)) })
                .into(),
        };
        let svg = timeline(&[track], chart()).svg;
        // Two in each layout.
        assert_eq!(svg.matches("<circle").count(), 4, "{svg}");
        assert_eq!(svg.matches("whisker").count(), 4);
        assert!(svg.contains("01 Jan 02:00") && !svg.contains("NaN"), "{svg}");
        let empty = timeline(&[], chart()).svg;
        assert!(empty.contains("<title>Drift</title><desc>Effects by window.</desc>") && !empty.contains("NaN"));
    }
}
