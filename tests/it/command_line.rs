//! The command line of every day: what an operator asks, answered by commands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::broker::wait_for;
use crate::command::{Place, Ran};
use crate::http::{long_job, place_with_points, small_job};
use crate::serving::Server;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A service with the commands that ask it.
struct Desk {
    place: Place,
    server: Server,
}

impl Desk {
    fn open(rows: u32) -> Self {
        let place = place_with_points(rows);
        // Its rules run; so few points are no reason for a job.
        let server = Server::start_with(&place, &[("PROVOST_SCHEDULE__ENABLED", "true")]);
        Self { place, server }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.place.run(&[arguments, &["--url", &self.server.url]].concat())
    }

    /// What a command answers that succeeds.
    fn answer(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.out
    }

    /// Each line of what it answers with `--json`, which stands before the command here.
    fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.answer(&[&["--json"], arguments].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asserts that what a command answers has each of the texts.
    fn says(&self, arguments: &[&str], texts: &[&str]) -> String {
        let answer = self.answer(arguments);
        for text in texts {
            assert!(answer.contains(text), "{arguments:?} has no {text:?}:\n{answer}");
        }
        answer
    }

    /// What a command says that fails.
    fn refusal(&self, arguments: &[&str], code: i32) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        ran.err
    }

    fn jobs(&self, status: &str) -> usize {
        self.objects(&["jobs", "--status", status]).len()
    }

