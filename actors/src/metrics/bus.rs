//! What the bridge counts.

/// Messages by what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct BusCounts {
    pub taken: u64,
    pub duplicates: u64,
    pub parked: u64,
    pub retried: u64,
    pub replayed: u64,
    /// Acknowledgements that did not reach the broker: these deliveries come again.
    pub unacknowledged: u64,
    pub relayed: u64,
    pub unroutable: u64,
    pub refused: u64,
    pub given_up: u64,
    /// Requests for predictions, by how they were answered.
    pub predictions_made: u64,
    pub predictions_refused: u64,
    pub predictions_expired: u64,
}

impl BusCounts {
    pub(crate) fn add(&mut self, other: BusCounts) {
        self.taken += other.taken;
        self.duplicates += other.duplicates;
        self.parked += other.parked;
        self.retried += other.retried;
        self.replayed += other.replayed;
        self.unacknowledged += other.unacknowledged;
        self.relayed += other.relayed;
        self.unroutable += other.unroutable;
        self.refused += other.refused;
        self.given_up += other.given_up;
        self.predictions_made += other.predictions_made;
        self.predictions_refused += other.predictions_refused;
        self.predictions_expired += other.predictions_expired;
    }
}
