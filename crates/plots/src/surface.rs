//! What the plots draw on, whatever the picture's format: units from the upper left.

use crate::error::PlotError;
use crate::palette::{BLUE, Color, GREEN, GREY, ORANGE, PAPER, PINK};

/// Draws onto a surface, as often as it is asked to.
pub type Drawing<'a> = dyn Fn(&mut dyn Surface) -> Result<(), PlotError> + 'a;

/// A picture's size in units, and which arrangement it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    pub width: f64,
    pub height: f64,
    /// For a phone: fewer words beside each other.
    pub narrow: bool,
}

impl Layout {
    pub const WIDE: Self = Self { width: 800.0, height: 600.0, narrow: false };

    pub fn narrow(height: f64) -> Self {
        Self { width: 360.0, height, narrow: true }
    }

    /// The first where the layout is wide, else the second.
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
    /// Joined segments of one width.
    fn path(&mut self, points: &[Point], width: f64, color: Color) -> Result<(), PlotError>;
    /// A convex area.
    fn polygon(&mut self, corners: &[Point], color: Color) -> Result<(), PlotError>;
    /// The area between a path of rising x and a horizontal line.
    fn under(&mut self, points: &[Point], base: f64, color: Color) -> Result<(), PlotError>;
    fn dot(&mut self, center: Point, radius: f64, color: Color) -> Result<(), PlotError>;
    /// `at` is on the middle of the capitals.
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

    /// A ringed shape, which stands out from a line through it.
    fn marker(&mut self, shape: Shape, center: Point, radius: f64, color: Color) -> Result<(), PlotError> {
        self.shape(shape, center, radius + 1.5, PAPER)?;
        self.shape(shape, center, radius, color)
    }

    /// A filled shape of about the area of a dot of this radius.
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

    /// The mark of the series at this position: the first four have a colour each, the next four are grey and hollow.
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
/// Series that have a mark of their own.
pub const SERIES: usize = 2 * SHAPES.len();

/// Told apart with any common colour blindness (after Okabe and Ito 2008), and by their shape beside.
pub fn series_color(at: usize) -> Color {
    [BLUE, ORANGE, GREEN, PINK].get(at).copied().unwrap_or(GREY)
}

/// Half the height of the bundled font's capitals, in ems: what lies between a line's middle and its baseline.
pub const HALF_CAPITAL: f64 = 0.364;