    /// What a command writes to a terminal of unknown size, line by line.
    fn on_a_terminal(&self, arguments: &[&str]) -> Vec<String> {
        let program = self.place.command(&[]).get_program().to_owned();
        let ran = Command::new("python3")
            .args(["-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))"])
            .arg(program)
            .args(arguments)
            .args(["--url", &self.server.url])
            .current_dir(self.place.dir())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap().lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

/// Questions about jobs: what runs, waits, was logged, failed, and why.
fn jobs_are_asked_about(desk: &Desk) {
    let (place, wait) = (&desk.place, Duration::from_secs(60));
    let mut job = small_job();
    job["algorithms"] = json!(["logistic_regression", "random_forest"]);
    place.file("job.json", job.to_string());
    desk.says(&["train", "job.json", "--wait"], &["completed", "best, cv f1_score 0.", "model_random_forest_"]);

    // The way that the contract names still works, and says what is better.
    place.file("long.json", long_job().to_string());
    let ran = desk.run(&["train", "--config", "long.json"]);
    assert!(
        ran.code == Some(0) && ran.err.contains("hint: ") && ran.err.contains("provost train long.json"),
        "{ran:?}"
    );
    wait_for("the long job", wait, || desk.jobs("running") == 1);
    let long = desk.says(&["jobs", "--status", "running"], &["job_", "running ", "gradient_boosting"]);
    let long = long.split_whitespace().find(|word| word.starts_with("job_")).unwrap().to_owned();
    desk.says(&["jobs", "latest"], &[&long, "running, ", "asked for over HTTP", "by anonymous", "tuning: grid_search"]);

    // One that waits behind it, and whose data goes meanwhile. It comes over standard input.
    std::fs::create_dir_all(place.path("data/import")).unwrap();
    std::fs::copy(place.path("points.jsonl"), place.path("data/import/late.jsonl")).unwrap();
    let mut late = small_job();
    late["data_source"] = json!("json");
    late["data_path"] = json!("late.jsonl");
    place.file("late.json", late.to_string());
    let submitted = place
        .command(&["train", "-", "--url", &desk.server.url])
        .stdin(std::fs::File::open(place.path("late.json")).unwrap())
        .output()
        .unwrap();
    assert!(submitted.status.success(), "{submitted:?}");
    desk.says(&["jobs", "--status", "pending"], &["pending", &format!("waits behind {long}, next to begin")]);
    std::fs::remove_file(place.path("data/import/late.jsonl")).unwrap();
    desk.says(&["jobs", &long, "--cancel"], &[&format!("Training job {long} is being cancelled")]);
    wait_for("the late job to fail", wait, || desk.jobs("failed") == 1);
    desk.says(&["jobs", "--status", "failed"], &["failed at ", "✗ "]);
    desk.says(&["jobs", "latest"], &["✗ ", "asked for  20"]);
    let ran = desk.run(&["jobs", "latest", "--wait"]);
    assert!(ran.code == Some(1) && ran.err.contains("is failed: "), "{ran:?}");

    let logged = desk.answer(&["jobs", "logs", &long]);
    assert!(!logged.is_empty() && logged.lines().all(|line| line.starts_with("20")), "with times: {logged}");
    let followed = desk.answer(&["jobs", "logs", &long, "--follow"]);
    assert!(followed.starts_with("the job is pending\n") && followed.contains("\nthe job is cancelled"), "{followed}");

    // A prefix of one is enough, one of several is not.
    desk.says(&["jobs", &long[..long.len() - 1]], &[&long, "cancelled"]);
    let ambiguous = desk.refusal(&["jobs", "job_0"], 2);
    assert!(ambiguous.contains("is the beginning of 3 jobs") && ambiguous.contains(&long), "{ambiguous}");
    assert!(desk.refusal(&["jobs", "job_f"], 1).contains("404"));
}

/// Questions about models: the best, the active one since when and by whom, and the way back.
fn models_are_asked_about(desk: &Desk) {
    let models = desk.objects(&["models"]);
    let id = |model: &Value| model["model_id"].as_str().unwrap().to_owned();
    let auc = |model: &Value| model["metrics"]["auc_roc"].as_f64().unwrap();
    let best = models.iter().max_by(|a, b| auc(a).total_cmp(&auc(b))).unwrap();
    let listed = desk.says(&["models", "--sort", "auc_roc"], &["cv_f1", "auc", "trained", &id(best)]);
    let first = listed.lines().nth(2).unwrap();
    assert!(first.contains(&id(best)) && first.ends_with(&format!("{:.3}", auc(best))), "{listed}");

    assert!(desk.refusal(&["models", "active"], 1).contains("no model is active"));
    desk.says(&["history"], &["no model was ever active"]);
    let (forest, logistic) = ("random_forest", "logistic_regression");
    desk.says(&["activate", logistic, "--reason", "the simplest"], &["model_logistic_regression_", "is active"]);
    desk.says(&["activate", forest], &["model_random_forest_"]);
    desk.says(&["models", "active"], &["model_random_forest_", "active since 20", " by anonymous"]);
    desk.says(&["status"], &["operational: 2 models, 1 active", "active: model_random_forest_", "since 20"]);

    desk.says(&["rollback"], &["model_logistic_regression_", "is active"]);
    desk.says(&["rollback", forest, "--reason", "a slip"], &["model_random_forest_"]);
    desk.says(&["rollback", "--reason", "it was none"], &["model_logistic_regression_"]);
    let history = desk.objects(&["history", "--limit", "3"]);
    let reasons: Vec<&str> = history.iter().map(|a| a["reason"].as_str().unwrap()).collect();
    assert!(reasons[0].starts_with("rolled back from model_random_forest_") && reasons[0].ends_with(": it was none"));
    assert!(reasons[1].ends_with(": a slip") && reasons[2].starts_with("rolled back from model_random"), "{reasons:?}");
    let at = history[1]["activated_at"].as_str().unwrap();
    assert_eq!(desk.objects(&["history", "--at", at]), [history[1].clone()], "what was active then");
    assert!(desk.refusal(&["rollback", "xgboost"], 1).contains("no model `xgboost` was ever active"));

    desk.says(&["compare", "active", forest], &["A  model_logistic_regression_", "B  model_random_forest_", "auc_roc"]);
    desk.says(&["evaluate", "active"], &["model_logistic_regression_", "evaluated 20", "reach", "Brier score 0."]);
    desk.says(&["evaluate", "active", "--last"], &["Brier score 0."]);
    desk.says(&["plots", "active", "--out", "plots", "--format", "svg"], &["plots/roc_curve.svg  ", " kB"]);
    for plot in ["confusion_matrix", "roc_curve", "feature_importance", "calibration"] {
        let picture = std::fs::read(desk.place.path(&format!("plots/{plot}.svg"))).unwrap();
        assert!(picture.starts_with(b"<"), "{plot}");
    }
    assert!(desk.refusal(&["plots", "xgboost", "--out", "none"], 1).contains("404"));
    assert!(!desk.place.path("none").exists(), "a model that is not there leaves no folder");
}

/// Questions about the data, the schedule, and what the gate decided.
fn automation_is_asked_about(desk: &Desk) {
    let quality = desk.objects(&["quality", "--unverified"]).remove(0);
    let usable = quality["usable_samples"].as_u64().unwrap();
    desk.says(&["quality", "--unverified"], &[&format!("with an outcome  {usable} "), "points           600"]);
    desk.says(&["quality"], &["the data fails its quality check", "! "]);
    desk.says(&["schedule", "get"], &["schedule_cron", "0 1 * * 0", "next slot   20", "(in "]);

    // New points are enough for the rule of the threshold: a job, and a decision on its model.
    let place = &desk.place;
    let drawn = place.run(&["sample", "--rows", "400", "--seed", "6", "--out", "more.jsonl"]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    // The same ids with other content would be conflicts.
    let more = std::fs::read_to_string(place.path("more.jsonl")).unwrap();
    place.file("more.jsonl", more.replace("\"data_point_id\":\"", "\"data_point_id\":\"more-"));
    assert_eq!(place.run(&["import", "more.jsonl"]).code, Some(0));
    let mut fields = vec!["schedule".to_owned(), "set".to_owned(), "min_new_samples=100".to_owned()];
    fields
        .extend(small_job().as_object().unwrap().iter().map(|(name, value)| format!("training_config.{name}={value}")));
    let arguments: Vec<&str> = fields.iter().map(String::as_str).collect();
    desk.says(&arguments, &["min_new_samples", "100", "training_config.use_verified_only", "false"]);
    let refused = desk.refusal(&["schedule", "set", "schedule_cron=never"], 1);
    assert!(refused.contains("/schedule_cron"), "{refused}");
    wait_for("a decision", Duration::from_secs(90), || !desk.objects(&["decisions"]).is_empty());
    let decision = desk.objects(&["decisions", "latest"]).remove(0);
    let reason = decision["reason"].as_str().unwrap();
    let job = decision["job_id"].as_str().unwrap();
    desk.says(&["decisions"], &[job, decision["outcome"].as_str().unwrap(), reason]);
    desk.says(&["decisions", &job[..job.len() - 1]], &["on the model", decision["challenger_id"].as_str().unwrap()]);
    desk.says(&["schedule", "triggers"], &["data_threshold", job]);
    desk.says(&["schedule", "set", "enabled=false"], &["enabled", "false", "min_new_samples", "100"]);
}

/// What a terminal gets is not what a pipe gets.
fn lists_fit_a_terminal(desk: &Desk) {
    for list in [&["jobs"][..], &["models"], &["history"], &["decisions"], &["schedule", "triggers"], &["status"]] {
        let lines = desk.on_a_terminal(list);
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 80, "{list:?}: {longest}\n{}", lines.join("\n"));
        let says_the_job = lines.iter().any(|line| line.contains("job_0"));
        assert!(list != ["schedule", "triggers"] || says_the_job, "{}", lines.join("\n"));
        let wide = desk.on_a_terminal(&[list, &["--wide"]].concat());
        let digits = |lines: &[String]| {
            lines.iter().flat_map(|l| l.split_whitespace()).any(|w| w.starts_with("job_0") && w.len() == 36)
        };
        assert!(list != ["jobs"] || (digits(&wide) && !digits(&lines)), "{}", lines.join("\n"));
    }
    let piped = format!("{} jobs --url {} | head -1", env!("CARGO_BIN_EXE_provost"), desk.server.url);
    let ran = Command::new("sh").args(["-c", &piped]).current_dir(desk.place.dir()).output().unwrap();
    assert!(ran.stderr.is_empty() && ran.stdout.starts_with(b"  job"), "{ran:?}");
    let full = format!("{} jobs --url {} > /dev/full", env!("CARGO_BIN_EXE_provost"), desk.server.url);
    let ran = Command::new("sh").args(["-c", &full]).current_dir(desk.place.dir()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
}

#[test]
fn the_questions_of_a_day_are_answered_by_commands() {
    let mut desk = Desk::open(600);
    jobs_are_asked_about(&desk);
    models_are_asked_about(&desk);
    automation_is_asked_about(&desk);
    lists_fit_a_terminal(&desk);

    // The address without its scheme; requests told with -v, and nothing else beside the answer with -q.
    let address = desk.server.url.strip_prefix("http://").unwrap().to_owned();
    let told = desk.place.run(&["status", "-v", "--url", &address]);
    assert!(told.code == Some(0) && told.err.contains("/status: 200 OK after "), "{told:?}");
    let quiet = desk.place.run(&["-q", "train", "--config", "job.json", "--wait", "--url", &address]);
    assert!(quiet.code == Some(0) && quiet.err.is_empty(), "{quiet:?}");

    // Once there is a key, who has none is told where one goes.
    let made = desk.place.run(&["keys", "create", "--role", "viewer", "--json"]);
    let refused = || desk.run(&["jobs"]);
    wait_for("the key to be asked for", Duration::from_secs(20), || refused().code == Some(1));
    let said = refused().err;
    assert!(said.contains("(401)") && said.contains("PROVOST_KEY") && said.contains("--key"), "{said}");
    let key = made.json()["key"].as_str().unwrap().to_owned();
    desk.answer(&["jobs", "--key", &key]);
    let low = desk.refusal(&["rollback", "--key", &key], 1);
    assert!(low.contains("(403)") && low.contains("role"), "{low}");
    desk.server.expects(&["refused: too low a role"]);
    assert_eq!(desk.server.terminate(), Some(0));
}

#[test]
fn an_address_where_nothing_answers_is_told_with_its_cause_and_apart_from_it_the_advice() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = Place::new().run(&["jobs", "--url", &free.to_string()]);
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(lines[0].contains(&format!("http://{free}: no service answers there (connection refused)")), "{lines:?}");
    assert!(lines[1].starts_with("  → `provost serve`") && lines.len() == 2, "{lines:?}");
}

#[test]
fn completions_are_made_for_every_shell_and_a_man_page_for_every_command() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = place.run(&["completions", shell]);
        assert!(ran.code == Some(0) && ran.out.contains("rollback") && ran.err.is_empty(), "{shell}: {ran:?}");
        if shell == "bash" {
            let script = place.file("provost.bash", &ran.out);
            assert!(Command::new("bash").arg("-n").arg(script).status().unwrap().success());
        }
    }
    let ran = place.run(&["man", "--out", "man/man1", "--json"]);
    let pages: Vec<_> = std::fs::read_dir(place.path("man/man1")).unwrap().collect();
    assert_eq!((ran.code, ran.json()["pages"].as_u64()), (Some(0), Some(pages.len() as u64)), "{ran:?}");
    let page = std::fs::read_to_string(place.path("man/man1/provost-jobs-logs.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains("\\-\\-follow") && page.contains("logs latest"), "{page}");
}

#[test]
fn the_version_names_the_commit_and_the_day_where_they_are_known() {
    let ran = Place::new().run(&["--version"]);
    let version = ran.out.trim().strip_prefix(concat!("provost ", env!("CARGO_PKG_VERSION"))).unwrap().to_owned();
    let is_checkout = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists();
    let is_given = ["PROVOST_BUILD_COMMIT", "SOURCE_DATE_EPOCH"].iter().any(|name| std::env::var_os(name).is_some());
    let git = |arguments: &[&str]| Command::new("git").args(arguments).env("TZ", "UTC").output();
    if !is_checkout || is_given || git(&["rev-parse", "HEAD"]).map_or(true, |ran| !ran.status.success()) {
        assert!(version.is_empty() || version.starts_with(" ("), "{version}");
        return;
    }
    let (commit, day) = version.strip_prefix(" (").unwrap().strip_suffix(')').unwrap().split_once(' ').unwrap();
    let shown = git(&["show", "-s", "--date=format-local:%Y-%m-%d", "--format=%cd", commit]).unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap().trim(), day, "{version}");
}
