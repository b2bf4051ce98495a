//! Charts as inline SVG: sizes as attributes and colours by class, so that they follow the scheme and need no style of their own.
//! Every chart has a title, a description and its figures as a table.

mod curves;
mod scores;
mod search;
mod timeline;
mod waterfall;

pub use curves::{Curve, calibration, precision_recall, roc};
pub use scores::{Bar, Range, importance, ranges, score_histogram};
pub use search::{Dot, history};
pub use timeline::{Moment, Timeline, Track, timeline};
pub use waterfall::{Step, waterfall};

use std::fmt::Write;

/// A chart with what belongs to it.
pub struct Figure {
    pub title: String,
    pub note: String,
    pub svg: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Text inside SVG.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The rectangle between the axes, and what its edges mean.
#[derive(Debug, Clone, Copy)]
struct Plane {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    /// Room below, for the axis.
    bottom: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Plane {
    /// A square over 0 to 1 each way.
    const UNIT: Self =
        Self { left: 46.0, top: 8.0, width: 480.0, height: 260.0, bottom: 36.0, x: (0.0, 1.0), y: (0.0, 1.0) };

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| {
            if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
        };
        (self.left + share(x, self.x) * self.width, self.top + (1.0 - share(y, self.y)) * self.height)
    }

    /// The size of the whole drawing.
    fn size(&self) -> (f64, f64) {
        (self.left + self.width + 12.0, self.top + self.height + self.bottom)
    }
}

/// An SVG that is being drawn.
struct Drawing {
    text: String,
    plane: Plane,
}

/// Two decimals are a hundredth of a pixel.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Drawing {
    fn new(plane: Plane, title: &str, description: &str) -> Self {
        let (width, height) = plane.size();
        // On a phone its texts are drawn larger.
        let size = if width > 650.0 { "wide" } else { "tall" };
        let text = format!(
            r#"<svg class="chart {size}" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img"><title>{2}</title><desc>{3}</desc>"#,
            short(width),
            short(height),
            escaped(title),
            escaped(description)
        );
        Self { text, plane }
    }

    /// Writes to the text, which cannot fail.
    fn add(&mut self, piece: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(piece);
    }

    fn segment(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(short);
        self.add(format_args!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }

    fn words(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        let (x, y, text) = (short(x), short(y), escaped(text));
        self.add(format_args!(r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#));
    }

    /// Grid lines and numbers at these values, and the names of the axes.
    fn axes(&mut self, xs: &[(f64, String)], ys: &[(f64, String)], x_name: &str, y_name: &str) {
        let Plane { left, top, width, height, x, y, .. } = self.plane;
        for (value, text) in ys {
            let (_, at) = self.plane.at(x.0, *value);
            self.segment("gridline", (left, at), (left + width, at));
            self.words("", (left - 6.0, at + 4.0), "end", text);
        }
        for (value, text) in xs {
            let (at, _) = self.plane.at(*value, y.0);
            self.words("", (at, top + height + 15.0), "middle", text);
        }
        self.segment("axis", (left, top + height), (left + width, top + height));
        self.words("", (left + width / 2.0, top + height + 31.0), "middle", x_name);
        if !y_name.is_empty() {
            let (x, y, name) = (short(12.0), short(top + height / 2.0), escaped(y_name));
            self.add(format_args!(
                r#"<text class="axis-name" x="{x}" y="{y}" text-anchor="middle" transform="rotate(-90 {x} {y})">{name}</text>"#
            ));
        }
    }

    /// A line through these points of the plane.
    fn line(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = self.plane.at(x, y);
            let _ = write!(path, "{}{} {}", if path.is_empty() { "M" } else { "L" }, short(x), short(y));
        }
        if !path.is_empty() {
            self.add(format_args!(r#"<path class="line {class}" d="{path}"/>"#));
        }
    }

    /// The mark of a series: 1 a disc, 2 a triangle, 3 a square, 4 a rhombus.
    fn mark(&mut self, series: usize, x: f64, y: f64, radius: f64) {
        let (x, y) = self.plane.at(x, y);
        let class = series.min(5);
        let r = radius;
        let shape = match series {
            2 => vec![(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)],
            3 => vec![
                (x - r * 0.85, y - r * 0.85),
                (x + r * 0.85, y - r * 0.85),
                (x + r * 0.85, y + r * 0.85),
                (x - r * 0.85, y + r * 0.85),
            ],
            4 => vec![(x, y - r * 1.15), (x + r, y), (x, y + r * 1.15), (x - r, y)],
            _ => {
                let (x, y, r) = (short(x), short(y), short(r));
                self.add(format_args!(r#"<circle class="f{class}" cx="{x}" cy="{y}" r="{r}"/>"#));
                return;
            }
        };
        let points: Vec<String> = shape.iter().map(|(x, y)| format!("{} {}", short(*x), short(*y))).collect();
        self.add(format_args!(r#"<path class="mark f{class}" d="M{}Z"/>"#, points.join("L")));
    }

    fn end(mut self) -> String {
        self.text.push_str("</svg>");
        self.text
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
    let plane = Plane { left: 0.0, top: 0.0, width: 12.0, height: 12.0, bottom: 0.0, x: (0.0, 1.0), y: (0.0, 1.0) };
    let mut drawing = Drawing { text: r#"<svg viewBox="0 0 12 12" aria-hidden="true">"#.to_owned(), plane };
    drawing.mark(series, 0.5, 0.5, 5.0);
    drawing.end()
}

#[cfg(test)]
mod tests {
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
        let drawing = Drawing::new(Plane::UNIT, "<script>", "a & \"b\"");
        let svg = drawing.end();
        assert!(svg.contains("<title>&lt;script&gt;</title><desc>a &amp; &quot;b&quot;</desc>"), "{svg}");
    }

    #[test]
    fn points_outside_of_the_plane_stay_on_its_edge() {
        assert_eq!(Plane::UNIT.at(-1.0, 2.0), (46.0, 8.0));
        assert_eq!(Plane::UNIT.at(2.0, -1.0), (526.0, 268.0));
    }
}
