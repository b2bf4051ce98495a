//! Pictures of evaluations and comparisons: PNG (1600 × 1200) and SVG, made in memory with a bundled font, each also in a
//! narrow layout for a width of 360. The same data give the same bytes on any thread. If there is nothing to draw (one
//! class, no rows, NaN), the picture says so.

mod calibration;
mod comparison;
mod confusion;
mod error;
mod font;
mod format;
mod frame;
mod importance;
mod palette;
mod raster;
mod roc;
mod style;
mod surface;
mod vector;

pub use error::PlotError;
pub use format::Format;

use provost_domain::evaluation::{ComparisonPlotData, PlotData};
use surface::{Drawing, Layout, Surface};
use vector::Caption;

type DrawPlot = fn(&mut dyn Surface, &PlotData) -> Result<(), PlotError>;

/// Draws one plot of an evaluation. `name` is one of `provost_domain::evaluation::PLOTS`, with the suffix `_narrow` for the
/// narrow layout.
pub fn render(name: &str, format: Format, data: &PlotData) -> Result<Vec<u8>, PlotError> {
    let (kind, narrow) = name.strip_suffix(NARROW).map_or((name, false), |kind| (kind, true));
    let (title, height, draw): (_, _, DrawPlot) = match kind {
        "confusion_matrix" => ("Confusion matrix", confusion::NARROW, confusion::draw),
        "roc_curve" => ("ROC curve", roc::NARROW, roc::draw),
        "feature_importance" => ("Feature importance", importance::NARROW, importance::draw),
        "calibration" => ("Calibration", calibration::NARROW, calibration::draw),
        _ => return Err(PlotError::Unknown(name.to_owned())),
    };
    let layout = if narrow { Layout::narrow(height) } else { Layout::WIDE };
    let caption = Caption {
        title: format!("{title}: {} {}", data.algorithm, data.model_id),
        description: description(kind, data),
    };
    let whole = |s: &mut dyn Surface| {
        draw(s, data)?;
        frame::footer(s, data)
    };
    picture(format, layout, &caption, &whole)
}

/// The suffix of a plot's name that asks for the narrow layout.
const NARROW: &str = "_narrow";

/// One sentence that describes a plot, for screen readers.
fn description(kind: &str, data: &PlotData) -> String {
    let [[tn, fp], [fn_, tp]] = data.confusion_matrix;
    let said = match kind {
        "confusion_matrix" => format!(
            "From a probability of {} on the model accepts: {tp} accepted and {tn} rejected applicants rightly, {fp} rejected \
             and {fn_} accepted ones wrongly.",
            style::score(data.threshold)
        ),
        "roc_curve" => {
            format!("AUC {}{}.", style::score(data.auc), style::interval(data.auc_interval, "").replace("95%", ", 95%"))
        }
        "feature_importance" => {
            format!("Importance by {} on {} training rows.", data.importance_kind, data.importance_rows)
        }
        _ => format!("Brier score {}; {}.", style::score(data.brier), calibration::found(data).unwrap_or_default()),
    };
    format!("{said} Evaluated {}.", data.date)
}

/// Draws several models' scores side by side. Scores that are not finite and models beyond the eighth are left out.
pub fn comparison(data: &ComparisonPlotData, format: Format, narrow: bool) -> Result<Vec<u8>, PlotError> {
    let labels: Vec<&str> = data.models.iter().map(|m| m.label.as_str()).collect();
    let caption = Caption { title: "Model comparison".to_owned(), description: labels.join(", ") };
    let layout = if narrow { Layout::narrow(comparison::NARROW) } else { Layout::WIDE };
    picture(format, layout, &caption, &|s| comparison::draw(s, data))
}

fn picture(format: Format, layout: Layout, caption: &Caption, draw: &Drawing<'_>) -> Result<Vec<u8>, PlotError> {
    match format {
        Format::Png => raster::png(layout, draw),
        Format::Svg => vector::svg(layout, caption, draw),
    }
}

#[cfg(test)]
mod tests;
