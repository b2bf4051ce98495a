//! Evaluations and comparisons as pictures: PNG (1600 × 1200) and SVG, in memory, with a bundled font. The same data give
//! the same bytes, on any thread. What cannot be drawn (one class, no rows, NaN) is said in the picture.

mod calibration;
mod comparison;
mod confusion;
mod font;
mod frame;
mod importance;
mod raster;
mod roc;
mod style;
mod surface;
mod vector;

use provost_domain::evaluation::PlotData;
use surface::Surface;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Png,
    Svg,
}

impl Format {
    /// By a file name's ending, `png` or `svg`.
    pub fn parse(ending: &str) -> Option<Self> {
        match ending {
            "png" => Some(Self::Png),
            "svg" => Some(Self::Svg),
            _ => None,
        }
    }
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    #[error("there is no plot {0:?}; the plots are confusion_matrix, roc_curve, feature_importance, calibration")]
    Unknown(String),
    #[error("drawing failed: {0}")]
    Draw(String),
    #[error("encoding the picture failed: {0}")]
    Encode(String),
    #[error("the bundled font is damaged: {0}")]
    Font(String),
}

type Drawing<'a> = dyn Fn(&mut dyn Surface) -> Result<(), PlotError> + 'a;

/// One of an evaluation's plots, by its name in `provost_domain::evaluation::PLOTS`.
pub fn render(name: &str, format: Format, data: &PlotData) -> Result<Vec<u8>, PlotError> {
    match name {
        "confusion_matrix" => picture(format, "Confusion matrix", &data.title, &|s| confusion::draw(s, data)),
        "roc_curve" => picture(format, "ROC curve", &data.title, &|s| roc::draw(s, data)),
        "feature_importance" => picture(format, "Feature importance", &data.title, &|s| importance::draw(s, data)),
        "calibration" => picture(format, "Calibration", &data.title, &|s| calibration::draw(s, data)),
        _ => Err(PlotError::Unknown(name.to_owned())),
    }
}

/// Several models' scores side by side: each a label and its (metric, score) pairs. Scores that are not
/// finite are left out, and models beyond the tenth.
pub fn comparison(models: &[(String, Vec<(String, f64)>)], format: Format) -> Result<Vec<u8>, PlotError> {
    picture(format, "Model comparison", "", &|s| comparison::draw(s, models))
}

fn picture(format: Format, title: &str, subject: &str, draw: &Drawing<'_>) -> Result<Vec<u8>, PlotError> {
    match format {
        Format::Png => raster::png(draw),
        Format::Svg => {
            let name = if subject.is_empty() { title.to_owned() } else { format!("{title}: {subject}") };
            vector::svg(&name, draw)
        }
    }
}

#[cfg(test)]
mod tests;
