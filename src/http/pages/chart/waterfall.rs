//! How an estimate comes about: from the mean of the background rows, one step for each group of features.

use super::super::text::percent;
use super::{Drawing, Figure, Plane, short};

/// What one group of features adds.
pub struct Step {
    pub name: String,
    pub value: String,
    pub adds: f64,
}

/// Steps that are drawn by themselves.
const MOST: usize = 6;

/// Percentage points with their sign.
fn points(adds: f64) -> String {
    format!("{:+.1}", 100.0 * adds).replace('-', "−")
}

/// The largest steps first, the others as one, from `base` to `end`.
pub fn waterfall(base: f64, mut steps: Vec<Step>, end: f64) -> Figure {
    let title = "How it comes about";
    steps.sort_by(|a, b| b.adds.abs().total_cmp(&a.adds.abs()));
    let mut rows = vec![vec!["Mean of the background rows".to_owned(), String::new(), percent(base)]];
    rows.extend(steps.iter().map(|step| vec![step.name.clone(), step.value.clone(), points(step.adds)]));
    rows.push(vec!["This application".to_owned(), String::new(), percent(end)]);
    if steps.len() > MOST + 1 {
        let others = steps.split_off(MOST);
        let adds = others.iter().map(|step| step.adds).sum();
        steps.push(Step { name: format!("{} others", others.len()), value: String::new(), adds });
    }
    let mut at = base;
    let (mut low, mut high) = (base.min(end), base.max(end));
    for step in &steps {
        at += step.adds;
        (low, high) = (low.min(at), high.max(at));
    }
    let margin = ((high - low) * 0.15).max(0.02);
    let row = 26.0;
    let plane = Plane {
        left: 210.0,
        top: 4.0,
        width: 400.0,
        height: row * (steps.len() + 2) as f64,
        bottom: 4.0,
        x: (low - margin, high + margin),
        y: (0.0, 1.0),
    };
    let mut drawing = Drawing::new(
        plane,
        title,
        "From the mean of the background rows to this application's chance, one bar for each group of features.",
    );
    let mut number = 0;
    let mut bar = |drawing: &mut Drawing, name: &str, from: f64, to: f64, class: &str, text: &str| {
        let y = plane.top + row * f64::from(number);
        number += 1;
        let ((left, _), (right, _)) = (plane.at(from.min(to), 0.0), plane.at(from.max(to), 0.0));
        drawing.words("label", (plane.left - 10.0, y + 17.0), "end", name);
        let [x, top, width, height] = [left, y + 5.0, (right - left).max(1.5), row - 10.0].map(short);
        drawing
            .add(format_args!(r#"<rect class="{class}" x="{x}" y="{top}" width="{width}" height="{height}" rx="1"/>"#));
        drawing.words("", (right + 6.0, y + 17.0), "start", text);
    };
    bar(&mut drawing, "mean of the background rows", base, base, "f5", &percent(base));
    let mut at = base;
    for step in &steps {
        let class = if step.adds >= 0.0 { "f1" } else { "f2" };
        let name = if step.value.is_empty() { step.name.clone() } else { format!("{} {}", step.name, step.value) };
        bar(&mut drawing, &name, at, at + step.adds, class, &points(step.adds));
        at += step.adds;
    }
    bar(&mut drawing, "this application", end, end, "f5", &percent(end));
    let columns = ["Features", "Value", "Adds"].map(str::to_owned).into();
    let note = "percentage points; blue raises, orange lowers".to_owned();
    Figure { title: title.to_owned(), note, svg: drawing.end(), columns, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_are_drawn_as_one_and_listed_each() {
        let steps = (1..=9).map(|n| Step { name: format!("f{n}"), value: String::new(), adds: f64::from(n) / 1000.0 });
        let figure = waterfall(0.5, steps.collect(), 0.545);
        assert!(figure.svg.contains("3 others") && figure.svg.contains("54.5 %") && !figure.svg.contains(">f1<"));
        assert_eq!(figure.rows.len(), 11);
        assert_eq!(figure.rows[1], ["f9", "", "+0.9"]);
    }
}
