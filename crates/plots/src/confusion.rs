//! The confusion matrix: counts, each shaded by its share of its row.

use crate::PlotError;
use crate::frame::{heading, no_data};
use crate::style::{BAND, INK, MUTED, count, percent, shade, text_on};
use crate::surface::{Surface, Type};
use provost_domain::evaluation::PlotData;

const NAMES: [&str; 2] = ["Rejected", "Accepted"];
const ORIGIN: (f64, f64) = (190.0, 148.0);
const CELL: (f64, f64) = (218.0, 164.0);
const GAP: f64 = 4.0;

pub fn draw(s: &mut dyn Surface, data: &PlotData) -> Result<(), PlotError> {
    let [[tn, fp], [fn_, tp]] = data.confusion_matrix;
    let total = [tn, fp, fn_, tp].iter().fold(0u64, |sum, n| sum.saturating_add(*n));
    let accuracy = percent(tn.saturating_add(tp), total);
    heading(s, "Confusion matrix", &data.title, &format!("Accuracy {accuracy}"), &format!("n = {}", count(total)))?;
    if total == 0 {
        return no_data(s, "No rows were scored.");
    }
    let right = ORIGIN.0 + 2.0 * CELL.0;
    s.text((ORIGIN.0 + CELL.0, ORIGIN.1 - 42.0), "Predicted", Type::new(12.0, MUTED).center())?;
    s.text((ORIGIN.0 - 16.0, ORIGIN.1 - 19.0), "Actual", Type::new(12.0, MUTED).right())?;
    for (row, name) in NAMES.iter().enumerate() {
        let of_row = data.confusion_matrix[row];
        let in_row = of_row[0].saturating_add(of_row[1]);
        let top = ORIGIN.1 + row as f64 * CELL.1;
        let middle = top + CELL.1 / 2.0;
        let column = ORIGIN.0 + (row as f64 + 0.5) * CELL.0;
        s.text((column, ORIGIN.1 - 19.0), name, Type::new(14.0, INK).bold().center())?;
        s.text((ORIGIN.0 - 16.0, middle - 9.0), name, Type::new(14.0, INK).bold().right())?;
        s.text((ORIGIN.0 - 16.0, middle + 12.0), &format!("n = {}", count(in_row)), Type::new(12.0, MUTED).right())?;
        for (at, n) in of_row.iter().enumerate() {
            let left = ORIGIN.0 + at as f64 * CELL.0;
            let ground = if in_row == 0 { BAND } else { shade(*n as f64 / in_row as f64) };
            let inset = GAP / 2.0;
            s.rect((left + inset, top + inset), (left + CELL.0 - inset, top + CELL.1 - inset), ground)?;
            let ink = text_on(ground);
            let center = left + CELL.0 / 2.0;
            s.text((center, middle - 12.0), &count(*n), Type::new(30.0, ink).bold().center())?;
            let share = if in_row == 0 {
                "no such outcome".to_owned()
            } else {
                format!("{} of {}", percent(*n, in_row), name.to_lowercase())
            };
            s.text((center, middle + 19.0), &share, Type::new(13.0, ink).center())?;
        }
    }
    legend(s, right + 26.0)?;
    let figures = [
        ("Precision", percent(tp, tp.saturating_add(fp))),
        ("Recall", percent(tp, tp.saturating_add(fn_))),
        ("Specificity", percent(tn, tn.saturating_add(fp))),
        ("F1", f1(tp, fp, fn_)),
    ];
    for (at, (name, value)) in figures.iter().enumerate() {
        let x = ORIGIN.0 + (at as f64 + 0.5) * CELL.0 / 2.0;
        s.text((x, 520.0), value, Type::new(19.0, INK).bold().center())?;
        s.text((x, 545.0), name, Type::new(12.0, MUTED).center())?;
    }
    Ok(())
}

fn f1(tp: u64, fp: u64, fn_: u64) -> String {
    let twice = tp.saturating_mul(2);
    percent(twice, twice.saturating_add(fp).saturating_add(fn_))
}

/// The scale of the shades.
fn legend(s: &mut dyn Surface, x: f64) -> Result<(), PlotError> {
    let (top, height, steps) = (ORIGIN.1 + 2.0, 2.0 * CELL.1 - 4.0, 81);
    for step in 0..steps {
        let share = 1.0 - f64::from(step) / f64::from(steps - 1);
        // Down to the foot each time: neighbours that only touch would show a seam.
        s.rect((x, top + height * f64::from(step) / f64::from(steps)), (x + 12.0, top + height), shade(share))?;
    }
    for (share, label) in [(0.0, "100%"), (0.5, "50%"), (1.0, "0%")] {
        s.text((x + 19.0, top + 6.0 + (height - 12.0) * share), label, Type::new(11.0, MUTED))?;
    }
    s.text((x, ORIGIN.1 - 19.0), "Share of row", Type::new(11.0, MUTED))
}
