//! An SVG while it is drawn: the plane between the axes, lines, marks and texts, in two layouts.

use std::fmt::Write;

/// Text inside SVG.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The width that a chart is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Regular,
    /// For a phone, or a narrow column.
    Narrow,
}

/// The width of every narrow drawing: less than a card on a phone of 360 pixels has.
pub const NARROW: f64 = 300.0;
/// Room at the right of a regular drawing.
pub const RIGHT: f64 = 12.0;
/// The mean width of a character. Texts are 12 pixels high.
pub const CHARACTER: f64 = 6.4;

/// A chart in both layouts, one after the other.
pub fn drawn(draw: impl Fn(Layout) -> Drawing) -> String {
    [Layout::Regular, Layout::Narrow].map(|layout| draw(layout).end()).concat()
}

/// The room that labels at the left of a chart need.
pub fn room<'a>(labels: impl Iterator<Item = &'a str>, most: f64) -> f64 {
    let longest = labels.map(|label| label.chars().count()).max().unwrap_or(0);
    (longest as f64 * CHARACTER + 14.0).clamp(80.0, most)
}

/// A label, shortened to fit into `room` pixels; the chart's table has the whole label.
pub fn fitted(label: &str, room: f64) -> String {
    let most = (room / CHARACTER).max(4.0) as usize;
    match label.chars().count() > most {
        true => label.chars().take(most - 1).chain(['…']).collect(),
        false => label.to_owned(),
    }
}

/// The rectangle between the axes, and what its edges mean.
#[derive(Debug, Clone, Copy)]
pub struct Plane {
    pub layout: Layout,
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    /// Room at the right.
    pub right: f64,
    /// Room below, for the axis.
    pub bottom: f64,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Plane {
    /// A plane with axes. `left`, `width` and `height` are those of the regular layout.
    pub fn with_axes(layout: Layout, (left, width, height): (f64, f64, f64), x: (f64, f64), y: (f64, f64)) -> Self {
        match layout {
            Layout::Regular => Self { layout, left, top: 8.0, width, height, right: RIGHT, bottom: 38.0, x, y },
            // The name of the vertical axis stands above the plane.
            Layout::Narrow => {
                let (left, right) = (52.0, 10.0);
                Self { layout, left, top: 24.0, width: NARROW - left - right, height: 200.0, right, bottom: 38.0, x, y }
            }
        }
    }

    /// A square over 0 to 1 each way.
    pub fn unit(layout: Layout) -> Self {
        Self::with_axes(layout, (46.0, 480.0, 260.0), (0.0, 1.0), (0.0, 1.0))
    }

    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| {
            if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
        };
        (self.left + share(x, self.x) * self.width, self.top + (1.0 - share(y, self.y)) * self.height)
    }

    /// The size of the whole drawing.
    pub fn size(&self) -> (f64, f64) {
        (self.left + self.width + self.right, self.top + self.height + self.bottom)
    }
}

/// An SVG that is being drawn.
pub struct Drawing {
    text: String,
    pub plane: Plane,
}

/// A number with at most two decimals, which are a hundredth of a pixel.
pub fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Drawing {
    pub fn new(plane: Plane, title: &str, description: &str) -> Self {
        let (width, height) = plane.size();
        // The class tells the style sheet from which width on to show this drawing instead of the narrow one.
        let size = match plane.layout {
            Layout::Narrow => "narrow",
            Layout::Regular if width > 700.0 => "wide",
            Layout::Regular if width > 560.0 => "medium",
            Layout::Regular => "small",
        };
        let text = format!(
            r#"<svg class="chart {size}" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img"><title>{2}</title><desc>{3}</desc>"#,
            short(width),
            short(height),
            escaped(title),
            escaped(description)
        );
        Self { text, plane }
    }

    /// The mark of a series alone, of 12 by 12 pixels.
    pub fn of_mark(series: usize) -> Self {
        let (layout, x, y) = (Layout::Regular, (0.0, 1.0), (0.0, 1.0));
        let plane = Plane { layout, left: 0.0, top: 0.0, width: 12.0, height: 12.0, right: 0.0, bottom: 0.0, x, y };
        let mut drawing = Self { text: r#"<svg viewBox="0 0 12 12" aria-hidden="true">"#.to_owned(), plane };
        drawing.mark(series, 0.5, 0.5, 5.0);
        drawing
    }

    /// Appends to the SVG's text, which cannot fail.
    pub fn add(&mut self, piece: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(piece);
    }

    pub fn segment(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(short);
        self.add(format_args!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }

    pub fn words(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        let (x, y, text) = (short(x), short(y), escaped(text));
        self.add(format_args!(r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#));
    }

    /// A number or a time below the plane. A label that would cross an edge of the drawing is moved inside.
    pub fn label_below(&mut self, at: f64, text: &str) {
        let (end, _) = self.plane.size();
        let half = text.chars().count() as f64 * CHARACTER / 2.0;
        let (at, anchor) = if at + half > end { (end, "end") } else { (at.max(half), "middle") };
        self.words("", (at, self.plane.top + self.plane.height + 16.0), anchor, text);
    }

    /// Grid lines and numbers at these values, and the names of the axes.
    pub fn axes(&mut self, xs: &[(f64, String)], ys: &[(f64, String)], x_name: &str, y_name: &str) {
        let Plane { left, top, width, height, x, y, .. } = self.plane;
        for (value, text) in ys {
            let (_, at) = self.plane.at(x.0, *value);
            self.segment("gridline", (left, at), (left + width, at));
            self.words("", (left - 6.0, at + 4.0), "end", text);
        }
        for (value, text) in xs {
            let (at, _) = self.plane.at(*value, y.0);
            self.label_below(at, text);
        }
        self.segment("axis", (left, top + height), (left + width, top + height));
        self.words("", (left + width / 2.0, top + height + 33.0), "middle", x_name);
        match self.plane.layout {
            _ if y_name.is_empty() => {}
            Layout::Narrow => self.words("", (0.0, 12.0), "start", y_name),
            Layout::Regular => {
                let (x, y, name) = (short(12.0), short(top + height / 2.0), escaped(y_name));
                self.add(format_args!(
                    r#"<text x="{x}" y="{y}" text-anchor="middle" transform="rotate(-90 {x} {y})">{name}</text>"#
                ));
            }
        }
    }

    /// A line through these points of the plane.
    pub fn line(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>) {
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
    pub fn mark(&mut self, series: usize, x: f64, y: f64, radius: f64) {
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

    pub fn end(mut self) -> String {
        self.text.push_str("</svg>");
        self.text
    }
}
