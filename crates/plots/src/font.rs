//! The bundled font (Inter, two weights): measuring and laying out one line of text.

use crate::error::PlotError;
use ab_glyph::{Font, FontRef, OutlinedGlyph, PxScale, ScaleFont, point};
use std::sync::OnceLock;

static REGULAR: &[u8] = include_bytes!("../fonts/Inter-Regular.otf");
static SEMIBOLD: &[u8] = include_bytes!("../fonts/Inter-SemiBold.otf");

fn font(bold: bool) -> Result<&'static FontRef<'static>, PlotError> {
    static FONTS: OnceLock<Result<[FontRef<'static>; 2], String>> = OnceLock::new();
    let load = |bytes: &'static [u8]| FontRef::try_from_slice(bytes).map_err(|e| e.to_string());
    let fonts = FONTS.get_or_init(|| Ok([load(REGULAR)?, load(SEMIBOLD)?]));
    match fonts {
        Ok([regular, semibold]) => Ok(if bold { semibold } else { regular }),
        Err(e) => Err(PlotError::Font(e.clone())),
    }
}

/// `ab_glyph` scales by the line height, SVG by the em: converts from em to line height.
fn scale(font: &FontRef<'_>, em: f64) -> PxScale {
    let units = f64::from(font.units_per_em().unwrap_or(1000.0));
    PxScale::from((em * f64::from(font.height_unscaled()) / units) as f32)
}

/// The width of one line of text, in the unit of `em`.
pub fn width(text: &str, em: f64, bold: bool) -> Result<f64, PlotError> {
    let font = font(bold)?;
    let scaled = font.as_scaled(scale(font, em));
    Ok(text.chars().map(|c| f64::from(scaled.h_advance(font.glyph_id(c)))).sum())
}

/// The text, shortened with an ellipsis if it is wider than `most`.
pub fn fit(text: &str, em: f64, bold: bool, most: f64) -> Result<String, PlotError> {
    if width(text, em, bold)? <= most {
        return Ok(text.to_owned());
    }
    // Bounded, because a label may have any length and no picture has room for more.
    let mut kept: Vec<char> = text.chars().take(400).collect();
    while kept.pop().is_some() {
        let short: String = kept.iter().collect::<String>().trim_end().to_owned() + "…";
        if width(&short, em, bold)? <= most {
            return Ok(short);
        }
    }
    Ok(String::new())
}

/// The glyph outlines of one line that starts at `x` on the baseline `y`, in pixels with fractions.
pub fn outlines(text: &str, em: f64, bold: bool, x: f64, y: f64) -> Result<Vec<OutlinedGlyph>, PlotError> {
    let font = font(bold)?;
    let scale = scale(font, em);
    let scaled = font.as_scaled(scale);
    let mut at = x as f32;
    let mut out = Vec::new();
    for c in text.chars() {
        let id = font.glyph_id(c);
        out.extend(font.outline_glyph(id.with_scale_and_position(scale, point(at, y as f32))));
        at += scaled.h_advance(id);
    }
    Ok(out)
}
