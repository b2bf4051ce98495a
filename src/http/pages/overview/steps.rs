//! The first steps of a service without a model.

use super::super::text::Mark;

/// A first step of an empty service.
pub struct Step {
    pub mark: Mark,
    pub name: &'static str,
    pub text: &'static str,
    pub command: &'static str,
    pub action: Option<(&'static str, &'static str)>,
}

pub fn steps(has_data: bool, has_jobs: bool) -> Vec<Step> {
    let mark = |done: bool| if done { Mark::DONE } else { Mark::TO_DO };
    vec![
        Step {
            mark: mark(has_data),
            name: "Bring in data",
            text: "Admissions decisions from a file: CSV, JSON, Excel's exports and others are recognised. The command provost sample writes rows to try with.",
            command: "provost import decisions.csv",
            action: Some(if has_data { ("/data", "See its quality") } else { ("/data/upload", "Upload a file") }),
        },
        Step {
            mark: mark(has_jobs),
            name: "Train",
            text: "Choose algorithms and a search; the service tunes, evaluates and registers models.",
            command: "",
            action: has_data.then_some(("/train", "New training")),
        },
        Step {
            mark: Mark::TO_DO,
            name: "Compare and activate",
            text: "Look at the models' figures with their intervals, and say which one serves, and why.",
            command: "",
            action: None,
        },
        Step {
            mark: Mark::TO_DO,
            name: "Let it retrain by itself",
            text: "A schedule, new data or a drop in performance can start training; a model takes over only if it is better beyond chance.",
            command: "",
            action: Some(("/system", "See the schedule")),
        },
    ]
}
