//! `quality`: the quality of the data that a job would train on.

use super::read::{count, number, text, texts};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use crate::input;
use clap::Args;
use provost_domain::visible;
use serde_json::{Value, json};

#[derive(Args)]
pub struct QualityArgs {
    /// The training configuration that selects the data (JSON; - is standard input) [default: the verified points of the store]
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Include points that are not verified
    #[arg(long)]
    pub unverified: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

pub fn quality(args: &QualityArgs) -> Result<()> {
    let mut config = args.file.as_deref().map_or_else(|| Ok(json!({})), input::json)?;
    if args.unverified {
        let fields =
            config.as_object_mut().ok_or_else(|| Error::Usage("the configuration is not a JSON object".to_owned()))?;
        fields.insert("use_verified_only".to_owned(), json!(false));
    }
    let client = Client::new(&args.remote, &args.common)?;
    let answer = client.post("/data-quality", &config)?;
    print(&args.common.output, &answer, || report(&answer));
    Ok(())
}

/// How many universities are named.
const NAMED: usize = 5;

fn report(answer: &Value) -> String {
    let passes = answer["passes_quality_check"] == true;
    let mut out =
        if passes { "the data passes its quality check" } else { "the data fails its quality check" }.to_owned();
    let per_cent = |pointer: &str| number(answer, pointer).map_or_else(|| "-".to_owned(), |v| format!("{v:.1} %"));
    let classes = answer["class_distribution"].as_object().into_iter().flatten();
    let classes: Vec<String> =
        classes.map(|(name, n)| format!("{} {name}", show::thousands(n.as_u64().unwrap_or(0)))).collect();
    let years = &answer["data_date_range"];
    let balance = number(answer, "/class_balance_ratio");
    let few: Vec<_> = texts(&answer["universities_below_threshold"]).collect();
    let some = few.iter().take(NAMED).map(|name| name.as_ref()).collect::<Vec<_>>().join(", ");
    let more = if few.len() > NAMED { ", …" } else { "" };
    let few = if few.is_empty() { "none".to_owned() } else { format!("{}: {some}{more}", few.len()) };
    let rows = [
        ("points", count(answer, "/total_samples")),
        ("with an outcome", format!("{} (accepted or rejected)", count(answer, "/usable_samples"))),
        ("verified", count(answer, "/verified_samples")),
        ("decisions", classes.join(", ")),
        ("balance", format!("{} (smaller class over larger)", show::score(balance))),
        ("years", format!("{} to {}", text(years, "min"), text(years, "max"))),
        ("of the last two", per_cent("/recent_data_percentage")),
        ("duplicates", count(answer, "/duplicate_count")),
        ("outliers", format!("{} values outside every scale", count(answer, "/outlier_count"))),
        ("refused rows", count(answer, "/rejected_rows")),
        ("below 50 points", format!("universities: {few}")),
    ];
    out += "\n";
    for (name, value) in rows {
        out += &format!("\n{}", show::hanging(&format!("  {name:<16} "), &visible::line(&value)));
    }
    let mut present: Vec<(&String, f64)> = answer["feature_completeness"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, share)| Some((name, share.as_f64()?)))
        .collect();
    present.sort_by(|a, b| a.1.total_cmp(&b.1));
    let rows: Vec<Vec<String>> =
        present.iter().map(|(name, share)| vec![(*name).clone(), format!("{share:.1} %")]).collect();
    out += &format!("\n\n{}", show::table(&["feature", "present"], &rows));
    for (name, mark) in
        [("rejected_reasons", "✗"), ("quality_issues", "!"), ("warnings", "!"), ("recommendations", "→")]
    {
        for said in texts(&answer[name]) {
            out += &format!("\n{}", show::hanging(&format!("  {mark} "), &said));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_names_what_is_to_be_done() {
        let answer = json!({"passes_quality_check": false, "total_samples": 1200, "usable_samples": 1100, "verified_samples": 0,
            "class_distribution": {"accepted": 100, "rejected": 1000, "deferred": 100}, "class_balance_ratio": 0.1,
            "data_date_range": {"min": "2019", "max": "2026"}, "recent_data_percentage": 40.0, "duplicate_count": 3,
            "outlier_count": 2, "rejected_rows": 7, "rejected_reasons": ["line 3: no decision"],
            "universities_below_threshold": ["A", "B", "C", "D", "E", "F"], "feature_completeness": {"gmat": 12.5, "gpa": 100.0},
            "quality_issues": ["one class only"], "recommendations": ["import more"]});
        let shown = report(&answer);
        for part in [
            "fails",
            "1,100 (accepted or rejected)",
            "1,000 rejected",
            "6: A, B, C, D, E, …",
            "12.5 %",
            "! one class only",
            "→ import more",
            "refused rows     7",
            "✗ line 3: no decision",
            "2019 to 2026",
        ] {
            assert!(shown.contains(part), "no {part:?} in\n{shown}");
        }
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
}
