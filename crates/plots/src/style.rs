//! Formatting of numbers and names, the same in every plot.

/// Whether an axis can show a value: false for NaN and for values so large that their sums overflow.
pub fn drawable(value: f64) -> bool {
    value.abs() < 1e12
}

/// A count with separators (1,234,567), or rounded to three digits if it is too long.
pub fn count(n: u64) -> String {
    if n >= 10_000_000_000 {
        return format!("{:.2e}", n as f64);
    }
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three decimals, or a dash if the value is not finite.
pub fn score(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value != 0.0 && !(0.0005..1e6).contains(&value.abs()) {
        return format!("{value:.1e}").replace('-', "−");
    }
    format!("{value:.3}").replace('-', "−")
}

/// `95% 0.741 to 0.796` followed by `after`; empty if there is no interval.
pub fn interval(interval: Option<[f64; 2]>, after: &str) -> String {
    interval.map_or_else(String::new, |[low, high]| format!("95% {} to {}{after}", score(low), score(high)))
}

pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.1}%", 100.0 * part as f64 / whole as f64) }
}

/// The display name of a feature or metric.
pub fn human(name: &str) -> String {
    let known = match name {
        "gpa_normalized" => "GPA (normalised)",
        "gre_verbal_percentile" => "GRE verbal percentile",
        "gre_quant_percentile" => "GRE quantitative percentile",
        "gmat_percentile" => "GMAT percentile",
        "english_proficiency" => "English proficiency",
        "undergrad_prestige" => "Undergraduate prestige",
        "gpa_vs_avg" => "GPA against program average",
        "test_score_vs_avg" => "Test score against average",
        "f1_score" => "F1",
        "auc_roc" => "AUC",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get(..1) {
        let upper = first.to_ascii_uppercase();
        words.replace_range(..1, &upper);
    }
    words
}

/// A round step (1, 2 or 5 times a power of ten) that divides `span` into at most `most` pieces.
pub fn step(span: f64, most: u32) -> f64 {
    let rough = span / f64::from(most.max(1));
    let unit = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * unit >= rough * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * unit
}

/// The multiples of `step` in [low, high], labelled with as many decimals as the step needs.
pub fn ticks(low: f64, high: f64, step: f64) -> Vec<(f64, String)> {
    let decimals = (-step.log10()).ceil().clamp(0.0, 12.0) as usize;
    let first = (low / step - 1e-9).ceil();
    let count = (((high / step) + 1e-9).floor() - first).clamp(-1.0, 50.0);
    let at = |i: i32| (first + f64::from(i)) * step;
    (0..=(count as i32)).map(|i| (at(i), format!("{:.decimals$}", at(i) + 0.0).replace('-', "−"))).collect()
}
