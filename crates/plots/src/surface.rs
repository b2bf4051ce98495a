//! What the plots draw on: 800 × 600 units from the upper left, whatever the picture's format.

use crate::PlotError;
use crate::style::Color;

pub const WIDTH: f64 = 800.0;
pub const HEIGHT: f64 = 600.0;

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
    fn rect(&mut self, from: Point, to: Point, color: Color) -> Result<(), PlotError>;
    /// Joined segments of one width.
    fn path(&mut self, points: &[Point], width: f64, color: Color) -> Result<(), PlotError>;
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

    /// A ringed dot, which stands out from a line through it.
    fn marker(&mut self, center: Point, radius: f64, color: Color) -> Result<(), PlotError> {
        self.dot(center, radius + 1.5, crate::style::PAPER)?;
        self.dot(center, radius, color)
    }
}

/// Half the height of the bundled font's capitals, in ems: what lies between a line's middle and its baseline.
pub const HALF_CAPITAL: f64 = 0.364;
