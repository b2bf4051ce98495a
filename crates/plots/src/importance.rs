//! Feature importance as bars, the largest first.

use crate::error::PlotError;
use crate::font;
use crate::frame::{Axes, Heading, heading, no_data, subjects};
use crate::palette::{AXIS, BLUE, INK, MUTED};
use crate::style::{count, drawable, human, score, step, ticks};
use crate::surface::{Surface, Type};
use provost_domain::evaluation::PlotData;
use provost_domain::model::ImportanceKind;

pub const NARROW: f64 = 640.0;
const MOST: usize = 20;

pub fn draw(s: &mut dyn Surface, data: &PlotData) -> Result<(), PlotError> {
    let mut bars: Vec<(String, f64)> = data
        .feature_importance
        .iter()
        .filter(|f| drawable(f.importance_score))
        .map(|f| (human(&f.feature_name), f.importance_score))
        .collect();
    bars.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all = bars.len();
    bars.truncate(MOST);
    let shown = if all > MOST { format!("{MOST} of {all} features") } else { format!("{all} features") };
    let note = format!("{} · {} training rows · {shown}", data.importance_kind, count(data.importance_rows));
    let used = bars.iter().any(|b| b.1 != 0.0);
    let layout = s.layout();
    let key = match bars.first() {
        Some((name, _)) if used && !layout.narrow => font::fit(name, 21.0, true, 420.0)?,
        _ => String::new(),
    };
    let top = heading(s, &Heading { title: "Feature importance", key: &key, note: &note, subjects: &subjects(data) })?;
    let Some(strongest) = bars.iter().map(|b| b.1.abs()).max_by(f64::total_cmp) else {
        return no_data(s, top, "The model reports no importance.");
    };
    let top = top + 20.0;
    let (low, high) = bars.iter().fold((0.0f64, 0.0f64), |(low, high), b| (low.min(b.1), high.max(b.1)));
    let unused = strongest < 1e-12;
    let high = if unused { 1.0 } else { high };
    let bottom = layout.height - layout.pick(64.0, 56.0);
    let row = ((bottom - top) / bars.len() as f64).min(layout.pick(46.0, 40.0));
    let em = (row * 0.45).clamp(9.5, 13.0);
    // Labels stand beside the bars if the layout has room, else above each bar.
    let mut label_width: f64 = 0.0;
    for (name, _) in bars.iter().filter(|_| !layout.narrow) {
        label_width = label_width.max(font::width(name, em, false)?.min(250.0));
    }
    let before = if layout.narrow { 0.0 } else { label_width + 14.0 };
    let axes = Axes {
        // Room for the figure at either end of a bar.
        from: (layout.left() + before + if low < 0.0 { 48.0 } else { 0.0 }, top),
        to: (layout.right() - 52.0, top + row * bars.len() as f64),
        x: (low, high),
        y: (0.0, 1.0),
    };
    if !unused {
        axes.grid_x(s, &ticks(low, high, step(high - low, layout.pick(7, 4))), true)?;
    }
    let zero = axes.at(0.0, 0.0).0;
    for (at, (name, value)) in bars.iter().enumerate() {
        let above = top + at as f64 * row;
        let (middle, half) =
            if layout.narrow { (above + row * 0.72, row * 0.18) } else { (above + row * 0.5, row * 0.33) };
        let end = axes.at(*value, 0.0).0;
        if layout.narrow {
            let name = font::fit(name, em, false, layout.right() - layout.left())?;
            s.text((layout.left(), above + row * 0.3), &name, Type::new(em, INK))?;
        } else {
            let name = font::fit(name, em, false, 250.0)?;
            s.text((layout.left() + label_width, middle), &name, Type::new(em, INK).right())?;
        }
        s.rect((zero.min(end), middle - half), (zero.max(end), middle + half), BLUE)?;
        let style = Type::new(em - 0.5, if *value == 0.0 { MUTED } else { INK });
        if *value < 0.0 {
            s.text((end - 7.0, middle), &score(*value), style.right())?;
        } else {
            s.text((end + 7.0, middle), &score(*value), style)?;
        }
    }
    s.line((zero, top), (zero, axes.to.1), 1.0, AXIS)?;
    let title = if unused { "No feature is used" } else { unit(data.importance_kind, layout.narrow) };
    s.text(
        (layout.pick((axes.from.0 + axes.to.0) / 2.0, 180.0), axes.to.1 + 36.0),
        title,
        Type::new(12.0, INK).center(),
    )
}

/// The title of the axis: what the length of a bar measures.
fn unit(kind: ImportanceKind, short: bool) -> &'static str {
    match (kind, short) {
        (ImportanceKind::Gain, _) => "Share of total gain",
        (ImportanceKind::Coefficient, false) => "Share of total absolute coefficients, standardised",
        (ImportanceKind::Coefficient, true) => "Share of total absolute coefficients",
        (ImportanceKind::Permutation, false) => "Share of the total fall of the AUC when a feature is shuffled",
        (ImportanceKind::Permutation, true) => "Share of total fall of the AUC when shuffled",
        (ImportanceKind::Members, false) => "Share of total, mean of the members by their weights",
        (ImportanceKind::Members, true) => "Share of total, mean of the members",
    }
}
