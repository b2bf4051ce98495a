//! SVG with real text. The font family is Inter, and the layout fits any other sans serif. Each mark has its colour for a
//! light background as an attribute and the colour's name as a class. The picture's style sheet replaces the colours with
//! the dark ones if the root has the class `dark`, or the class `auto` and the reader prefers a dark scheme.

use crate::error::PlotError;
use crate::palette::{Color, PAPER};
use crate::surface::{Align, Drawing, HALF_CAPITAL, Layout, Point, Surface, Type};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The title and description of a picture, for screen readers.
pub struct Caption {
    pub title: String,
    pub description: String,
}

const FAMILY: &str = "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, sans-serif";

pub fn svg(layout: Layout, caption: &Caption, draw: &Drawing<'_>) -> Result<Vec<u8>, PlotError> {
    let mut vector = Vector { layout, body: String::new(), used: BTreeSet::new() };
    vector.rect((0.0, 0.0), (layout.width, layout.height), PAPER)?;
    draw(&mut vector)?;
    let (title, described) = (escape(&caption.title), escape(&caption.description));
    let (width, height) = (number(layout.width), number(layout.height));
    let (style, body) = (style(&vector.used), vector.body);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"provost auto\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\" font-family=\"{FAMILY}\">\n\
         <title>{title}</title>\n<desc>{described}</desc>\n<style>{style}</style>\n{body}</svg>\n"
    )
    .into_bytes())
}

/// The style sheet with the dark colours that were used, for the class `dark` and for the reader's preference.
fn style(used: &BTreeSet<(bool, Color)>) -> String {
    let rules = |root: &str| {
        let mut rules = String::new();
        for (stroke, color) in used {
            let attribute = if *stroke { "stroke" } else { "fill" };
            let _ = write!(rules, "{root} .{}{{{attribute}:{}}}", class(*stroke, *color), hex(color.dark));
        }
        rules
    };
    format!("{}@media (prefers-color-scheme:dark){{{}}}", rules(".provost.dark"), rules(".provost.auto"))
}

/// The class of a colour. It is the same in every picture, because one page may hold several.
fn class(stroke: bool, color: Color) -> String {
    let kind = if stroke { "line" } else { "fill" };
    if color.step == 0 { format!("{kind}-{}", color.name) } else { format!("{kind}-{}-{}", color.name, color.step) }
}

fn hex((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escape(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The text without control characters, which XML 1.0 cannot hold.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c }).collect()
}

/// A number with at most two decimals.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

fn points(points: impl IntoIterator<Item = Point>) -> String {
    let pairs: Vec<String> = points.into_iter().map(|(x, y)| format!("{},{}", number(x), number(y))).collect();
    pairs.join(" ")
}

struct Vector {
    layout: Layout,
    body: String,
    /// The colours used so far, each with whether it colours a line.
    used: BTreeSet<(bool, Color)>,
}

impl Vector {
    /// The class and the attributes of a colour.
    fn color(&mut self, stroke: bool, color: Color) -> String {
        self.used.insert((stroke, color));
        let attribute = if stroke { "fill=\"none\" stroke" } else { "fill" };
        format!("class=\"{}\" {attribute}=\"{}\"", class(stroke, color), hex(color.light))
    }

    fn element(&mut self, text: &str) {
        self.body.push_str(text);
        self.body.push('\n');
    }
}

impl Surface for Vector {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn rect(&mut self, from: Point, to: Point, color: Color) -> Result<(), PlotError> {
        let (width, height) = (to.0 - from.0, to.1 - from.1);
        if width <= 0.0 || height <= 0.0 {
            return Ok(());
        }
        let (x, y, width, height) = (number(from.0), number(from.1), number(width), number(height));
        let color = self.color(false, color);
        self.element(&format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {color}/>"));
        Ok(())
    }

    fn path(&mut self, path: &[Point], width: f64, color: Color) -> Result<(), PlotError> {
        let color = self.color(true, color);
        let (at, width) = (points(path.iter().copied()), number(width));
        let joints = if path.len() > 2 { " stroke-linejoin=\"round\"" } else { "" };
        self.element(&format!("<polyline points=\"{at}\" {color} stroke-width=\"{width}\"{joints}/>"));
        Ok(())
    }

    fn polygon(&mut self, corners: &[Point], color: Color) -> Result<(), PlotError> {
        let color = self.color(false, color);
        let at = points(corners.iter().copied());
        self.element(&format!("<polygon points=\"{at}\" {color}/>"));
        Ok(())
    }

    fn under(&mut self, path: &[Point], base: f64, color: Color) -> Result<(), PlotError> {
        let (Some(first), Some(last)) = (path.first(), path.last()) else { return Ok(()) };
        let corners: Vec<Point> = path.iter().copied().chain([(last.0, base), (first.0, base)]).collect();
        self.polygon(&corners, color)
    }

    fn dot(&mut self, center: Point, radius: f64, color: Color) -> Result<(), PlotError> {
        let (x, y, r) = (number(center.0), number(center.1), number(radius));
        let color = self.color(false, color);
        self.element(&format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" {color}/>"));
        Ok(())
    }

    fn text(&mut self, at: Point, text: &str, style: Type) -> Result<(), PlotError> {
        if text.is_empty() {
            return Ok(());
        }
        let anchor = match style.align {
            Align::Left => "",
            Align::Center => " text-anchor=\"middle\"",
            Align::Right => " text-anchor=\"end\"",
        };
        let weight = if style.bold { " font-weight=\"600\"" } else { "" };
        let (x, y, em) = (number(at.0), number(at.1 + HALF_CAPITAL * style.em), number(style.em));
        let color = self.color(false, style.color);
        let text = escape(text);
        self.element(&format!("<text x=\"{x}\" y=\"{y}\" font-size=\"{em}\"{anchor}{weight} {color}>{text}</text>"));
        Ok(())
    }
}
