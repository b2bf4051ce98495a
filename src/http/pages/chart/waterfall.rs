//! How an estimate comes about: from the mean of the background rows, one step for each group of features.

use super::super::text::percent;
use super::Figure;
use super::drawing::{Drawing, Layout, NARROW, Plane, RIGHT, drawn, fitted, room, short};

/// What one group of features adds.
pub struct Step {
    pub name: String,
    pub value: String,
    pub adds: f64,
}

/// The most steps that are drawn separately.
const MOST: usize = 6;

/// Room for the number behind the last bar of a narrow drawing.
const BEHIND: f64 = 46.0;

/// Percentage points with their sign.
fn points(adds: f64) -> String {
    format!("{:+.1}", 100.0 * adds).replace('-', "−")
}

/// Draws the largest steps first and the others as one step, from `base` to `end`.
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
    let mut bars = vec![Stage {
        name: "mean of the background rows".to_owned(),
        from: base,
        to: base,
        class: "f5",
        text: percent(base),
    }];
    let mut at = base;
    for step in &steps {
        let class = if step.adds >= 0.0 { "f1" } else { "f2" };
        let name = if step.value.is_empty() { step.name.clone() } else { format!("{} {}", step.name, step.value) };
        bars.push(Stage { name, from: at, to: at + step.adds, class, text: points(step.adds) });
        at += step.adds;
    }
    bars.push(Stage { name: "this application".to_owned(), from: end, to: end, class: "f5", text: percent(end) });
    let svg = drawn(|layout| drawing(layout, title, &bars, (low - margin, high + margin)));
    let columns = ["Features", "Value", "Adds"].map(str::to_owned).into();
    let note = "percentage points; blue raises, orange lowers".to_owned();
    Figure { title: title.to_owned(), note, svg, columns, rows }
}

/// One bar of the drawing.
struct Stage {
    name: String,
    from: f64,
    to: f64,
    class: &'static str,
    text: String,
}

fn drawing(layout: Layout, title: &str, bars: &[Stage], x: (f64, f64)) -> Drawing {
    let is_narrow = layout == Layout::Narrow;
    // A narrow row has the name above its bar.
    let (row, above) = if is_narrow { (40.0, 16.0) } else { (26.0, 0.0) };
    let left = if is_narrow { 0.0 } else { room(bars.iter().map(|bar| bar.name.as_str()), 300.0) };
    let plane = Plane {
        layout,
        left,
        top: 4.0,
        width: if is_narrow { NARROW - BEHIND } else { 640.0 - left - RIGHT },
        height: row * bars.len() as f64,
        right: if is_narrow { BEHIND } else { RIGHT },
        bottom: 4.0,
        x,
        y: (0.0, 1.0),
    };
    let mut drawing = Drawing::new(
        plane,
        title,
        "From the mean of the background rows to this application's chance, one bar for each group of features.",
    );
    for (number, bar) in bars.iter().enumerate() {
        let y = plane.top + row * number as f64;
        let ((from, _), (to, _)) = (plane.at(bar.from.min(bar.to), 0.0), plane.at(bar.from.max(bar.to), 0.0));
        let (at, below, anchor, most) = match is_narrow {
            true => (0.0, y + 12.0, "start", NARROW),
            false => (left - 10.0, y + 17.0, "end", left - 10.0),
        };
        drawing.words("label", (at, below), anchor, &fitted(&bar.name, most));
        let [x, top, width, height] = [from, y + above + 5.0, (to - from).max(1.5), row - above - 10.0].map(short);
        drawing.add(format_args!(
            r#"<rect class="{}" x="{x}" y="{top}" width="{width}" height="{height}" rx="1"/>"#,
            bar.class
        ));
        drawing.words("", (to + 6.0, y + above + 16.0), "start", &bar.text);
    }
    drawing
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
