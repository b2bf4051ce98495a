//! What the plots share: the heading, axes over a rectangle, and the word when there is nothing to draw.

use crate::PlotError;
use crate::font;
use crate::style::{self, AXIS, GRID, INK, MUTED};
use crate::surface::{Point, Surface, Type, WIDTH};

pub const LEFT: f64 = 40.0;
pub const RIGHT: f64 = WIDTH - 40.0;

/// The plot's name and its subject on the left, the one number to remember on the right.
pub fn heading(s: &mut dyn Surface, title: &str, subject: &str, key: &str, note: &str) -> Result<(), PlotError> {
    s.text((LEFT, 38.0), title, Type::new(21.0, INK).bold())?;
    s.text((RIGHT, 38.0), key, Type::new(21.0, INK).bold().right())?;
    s.text((RIGHT, 63.0), note, Type::new(12.5, MUTED).right())?;
    let room = RIGHT - LEFT - font::width(note, 12.5, false)? - 24.0;
    s.text((LEFT, 63.0), &font::fit(subject, 12.5, false, room)?, Type::new(12.5, MUTED))
}

/// In place of the plot.
pub fn no_data(s: &mut dyn Surface, why: &str) -> Result<(), PlotError> {
    s.rect((LEFT, 96.0), (RIGHT, 560.0), style::BAND)?;
    s.text((WIDTH / 2.0, 314.0), "No data", Type::new(18.0, MUTED).bold().center())?;
    s.text((WIDTH / 2.0, 342.0), why, Type::new(13.0, MUTED).center())
}

/// A rectangle that shows [x0, x1] × [y0, y1].
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    pub from: Point,
    pub to: Point,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Axes {
    /// Values beyond the edges are drawn at the edge.
    pub fn at(&self, x: f64, y: f64) -> Point {
        let share = |v: f64, (low, high): (f64, f64)| ((v - low) / (high - low)).clamp(0.0, 1.0);
        let (sx, sy) = (share(x, self.x), share(y, self.y));
        (self.from.0 + sx * (self.to.0 - self.from.0), self.to.1 - sy * (self.to.1 - self.from.1))
    }

    pub fn grid_x(&self, s: &mut dyn Surface, ticks: &[(f64, String)], labels: bool) -> Result<(), PlotError> {
        for (value, label) in ticks {
            let x = self.at(*value, self.y.0).0;
            s.line((x, self.from.1), (x, self.to.1), 1.0, GRID)?;
            if labels {
                s.text((x, self.to.1 + 15.0), label, Type::new(11.0, MUTED).center())?;
            }
        }
        Ok(())
    }

    pub fn grid_y(&self, s: &mut dyn Surface, ticks: &[(f64, String)]) -> Result<(), PlotError> {
        for (value, label) in ticks {
            let y = self.at(self.x.0, *value).1;
            s.line((self.from.0, y), (self.to.0, y), 1.0, GRID)?;
            s.text((self.from.0 - 9.0, y), label, Type::new(11.0, MUTED).right())?;
        }
        Ok(())
    }

    /// The bottom and left edges, over whatever was drawn between.
    pub fn edges(&self, s: &mut dyn Surface) -> Result<(), PlotError> {
        s.path(&[self.from, (self.from.0, self.to.1), self.to], 1.0, AXIS)
    }

    /// The y title stands upright above its axis, where it is read without turning the head.
    pub fn titles(&self, s: &mut dyn Surface, x: &str, y: &str) -> Result<(), PlotError> {
        let middle = (self.from.0 + self.to.0) / 2.0;
        s.text((middle, self.to.1 + 36.0), x, Type::new(12.0, INK).center())?;
        s.text((self.from.0 - 28.0, self.from.1 - 17.0), y, Type::new(12.0, INK))
    }
}
