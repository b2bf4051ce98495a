//! PNG: drawn at twice the size, then averaged down, which smooths the edges.

use crate::error::PlotError;
use crate::font;
use crate::palette::{Color, PAPER};
use crate::surface::{Align, Drawing, HALF_CAPITAL, Layout, Point, Surface, Type};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::{Color as _, RGBColor, ShapeStyle};

/// Pixels of the finished picture per unit.
const DENSITY: usize = 2;
const OVERSAMPLING: usize = 2;
const SCALE: f64 = (DENSITY * OVERSAMPLING) as f64;

/// Draws a PNG on a light background.
pub fn png(layout: Layout, draw: &Drawing<'_>) -> Result<Vec<u8>, PlotError> {
    let (width, height) = (layout.width as usize * DENSITY, layout.height as usize * DENSITY);
    let (wide, high) = (width * OVERSAMPLING, height * OVERSAMPLING);
    let mut pixels = vec![255u8; wide * high * 3];
    {
        let backend = BitMapBackend::with_buffer(&mut pixels, (wide as u32, high as u32));
        let mut raster = Raster { layout, backend };
        raster.rect((0.0, 0.0), (layout.width, layout.height), PAPER)?;
        draw(&mut raster)?;
        raster.backend.present().map_err(failed)?;
    }
    encode(&shrink(&pixels, width, height), width, height)
}

/// Scales down: each pixel is the mean of a block of pixels.
fn shrink(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let stride = width * OVERSAMPLING * 3;
    let mut out = Vec::with_capacity(width * height * 3);
    for row in pixels.chunks_exact(stride * OVERSAMPLING) {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0usize;
                for line in row.chunks_exact(stride) {
                    for step in 0..OVERSAMPLING {
                        sum += usize::from(line[(x * OVERSAMPLING + step) * 3 + channel]);
                    }
                }
                let samples = OVERSAMPLING * OVERSAMPLING;
                out.push(((sum + samples / 2) / samples) as u8);
            }
        }
    }
    out
}

fn encode(pixels: &[u8], width: usize, height: usize) -> Result<Vec<u8>, PlotError> {
    let failed = |e: png::EncodingError| PlotError::Encode(e.to_string());
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

fn failed(error: impl std::fmt::Display) -> PlotError {
    PlotError::Draw(error.to_string())
}

fn rgb(color: Color) -> RGBColor {
    let (r, g, b) = color.light;
    RGBColor(r, g, b)
}

fn filled(color: Color) -> ShapeStyle {
    rgb(color).filled()
}

fn pixel(point: Point) -> (i32, i32) {
    ((point.0 * SCALE).round() as i32, (point.1 * SCALE).round() as i32)
}

struct Raster<'a> {
    layout: Layout,
    backend: BitMapBackend<'a>,
}

impl Surface for Raster<'_> {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn polygon(&mut self, corners: &[Point], color: Color) -> Result<(), PlotError> {
        let corners: Vec<(i32, i32)> = corners.iter().map(|p| pixel(*p)).collect();
        self.backend.fill_polygon(corners, &filled(color)).map_err(failed)
    }

    fn rect(&mut self, from: Point, to: Point, color: Color) -> Result<(), PlotError> {
        let (from, to) = (pixel(from), pixel(to));
        if to.0 <= from.0 || to.1 <= from.1 {
            return Ok(());
        }
        self.backend.draw_rect(from, to, &filled(color), true).map_err(failed)
    }

    fn path(&mut self, points: &[Point], width: f64, color: Color) -> Result<(), PlotError> {
        let half = width / 2.0;
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let length = (x1 - x0).hypot(y1 - y0);
            if length <= 0.0 {
                continue;
            }
            if x0 == x1 || y0 == y1 {
                // A line along an axis keeps exact edges.
                let (across, up) = if y0 == y1 { (0.0, half) } else { (half, 0.0) };
                let (low, high) = ((x0.min(x1) - across, y0.min(y1) - up), (x0.max(x1) + across, y0.max(y1) + up));
                self.rect(low, high, color)?;
                continue;
            }
            let (nx, ny) = (-(y1 - y0) / length * half, (x1 - x0) / length * half);
            let corners = [(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)];
            self.polygon(&corners, color)?;
        }
        // Round joints.
        for joint in points.iter().skip(1).take(points.len().saturating_sub(2)) {
            self.dot(*joint, half, color)?;
        }
        Ok(())
    }

    fn under(&mut self, points: &[Point], base: f64, color: Color) -> Result<(), PlotError> {
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            if x1 <= x0 {
                continue;
            }
            if y0 == y1 {
                self.rect((x0, y0), (x1, base), color)?;
            } else {
                self.polygon(&[(x0, y0), (x1, y1), (x1, base), (x0, base)], color)?;
            }
        }
        Ok(())
    }

    fn dot(&mut self, center: Point, radius: f64, color: Color) -> Result<(), PlotError> {
        let radius = (radius * SCALE).round().max(1.0) as u32;
        self.backend.draw_circle(pixel(center), radius, &filled(color), true).map_err(failed)
    }

    fn text(&mut self, at: Point, text: &str, style: Type) -> Result<(), PlotError> {
        let em = style.em * SCALE;
        let width = font::width(text, em, style.bold)?;
        let start = match style.align {
            Align::Left => 0.0,
            Align::Center => width / 2.0,
            Align::Right => width,
        };
        let (x, y) = (at.0 * SCALE - start, (at.1 + HALF_CAPITAL * style.em) * SCALE);
        let color = rgb(style.color);
        for glyph in font::outlines(text, em, style.bold, x, y)? {
            let corner = glyph.px_bounds().min;
            let (left, top) = (corner.x as i32, corner.y as i32);
            let mut outcome = Ok(());
            glyph.draw(|x, y, cover| {
                if outcome.is_ok() && cover > 0.0 {
                    let shade = color.mix(f64::from(cover.min(1.0))).to_backend_color();
                    outcome = self.backend.draw_pixel((left + x as i32, top + y as i32), shade);
                }
            });
            outcome.map_err(failed)?;
        }
        Ok(())
    }
}
