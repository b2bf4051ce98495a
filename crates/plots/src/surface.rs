//! The drawing surface that PNG and SVG implement. Units are measured from the upper left corner.

use crate::error::PlotError;
use crate::palette::{BLUE, Color, GREEN, GREY, ORANGE, PAPER, PINK};

/// Draws a plot onto a surface; may be called more than once.
pub type Drawing<'a> = dyn Fn(&mut dyn Surface) -> Result<(), PlotError> + 'a;

/// A picture's size in units, and whether it has the narrow layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    pub width: f64,
    pub height: f64,
    /// Laid out for a phone, with less text on each line.
    pub narrow: bool,
}

impl Layout {
    pub const WIDE: Self = Self { width: 800.0, height: 600.0, narrow: false };

    pub fn narrow(height: f64) -> Self {
        Self { width: 360.0, height, narrow: true }
    }

    /// `wide` in the wide layout, else `narrow`.
    pub fn pick<T>(&self, wide: T, narrow: T) -> T {
        if self.narrow { narrow } else { wide }
    }
    pub fn left(&self) -> f64 {
        self.pick(40.0, 16.0)
    }
    pub fn right(&self) -> f64 {
        self.width - self.left()
    }
}

pub type Point = (f64, f64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Center,
    Right,
}

#[derive(Debug, Clone, Copy)]
pub struct Type {
    pub em: f64,
    pub bold: bool,
    pub color: Color,
    pub align: Align,
}

impl Type {
    pub fn new(em: f64, color: Color) -> Self {
        Self { em, bold: false, color, align: Align::Left }
    }
    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }
    pub fn center(self) -> Self {
        Self { align: Align::Center, ..self }
    }
    pub fn right(self) -> Self {
        Self { align: Align::Right, ..self }
    }
}

pub trait Surface {
    fn layout(&self) -> Layout;
    fn rect(&mut self, from: Point, to: Point, color: Color) -> Result<(), PlotError>;
    /// Joined line segments of one width.
    fn path(&mut self, points: &[Point], width: f64, color: Color) -> Result<(), PlotError>;
    /// A filled convex polygon.
    fn polygon(&mut self, corners: &[Point], color: Color) -> Result<(), PlotError>;
    /// The filled area between a path of rising x and the horizontal line at `base`.
    fn under(&mut self, points: &[Point], base: f64, color: Color) -> Result<(), PlotError>;
    fn dot(&mut self, center: Point, radius: f64, color: Color) -> Result<(), PlotError>;
    /// `at` is at half the height of the capitals.
    fn text(&mut self, at: Point, text: &str, style: Type) -> Result<(), PlotError>;

    fn line(&mut self, from: Point, to: Point, width: f64, color: Color) -> Result<(), PlotError> {
        self.path(&[from, to], width, color)
    }

    fn dashes(&mut self, from: Point, to: Point, width: f64, color: Color) -> Result<(), PlotError> {
        let (dash, gap) = (5.0, 4.0);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let along = |d: f64| (from.0 + (to.0 - from.0) * d / length, from.1 + (to.1 - from.1) * d / length);
        let mut at = 0.0;
        while at < length {
            self.line(along(at), along((at + dash).min(length)), width, color)?;
            at += dash + gap;
        }
        Ok(())
    }

    /// A shape with a ring around it, which separates it from a line behind it.
    fn marker(&mut self, shape: Shape, center: Point, radius: f64, color: Color) -> Result<(), PlotError> {
        self.shape(shape, center, radius + 1.5, PAPER)?;
        self.shape(shape, center, radius, color)
    }

    /// A filled shape with about the area of a dot of this radius.
    fn shape(&mut self, shape: Shape, (x, y): Point, radius: f64, color: Color) -> Result<(), PlotError> {
        match shape {
            Shape::Dot => self.dot((x, y), radius, color),
            Shape::Triangle => {
                let r = radius * 1.3;
                self.polygon(&[(x, y - r), (x + 0.9 * r, y + 0.7 * r), (x - 0.9 * r, y + 0.7 * r)], color)
            }
            Shape::Square => {
                let r = radius * 0.89;
                self.rect((x - r, y - r), (x + r, y + r), color)
            }
            Shape::Diamond => {
                let r = radius * 1.25;
                self.polygon(&[(x, y - r), (x + r, y), (x, y + r), (x - r, y)], color)
            }
        }
    }

    /// The mark of the series at this position: each of the first four has its own colour; the next four are grey and
    /// hollow.
    fn series(&mut self, at: usize, center: Point, radius: f64) -> Result<(), PlotError> {
        let shape = SHAPES[at % SHAPES.len()];
        if at < SHAPES.len() {
            return self.shape(shape, center, radius, series_color(at));
        }
        self.shape(shape, center, radius, GREY)?;
        self.shape(shape, center, radius * 0.55, PAPER)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Dot,
    Triangle,
    Square,
    Diamond,
}

const SHAPES: [Shape; 4] = [Shape::Dot, Shape::Triangle, Shape::Square, Shape::Diamond];
/// How many series have distinct marks.
pub const SERIES: usize = 2 * SHAPES.len();

/// Colours that stay distinct with the common forms of colour blindness (Okabe and Ito 2008); the shape differs as well.
pub fn series_color(at: usize) -> Color {
    [BLUE, ORANGE, GREEN, PINK].get(at).copied().unwrap_or(GREY)
}

/// Half the height of the font's capitals, in ems: the distance from a text's middle to its baseline.
pub const HALF_CAPITAL: f64 = 0.364;
