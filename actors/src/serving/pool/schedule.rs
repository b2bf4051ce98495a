//! Which of the waiting work is done next. Work is cut into pieces, and the decision is made anew for each: the work with the
//! fewest pieces left comes first (shortest remaining processing time: Schrage 1968), so that one row does not wait for a hundred, and
//! each fourth piece is of the oldest work, so that no number of short requests keeps a long one from its end.

/// Of so many pieces one is of the oldest work.
const OLDEST: u64 = 4;

/// Work in the schedule; numbers rise in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(u64);

/// The work that waits for its next piece.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Each with the pieces left of it.
    waiting: Vec<(WorkId, usize)>,
    arrived: u64,
    chosen: u64,
}

impl Schedule {
    /// New work of so many pieces.
    pub fn add(&mut self, pieces: usize) -> WorkId {
        let id = WorkId(self.arrived);
        self.arrived += 1;
        self.waiting.push((id, pieces));
        id
    }

    /// The work whose next piece is done now, and how many pieces are left of it with this one. It does not wait meanwhile.
    pub fn choose(&mut self) -> Option<(WorkId, usize)> {
        let oldest = self.chosen % OLDEST == OLDEST - 1;
        let order = |(id, left): &(WorkId, usize)| if oldest { (0, *id) } else { (*left, *id) };
        let at = (0..self.waiting.len()).min_by_key(|at| self.waiting.get(*at).map(order))?;
        self.chosen += 1;
        Some(self.waiting.swap_remove(at))
    }

    /// A piece was done; so many are left, as far as is known.
    pub fn put_back(&mut self, id: WorkId, left: usize) {
        self.waiting.push((id, left));
    }

    /// Takes away what waits; whether it did.
    pub fn remove(&mut self, id: WorkId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| *waiting != id);
        self.waiting.len() < before
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Does so many pieces, one at a time; answers whose they were.
    fn run(schedule: &mut Schedule, pieces: usize) -> Vec<WorkId> {
        let mut done = Vec::new();
        for _ in 0..pieces {
            let Some((id, left)) = schedule.choose() else { break };
            done.push(id);
            if left > 1 {
                schedule.put_back(id, left - 1);
            }
        }
        done
    }

    #[test]
    fn one_row_waits_for_no_batch() {
        let mut schedule = Schedule::default();
        let batches: Vec<WorkId> = (0..32).map(|_| schedule.add(100)).collect();
        assert_eq!(run(&mut schedule, 10), [batches[0]; 10], "what has begun goes on");
        let rows: Vec<WorkId> = (0..6).map(|_| schedule.add(1)).collect();
        let done = run(&mut schedule, 8);
        let [b, r] = [batches[0], rows[0]];
        assert_eq!(done[..2], [r, b], "the first row at once; each fourth piece is the oldest work's");
        let in_order: Vec<WorkId> = done.into_iter().filter(|id| rows.contains(id)).collect();
        assert_eq!(in_order, rows, "rows are done in their order");
    }

    #[test]
    fn a_batch_comes_to_its_end_whatever_arrives() {
        let mut schedule = Schedule::default();
        let batch = schedule.add(100);
        let mut own = 0;
        for piece in 1.. {
            schedule.add(1);
            schedule.add(1);
            own += run(&mut schedule, 1).iter().filter(|id| **id == batch).count();
            if own == 100 {
                assert!(piece <= 400, "{piece}");
                break;
            }
        }
        // What waits longest is next, one piece in four.
        let done = run(&mut schedule, 4);
        assert!(done.windows(2).all(|pair| pair[0] < pair[1]), "{done:?}");
    }

    #[test]
    fn the_fewest_left_come_first_and_the_older_of_two() {
        let mut schedule = Schedule::default();
        let [long, short, other] = [50, 3, 3].map(|pieces| schedule.add(pieces));
        assert_eq!(run(&mut schedule, 7), [short, short, short, long, other, other, other]);
        assert!(schedule.remove(long) && !schedule.remove(long) && schedule.is_empty());
        assert_eq!(schedule.choose(), None);
    }
}
