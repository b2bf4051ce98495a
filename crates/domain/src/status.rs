//! The health of actors and dependencies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a component works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It works.
    Up,
    /// It works in part.
    Degraded,
    /// It does not work.
    Down,
    /// It is not configured.
    Disabled,
}

/// How the instances of an actor ended, counted apart. All are 0 for what is not an actor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Exits {
    /// By a panic.
    pub panicked: u64,
    /// No instance could be built.
    pub failed: u64,
    /// By itself, or on request.
    pub stopped: u64,
    /// Its task was cancelled.
    pub killed: u64,
}

/// One dependency's or actor's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComponentStatus {
    /// Whether it works.
    pub health: Health,
    /// How often it was rebuilt.
    pub restarts: u64,
    /// How its instances ended.
    #[serde(default)]
    pub exits: Exits,
    /// Panics in it and in the work that it started, since the process started.
    #[serde(default)]
    pub panics: u64,
    /// Text and place of the last one.
    #[serde(default)]
    pub last_panic: Option<String>,
    /// Of the last restart, or of what has failed three times in a row and not succeeded since.
    pub last_error: Option<String>,
    /// The actor's own observable state.
    #[schema(value_type = Object)]
    pub state: serde_json::Value,
}

/// A component's name for people: `bridge` is `Bus`, `trainer_xgboost` is `Trainer xgboost`.
pub fn component_title(name: &str) -> String {
    match name {
        "store" => "Store".to_owned(),
        "bridge" => "Bus".to_owned(),
        "notifier" => "Mail".to_owned(),
        name => {
            let words = name.replace('_', " ");
            let mut letters = words.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        }
    }
}
