//! SVG: text stays text. It asks for Inter and is laid out to look right in any other sans serif.

use crate::style::{Color, PAPER};
use crate::surface::{Align, HALF_CAPITAL, HEIGHT, Point, Surface, Type, WIDTH};
use crate::{Drawing, PlotError};
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle};

/// Plotters counts in whole numbers, so a unit is cut into four.
const SCALE: f64 = 4.0;
const FAMILY: &str = "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, sans-serif";
/// Plotters' text sizes are 1.24 ems, and it moves a line down by half its x-height to centre it.
const SIZE_PER_EM: f64 = 1.24;
const HALF_X_HEIGHT: f64 = 0.273;

/// `name` becomes the picture's accessible name.
pub fn svg(name: &str, draw: &Drawing<'_>) -> Result<Vec<u8>, PlotError> {
    let mut body = String::new();
    {
        let size = ((WIDTH * SCALE) as u32, (HEIGHT * SCALE) as u32);
        let mut vector = Vector { backend: SVGBackend::with_string(&mut body, size) };
        vector.rect((0.0, 0.0), (WIDTH, HEIGHT), PAPER)?;
        draw(&mut vector)?;
        vector.backend.present().map_err(failed)?;
    }
    // Plotters' own opening tag has neither a displayed size apart from the view box nor a name.
    let Some((_, content)) = body.split_once('>') else {
        return Err(PlotError::Encode("the drawing has no opening tag".to_owned()));
    };
    let name = escape(name);
    let (wide, high) = (WIDTH * SCALE, HEIGHT * SCALE);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {wide} {high}\" \
         role=\"img\" aria-label=\"{name}\">\n<title>{name}</title>{content}"
    )
    .into_bytes())
}

fn escape(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// XML 1.0 has no way to write control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c }).collect()
}

fn failed(error: impl std::fmt::Display) -> PlotError {
    PlotError::Draw(error.to_string())
}

fn unit(point: Point) -> (i32, i32) {
    ((point.0 * SCALE).round() as i32, (point.1 * SCALE).round() as i32)
}

fn rgb(color: Color) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

struct Vector<'a> {
    backend: SVGBackend<'a>,
}

impl Surface for Vector<'_> {
    fn rect(&mut self, from: Point, to: Point, color: Color) -> Result<(), PlotError> {
        let (from, to) = (unit(from), unit(to));
        if to.0 <= from.0 || to.1 <= from.1 {
            return Ok(());
        }
        self.backend.draw_rect(from, to, &rgb(color).filled(), true).map_err(failed)
    }

    fn path(&mut self, points: &[Point], width: f64, color: Color) -> Result<(), PlotError> {
        let style: ShapeStyle = rgb(color).stroke_width((width * SCALE).round().max(1.0) as u32);
        self.backend.draw_path(points.iter().map(|p| unit(*p)), &style).map_err(failed)
    }

    fn under(&mut self, points: &[Point], base: f64, color: Color) -> Result<(), PlotError> {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
        let corners = points.iter().copied().chain([(last.0, base), (first.0, base)]);
        self.backend.fill_polygon(corners.map(unit), &rgb(color).filled()).map_err(failed)
    }

    fn dot(&mut self, center: Point, radius: f64, color: Color) -> Result<(), PlotError> {
        let radius = (radius * SCALE).round().max(1.0) as u32;
        self.backend.draw_circle(unit(center), radius, &rgb(color).filled(), true).map_err(failed)
    }

    fn text(&mut self, at: Point, text: &str, style: Type) -> Result<(), PlotError> {
        let h = match style.align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let weight = if style.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = (FAMILY, style.em * SCALE * SIZE_PER_EM, weight).into_font();
        let color = rgb(style.color);
        let type_ = TextStyle::from(font).color(&color).pos(Pos::new(h, VPos::Center));
        let middle = at.1 + (HALF_CAPITAL - HALF_X_HEIGHT) * style.em;
        self.backend.draw_text(&printable(text), &type_, unit((at.0, middle))).map_err(failed)
    }
}
