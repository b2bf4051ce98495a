//! The confusion matrix: counts, correct predictions in blue and errors in orange; a cell is darker the larger its share of
//! its row.

use crate::error::PlotError;
use crate::frame::{Heading, heading, no_data, subjects};
use crate::palette::{BAND, INK, MUTED, Scale, text_on};
use crate::style::{count, percent, score};
use crate::surface::{Surface, Type};
use provost_domain::evaluation::PlotData;

pub const NARROW: f64 = 470.0;

const NAMES: [&str; 2] = ["Rejected", "Accepted"];
const GAP: f64 = 4.0;

pub fn draw(s: &mut dyn Surface, data: &PlotData) -> Result<(), PlotError> {
    let layout = s.layout();
    let matrix = data.confusion_matrix;
    let [[tn, fp], [fn_, tp]] = matrix;
    let total = [tn, fp, fn_, tp].iter().fold(0u64, |sum, n| sum.saturating_add(*n));
    let accuracy = format!("Accuracy {}", percent(tn.saturating_add(tp), total));
    let most = tn.saturating_add(fp).max(fn_.saturating_add(tp));
    let note = format!("always the majority: {} · n = {}", percent(most, total), count(total));
    let head = Heading { title: "Confusion matrix", key: &accuracy, note: &note, subjects: &subjects(data) };
    let top = heading(s, &head)?;
    if total == 0 {
        return no_data(s, top, "No rows were scored.");
    }
    let (x, y) = layout.pick((190.0, 148.0), (92.0, 134.0));
    let (wide, high) = layout.pick((218.0, 164.0), (126.0, 108.0));
    let predicted = format!("Predicted (accepted from {} on)", score(data.threshold));
    s.text((x + wide, y - 42.0), &predicted, Type::new(12.0, MUTED).center())?;
    s.text((x - 14.0, y - 19.0), "Actual", Type::new(12.0, MUTED).right())?;
    let name_em = layout.pick(14.0, 12.0);
    for (row, name) in NAMES.iter().enumerate() {
        let in_row = matrix[row][0].saturating_add(matrix[row][1]);
        let above = y + row as f64 * high;
        let middle = above + high / 2.0;
        s.text((x + (row as f64 + 0.5) * wide, y - 19.0), name, Type::new(name_em, INK).bold().center())?;
        s.text((x - 14.0, middle - 9.0), name, Type::new(name_em, INK).bold().right())?;
        s.text((x - 14.0, middle + 11.0), &format!("of {}", count(in_row)), Type::new(12.0, MUTED).right())?;
        for (at, n) in matrix[row].iter().enumerate() {
            let left = x + at as f64 * wide;
            let scale = if at == row { Scale::Blue } else { Scale::Orange };
            let ground = if in_row == 0 { BAND } else { scale.shade(*n as f64 / in_row as f64) };
            let inset = GAP / 2.0;
            s.rect((left + inset, above + inset), (left + wide - inset, above + high - inset), ground)?;
            let (ink, center) = (text_on(ground), left + wide / 2.0);
            s.text((center, middle - 12.0), &count(*n), Type::new(layout.pick(30.0, 22.0), ink).bold().center())?;
            let share = if in_row == 0 {
                "no such outcome".to_owned()
            } else {
                format!("{} of {}", percent(*n, in_row), name.to_lowercase())
            };
            s.text((center, middle + 19.0), &share, Type::new(layout.pick(13.0, 11.0), ink).center())?;
        }
    }
    let below = y + 2.0 * high;
    let legend = [(Scale::Blue, "right"), (Scale::Orange, "wrong")];
    for (at, (scale, word)) in (0..).map(f64::from).zip(legend) {
        let (left, middle) = layout.pick((x + 2.0 * wide + 26.0, y + 18.0 + 24.0 * at), (x + 70.0 * at, below + 18.0));
        s.rect((left, middle - 6.0), (left + 12.0, middle + 6.0), scale.shade(0.75))?;
        s.text((left + 19.0, middle), word, Type::new(12.0, INK))?;
    }
    let figures = [
        ("Precision", percent(tp, tp.saturating_add(fp))),
        ("Recall", percent(tp, tp.saturating_add(fn_))),
        ("Specificity", percent(tn, tn.saturating_add(fp))),
        ("F1", f1(tp, fp, fn_)),
    ];
    for (at, (name, value)) in (0..).map(f64::from).zip(&figures) {
        let (x, y) = layout.pick((x + (at + 0.5) * wide / 2.0, 520.0), (16.0 + (at + 0.5) * 82.0, below + 58.0));
        s.text((x, y), value, Type::new(layout.pick(19.0, 16.0), INK).bold().center())?;
        s.text((x, y + 24.0), name, Type::new(layout.pick(12.0, 11.0), MUTED).center())?;
    }
    Ok(())
}

fn f1(tp: u64, fp: u64, fn_: u64) -> String {
    let twice = tp.saturating_mul(2);
    percent(twice, twice.saturating_add(fp).saturating_add(fn_))
}
