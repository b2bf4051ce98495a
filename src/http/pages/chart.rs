//! Charts as inline SVG: sizes as attributes and colours by class, so that they follow the scheme and need no style of their own.
//! Every chart has a title, a description and its figures as a table. Each is drawn twice, regular and narrow; the style sheet
//! shows the one that fits the room that the chart has, so that its texts are never smaller than 11 pixels.

mod curves;
mod drawing;
mod scores;
mod search;
mod timeline;
mod waterfall;

pub use curves::{Curve, calibration, precision_recall, roc};
pub use scores::{Bar, Range, Shares, ranges, score_histogram, shares};
pub use search::{Dot, history};
pub use timeline::{Moment, Timeline, Track, timeline};
pub use waterfall::{Step, waterfall};

use drawing::Drawing;

/// A chart with its title, its note and its table.
pub struct Figure {
    pub title: String,
    pub note: String,
    pub svg: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Figure {
    /// The id of the table on a page.
    pub fn id(&self) -> String {
        let letters = self.title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        std::iter::once("table-".to_owned()).chain(letters.map(String::from)).collect()
    }
}

/// 0, 0.25, … 1.
fn quarters() -> Vec<(f64, String)> {
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|value| (value, format!("{value}"))).into()
}

/// Round values that cover a range, four to seven of them.
fn ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let span = high - low;
    if span <= 0.0 || !span.is_finite() {
        return vec![(low, format!("{low:.3}"))];
    }
    let rough = span / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|n| (n as f64 * step, format!("{:.decimals$}", n as f64 * step).replace('-', "−"))).collect()
}

/// A legend's key: the mark of a series as an SVG of its own.
pub fn key(series: usize) -> String {
    Drawing::of_mark(series).end()
}

#[cfg(test)]
mod tests {
    use super::drawing::{CHARACTER, Layout, Plane};
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_range() {
        let texts = |low, high| ticks(low, high).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(0.0, 1.0), ["0.0", "0.5", "1.0"]);
        assert_eq!(texts(0.701, 0.789), ["0.75"]);
        assert_eq!(texts(0.5, 0.5), ["0.500"]);
        assert_eq!(texts(-0.1, 0.1).first().map(String::as_str), Some("−0.10"));
    }

    #[test]
    fn what_data_brings_is_escaped_in_a_chart() {
        let drawing = Drawing::new(Plane::unit(Layout::Regular), "<script>", "a & \"b\"");
        let svg = drawing.end();
        assert!(svg.contains("<title>&lt;script&gt;</title><desc>a &amp; &quot;b&quot;</desc>"), "{svg}");
    }

    #[test]
    fn points_outside_of_the_plane_stay_on_its_edge() {
        let plane = Plane::unit(Layout::Regular);
        assert_eq!(plane.at(-1.0, 2.0), (46.0, 8.0));
        assert_eq!(plane.at(2.0, -1.0), (526.0, 268.0));
    }

    /// The level texts of an SVG with their positions and anchors.
    fn texts(svg: &str) -> Vec<(f64, String, String)> {
        let level = |text: &&str| !text.split('>').next().unwrap_or_default().contains("rotate");
        svg.split("<text ")
            .skip(1)
            .filter(level)
            .map(|text| {
                let attribute = |name: &str| {
                    let from = text.find(name).unwrap_or_default() + name.len();
                    text[from..].split('"').next().unwrap_or_default().to_owned()
                };
                let (_, rest) = text.split_once('>').unwrap_or_default();
                let said = rest.split('<').next().unwrap_or_default().to_owned();
                (attribute(" x=\"").parse().unwrap_or(f64::NAN), attribute("text-anchor=\""), said)
            })
            .collect()
    }

    fn charts() -> Vec<Figure> {
        let long = "Rank of the undergraduate university, as it was told";
        let at = |hours| chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hours);
        let moments = (0..9).map(|n| Moment { at: at(n * 30), value: 0.4, interval: Some((0.2, 0.9)) });
        let track = Track { name: long.to_owned(), moments: moments.collect() };
        let over_time = Timeline {
            title: "Drift",
            description: "Effects.",
            note: String::new(),
            y_name: "effect / floor",
            level: Some(1.0),
            range: (0.0, 1.5),
            columns: Vec::new(),
            rows: Vec::new(),
        };
        let dot = |number: u64| Dot {
            number,
            score: 0.7 + number as f64 / 1e4,
            is_early: number.is_multiple_of(5),
            series: 1,
            algorithm: "XGBoost",
        };
        let curve =
            || Curve { name: long.to_owned(), points: vec![(0.0, 0.0), (1.0, 1.0)], decision: Some((0.2, 0.7)) };
        let bars = [0.7, 0.3].map(|value| Bar { name: long.to_owned(), value });
        let range = Range { name: long.to_owned(), value: 0.01, interval: Some([-0.02, 0.03]), series: 2 };
        let step = |adds| Step { name: long.to_owned(), value: "120".to_owned(), adds };
        vec![
            roc(&[curve()], String::new()),
            precision_recall(&[curve()], 0.3, String::new()),
            calibration(&[], 0.2),
            score_histogram(&[12_345, 0], &[3, 4_000], 0.5),
            shares(
                &bars,
                Shares {
                    title: "Importance",
                    description: "Shares.",
                    columns: ["Feature", "Share"],
                    note: String::new(),
                },
            ),
            ranges("Difference of the AUC", &[range], Some(0.0), String::new()),
            history(&(1..900).map(dot).collect::<Vec<_>>(), "AUC"),
            timeline(&[track], over_time),
            waterfall(0.01, vec![step(0.9), step(-0.4)], 0.51),
        ]
    }

    #[test]
    fn every_chart_is_drawn_for_a_phone_and_no_text_passes_an_edge() {
        for figure in charts() {
            let drawings: Vec<&str> = figure.svg.split("</svg>").filter(|svg| !svg.is_empty()).collect();
            assert_eq!(drawings.len(), 2, "{}", figure.title);
            assert!(drawings[1].starts_with("<svg class=\"chart narrow\" width=\"300\""), "{}", drawings[1]);
            for svg in drawings {
                assert!(!svg.contains("NaN") && svg.contains("<title>") && svg.contains("<desc>"), "{svg}");
                let width: f64 =
                    svg.split("width=\"").nth(1).and_then(|w| w.split('"').next()?.parse().ok()).unwrap_or(0.0);
                for (x, anchor, text) in texts(svg) {
                    let long = text.chars().count() as f64 * CHARACTER;
                    let (from, to) = match anchor.as_str() {
                        "end" => (x - long, x),
                        "middle" => (x - long / 2.0, x + long / 2.0),
                        _ => (x, x + long),
                    };
                    assert!(
                        from > -1.0 && to < width + 1.0,
                        "{}: {text:?} is at {from} to {to} of {width}",
                        figure.title
                    );
                }
            }
        }
    }
}
