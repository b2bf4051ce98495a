//! Tells the binary what it was built from: `PROVOST_BUILT_FROM` is ` (0123456789ab 2026-11-30)`, or as much of it as is
//! known. The commit is that of PROVOST_BUILD_COMMIT, else of the git checkout; the date that of SOURCE_DATE_EPOCH, else the
//! commit's. Runs again only when one of these changes.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["PROVOST_BUILD_COMMIT", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let variable = |name: &str| std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|t| !t.is_empty());
    let root = variable("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".to_owned());
    let (commit, seconds) = checkout(Path::new(&root)).unzip();
    let commit = variable("PROVOST_BUILD_COMMIT").or(commit).filter(|commit| is_word(commit));
    let seconds = variable("SOURCE_DATE_EPOCH").or(seconds).and_then(|text| text.parse().ok());
    let parts: Vec<String> = [commit, seconds.map(date)].into_iter().flatten().collect();
    let built_from = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(" ")) };
    println!("cargo::rustc-env=PROVOST_BUILT_FROM={built_from}");
}

/// Commit and seconds of its date; none without git, and for sources that only lie in the checkout of something else.
fn checkout(root: &Path) -> Option<(String, String)> {
    if !root.join(".git").exists() {
        return None;
    }
    let git = |arguments: &[&str]| {
        let ran = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        let text = String::from_utf8(ran.stdout).ok().filter(|_| ran.status.success())?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    // In a worktree they lie elsewhere; one that is missing would have this run at every build.
    let watch = |name: &str| {
        let path = git(&["rev-parse", "--git-path", name]).map(|path| root.join(path)).filter(|path| path.exists());
        if let Some(path) = &path {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        path.is_some()
    };
    watch("HEAD");
    // A branch's file appears with its first commit after refs were packed, which the log of HEAD tells of.
    if let Some(branch) = git(&["symbolic-ref", "--quiet", "HEAD"])
        && !watch(&branch)
    {
        watch("packed-refs");
        watch("logs/HEAD");
    }
    let told = git(&["log", "-1", "--abbrev=12", "--format=%h %ct", "HEAD"])?;
    told.split_once(' ').map(|(commit, seconds)| (commit.to_owned(), seconds.to_owned()))
}

fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
}

/// The day, in UTC, as `2026-11-30`: years of 365.2425 days that begin in March, so that leap days are last.
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
