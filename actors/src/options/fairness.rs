//! The options of fairness audits.

use provost_domain::fairness::AUDIT_ATTRIBUTES;

/// The attributes that audits compare, and whether the gate checks fairness.
#[derive(Debug, Clone, Default)]
pub struct FairnessOptions {
    /// In addition to nationality and gender.
    pub attributes: Vec<String>,
    /// Whether the gate keeps a new model from replacing the active one if it is less fair.
    pub gate: bool,
}

impl FairnessOptions {
    /// Every attribute that audits compare, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = AUDIT_ATTRIBUTES.map(str::to_owned).to_vec();
        let more: Vec<String> = self.attributes.iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(more);
        names
    }
}
