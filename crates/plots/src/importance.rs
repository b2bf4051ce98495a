//! Feature importance as sorted bars.

use crate::PlotError;
use crate::font;
use crate::frame::{Axes, LEFT, RIGHT, heading, no_data};
use crate::style::{AXIS, BLUE, INK, MUTED, drawable, human, score, step, ticks};
use crate::surface::{Surface, Type};
use provost_domain::evaluation::PlotData;

const MOST: usize = 20;
const TOP: f64 = 96.0;
const BOTTOM: f64 = 536.0;

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
    let shown = if all > MOST {
        format!("strongest of {all} features, {MOST} shown")
    } else {
        format!("strongest of {all} features")
    };
    let used = bars.iter().filter(|b| b.1 != 0.0).count();
    let key = match (bars.first(), used) {
        (Some((name, _)), 1..) => font::fit(name, 21.0, true, 420.0)?,
        _ => String::new(),
    };
    heading(s, "Feature importance", &data.title, &key, &shown)?;
    let Some(strongest) = bars.iter().map(|b| b.1.abs()).max_by(f64::total_cmp) else {
        return no_data(s, "The model reports no importance.");
    };

    let row = ((BOTTOM - TOP) / bars.len() as f64).min(46.0);
    let em = (row * 0.45).clamp(9.5, 13.0);
    let mut label_width: f64 = 0.0;
    for (name, _) in &bars {
        label_width = label_width.max(font::width(name, em, false)?.min(250.0));
    }
    let (low, high) = bars.iter().fold((0.0f64, 0.0f64), |(low, high), b| (low.min(b.1), high.max(b.1)));
    let unused = strongest < 1e-12;
    let high = if unused { 1.0 } else { high };
    let axes = Axes {
        // Room for a value beyond either end.
        from: (LEFT + label_width + if low < 0.0 { 62.0 } else { 14.0 }, TOP),
        to: (RIGHT - 52.0, TOP + row * bars.len() as f64),
        x: (low, high),
        y: (0.0, 1.0),
    };
    if !unused {
        axes.grid_x(s, &ticks(low, high, step(high - low, 7)), true)?;
    }
    let zero = axes.at(0.0, 0.0).0;
    for (at, (name, value)) in bars.iter().enumerate() {
        let middle = TOP + (at as f64 + 0.5) * row;
        let half = row * 0.33;
        let end = axes.at(*value, 0.0).0;
        s.text((LEFT + label_width, middle), &font::fit(name, em, false, 250.0)?, Type::new(em, INK).right())?;
        s.rect((zero.min(end), middle - half), (zero.max(end), middle + half), BLUE)?;
        let color = if *value == 0.0 { MUTED } else { INK };
        let style = Type::new(em - 0.5, color);
        if *value < 0.0 {
            s.text((end - 7.0, middle), &score(*value), style.right())?;
        } else {
            s.text((end + 7.0, middle), &score(*value), style)?;
        }
    }
    s.line((zero, TOP), (zero, axes.to.1), 1.0, AXIS)?;
    let title = if unused { "Importance (no feature is used)" } else { "Importance" };
    s.text(((axes.from.0 + axes.to.0) / 2.0, axes.to.1 + 36.0), title, Type::new(12.0, INK).center())
}
