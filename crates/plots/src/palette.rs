//! The plots' colours, each for a light and a dark background.

type Rgb = (u8, u8, u8);

/// A colour and its name; SVG uses the name as a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Color {
    pub name: &'static str,
    /// The step on a colour scale, from 1; 0 for a colour of no scale.
    pub step: u8,
    pub light: Rgb,
    pub dark: Rgb,
}

const fn color(name: &'static str, light: u32, dark: u32) -> Color {
    Color { name, step: 0, light: rgb(light), dark: rgb(dark) }
}

const fn rgb(hex: u32) -> Rgb {
    ((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

pub const PAPER: Color = color("paper", 0xFF_FFFF, 0x0F_1419);
pub const INK: Color = color("ink", 0x1F_2933, 0xE6_EBF0);
pub const MUTED: Color = color("muted", 0x56_6270, 0x9A_A7B5);
pub const GRID: Color = color("grid", 0xE4_E7EB, 0x2A_333D);
pub const AXIS: Color = color("axis", 0x9A_A5B1, 0x72_8093);
pub const BAND: Color = color("band", 0xF6_F8FA, 0x17_1D25);
pub const BLUE: Color = color("blue", 0x00_5B96, 0x6C_B6F0);
pub const PALE_BLUE: Color = color("pale-blue", 0xDC_E9F3, 0x1F_3A52);
pub const PALER_BLUE: Color = color("paler-blue", 0xED_F4FA, 0x16_2532);
pub const ORANGE: Color = color("orange", 0xD5_5E00, 0xFF_9248);
pub const GREEN: Color = color("green", 0x00_9E73, 0x3C_C796);
pub const PINK: Color = color("pink", 0xB0_578D, 0xE0_9CCB);
/// The marks of the fifth and later series.
pub const GREY: Color = color("grey", 0x76_828F, 0x8A_97A5);

/// Steps of a colour scale.
const STEPS: u8 = 20;

/// A colour scale of one hue for a share in [0, 1], from a faint tint to the full colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Blue,
    Orange,
}

impl Scale {
    pub fn shade(self, share: f64) -> Color {
        let (name, light, dark) = match self {
            Self::Blue => ("blues", (0xF0_F5FA, 0x08_4580), (0x1A_2632, 0x6C_B6F0)),
            Self::Orange => ("oranges", (0xFD_F3EB, 0xB0_4800), (0x2A_221C, 0xFF_9248)),
        };
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let step = (share * f64::from(STEPS)).round() as u8;
        let mix = |(from, to): (u32, u32)| {
            let part = f64::from(step) / f64::from(STEPS);
            let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
            let (from, to) = (rgb(from), rgb(to));
            (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
        };
        Color { name, step: step + 1, light: mix(light), dark: mix(dark) }
    }
}

/// Near-black or white text for `ground`, whichever has the higher contrast ratio (WCAG 2.1), for the light and the dark
/// colour.
pub fn text_on(ground: Color) -> Color {
    let (black, white) = (rgb(0x08_0C12), rgb(0xFF_FFFF));
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let light = |c: Rgb| 0.2126 * linear(c.0) + 0.7152 * linear(c.1) + 0.0722 * linear(c.2) + 0.05;
    let dark_text = |ground: Rgb| light(ground) / light(black) > light(white) / light(ground);
    let (name, light, dark) = match (dark_text(ground.light), dark_text(ground.dark)) {
        (true, true) => ("on-pale", black, black),
        (true, false) => ("on-tint", black, white),
        (false, true) => ("on-full", white, black),
        (false, false) => ("on-deep", white, white),
    };
    Color { name, step: 0, light, dark }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let light = |c: Rgb| 0.2126 * linear(c.0) + 0.7152 * linear(c.1) + 0.0722 * linear(c.2) + 0.05;
        let (a, b) = (light(a), light(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_and_marks_stand_out_on_both_grounds() {
        for (color, least) in [(INK, 12.0), (MUTED, 5.0), (BLUE, 3.0), (ORANGE, 3.0), (GREEN, 3.0), (PINK, 3.0)] {
            for ground in [PAPER, BAND] {
                assert!(contrast(color.light, ground.light) > least, "{} on light {}", color.name, ground.name);
                assert!(contrast(color.dark, ground.dark) > least, "{} on dark {}", color.name, ground.name);
            }
        }
        for scale in [Scale::Blue, Scale::Orange] {
            for share in (0..=20).map(|i| f64::from(i) / 20.0) {
                let (ground, text) = (scale.shade(share), text_on(scale.shade(share)));
                assert!(contrast(ground.light, text.light) > 4.3, "{scale:?} {share}");
                assert!(contrast(ground.dark, text.dark) > 4.3, "{scale:?} {share}");
            }
        }
    }
}
