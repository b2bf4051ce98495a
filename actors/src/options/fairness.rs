//! What fairness audits look at.

use provost_domain::fairness::AUDIT_ATTRIBUTES;

/// Which attributes audits look at, and whether the gate does.
#[derive(Debug, Clone, Default)]
pub struct FairnessOptions {
    /// Beside nationality and gender.
    pub attributes: Vec<String>,
    /// Whether a new model that is less fair than the active one is kept from taking its place.
    pub gate: bool,
}

impl FairnessOptions {
    /// Every attribute that audits look at, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = AUDIT_ATTRIBUTES.map(str::to_owned).to_vec();
        let more: Vec<String> = self.attributes.iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(more);
        names
    }
}
