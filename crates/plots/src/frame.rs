//! What all plots share: the heading, the axes of a rectangle, and the text shown when there is no data.

use crate::error::PlotError;
use crate::font;
use crate::palette::{AXIS, BAND, GRID, INK, MUTED};
use crate::surface::{Point, Surface, Type};
use provost_domain::evaluation::PlotData;

/// The plot's title and subject, and its main figure with an explanation.
pub struct Heading<'a> {
    pub title: &'a str,
    pub key: &'a str,
    pub note: &'a str,
    /// Alternatives from long to short; the first that fits is drawn.
    pub subjects: &'a [String],
}

/// Draws the heading; returns the y below it.
pub fn heading(s: &mut dyn Surface, h: &Heading<'_>) -> Result<f64, PlotError> {
    let layout = s.layout();
    let (left, right) = (layout.left(), layout.right());
    let em = layout.pick(12.5, 11.5);
    let first = |room: f64| -> Result<String, PlotError> {
        for subject in h.subjects {
            if font::width(subject, em, false)? <= room {
                return Ok(subject.clone());
            }
        }
        font::fit(h.subjects.last().map_or("", String::as_str), em, false, room)
    };
    let muted = Type::new(em, MUTED);
    if !layout.narrow {
        s.text((left, 38.0), h.title, Type::new(21.0, INK).bold())?;
        s.text((right, 38.0), h.key, Type::new(21.0, INK).bold().right())?;
        s.text((right, 63.0), h.note, muted.right())?;
        let room = right - left - font::width(h.note, em, false)? - 24.0;
        s.text((left, 63.0), &first(room)?, muted)?;
        return Ok(76.0);
    }
    s.text((left, 24.0), h.title, Type::new(16.0, INK).bold())?;
    let room = right - left - font::width(h.title, 16.0, true)? - 12.0;
    s.text((right, 24.0), &font::fit(h.key, 16.0, true, room)?, Type::new(16.0, INK).bold().right())?;
    s.text((left, 45.0), &first(right - left)?, muted)?;
    s.text((left, 63.0), &font::fit(h.note, em, false, right - left)?, muted)?;
    Ok(74.0)
}

/// Which model was evaluated and when, from long to short.
pub fn subjects(data: &PlotData) -> [String; 2] {
    let PlotData { algorithm, model_id, date, .. } = data;
    // The end of the id differs between any two models.
    let tail: String = model_id.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
    [format!("{algorithm} · …{tail} · {date}"), format!("…{tail} · {date}")]
}

/// Draws the model's whole id, if the layout has room.
pub fn footer(s: &mut dyn Surface, data: &PlotData) -> Result<(), PlotError> {
    let layout = s.layout();
    if layout.narrow {
        return Ok(());
    }
    let id = font::fit(&data.model_id, 10.0, false, layout.right() - layout.left())?;
    s.text((layout.left(), layout.height - 12.0), &id, Type::new(10.0, MUTED))
}

/// Draws why there is no plot, in place of the plot.
pub fn no_data(s: &mut dyn Surface, top: f64, why: &str) -> Result<(), PlotError> {
    let layout = s.layout();
    let (top, bottom) = (top + 16.0, layout.height - 40.0);
    let middle = (top + bottom) / 2.0;
    s.rect((layout.left(), top), (layout.right(), bottom), BAND)?;
    s.text((layout.width / 2.0, middle - 14.0), "No data", Type::new(18.0, MUTED).bold().center())?;
    s.text((layout.width / 2.0, middle + 14.0), why, Type::new(13.0, MUTED).center())
}

/// A rectangle on the picture that shows the data range [x0, x1] × [y0, y1].
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    pub from: Point,
    pub to: Point,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Axes {
    /// The position of a data point. A point outside the range is drawn at the edge.
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

    /// Draws the bottom and left edges; called last, so that they cover the plot.
    pub fn edges(&self, s: &mut dyn Surface) -> Result<(), PlotError> {
        s.path(&[self.from, (self.from.0, self.to.1), self.to], 1.0, AXIS)
    }

    /// Draws the axis titles. The y title is written horizontally above its axis, which is easier to read.
    pub fn titles(&self, s: &mut dyn Surface, x: &str, y: &str) -> Result<(), PlotError> {
        self.x_title(s, x)?;
        s.text((self.from.0 - 28.0, self.from.1 - 17.0), y, Type::new(12.0, INK))
    }

    pub fn x_title(&self, s: &mut dyn Surface, title: &str) -> Result<(), PlotError> {
        let middle = (self.from.0 + self.to.0) / 2.0;
        s.text((middle, self.to.1 + 36.0), title, Type::new(12.0, INK).center())
    }
}
