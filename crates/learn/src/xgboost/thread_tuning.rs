//! Chooses how many of the library's threads each round of a fit gets.

use std::time::Duration;

/// Rows per thread; fewer do not occupy a thread.
const ROWS_PER_THREAD: usize = 4_096;
/// From this many rows on, the first round, which also sorts the columns into bins, runs on several threads.
const MANY: usize = 65_536;
/// Rounds on one thread before several are tried for the first time.
const FIRST: u32 = 4;
/// Rounds of one trial of several threads.
const TRIAL: u32 = 2;
/// Rounds on one thread after several threads were slower: the first time, and at most.
const PAUSE: (u32, u32) = (16, 256);
/// A round on several threads that takes this many times as long as one on a single thread ends the use of several.
const LOST: u32 = 2;
/// So do this many rounds in a row that take longer than on one thread.
const SLOW: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Turn {
    Sorting,
    Single { left: u32 },
    Trial { left: u32, best: Duration },
    Several { slow: u32 },
}

/// Chooses between one thread and several by the durations of the rounds. The library's threads wait for each other
/// many times in a round: on two idle cores a round takes a third less time, but several times as long beside a process
/// that uses one of them. The trees are the same.
#[derive(Debug)]
pub struct ThreadTuning {
    most: usize,
    turn: Turn,
    /// The shortest round of the last turn on one thread.
    single: Duration,
    pause: u32,
}

impl ThreadTuning {
    pub fn new(rows: usize, budget: usize) -> Self {
        let most = (rows / ROWS_PER_THREAD).clamp(1, budget.max(1));
        let turn = if rows < MANY { Turn::Single { left: FIRST } } else { Turn::Sorting };
        Self { most, turn, single: Duration::MAX, pause: PAUSE.0 }
    }

    /// The number of threads for the next round.
    pub fn threads(&self) -> usize {
        if matches!(self.turn, Turn::Single { .. }) { 1 } else { self.most }
    }

    /// Takes in how long a boosting round took on the number of threads that `threads()` gave.
    pub fn took(&mut self, round: Duration) {
        if self.most == 1 {
            return;
        }
        let lost = round > self.single.saturating_mul(LOST);
        self.turn = match self.turn {
            Turn::Sorting => Turn::Single { left: FIRST },
            Turn::Single { left } => {
                self.single = self.single.min(round);
                if left > 1 {
                    Turn::Single { left: left - 1 }
                } else {
                    Turn::Trial { left: TRIAL, best: Duration::MAX }
                }
            }
            Turn::Trial { left, best } => match (left - 1, best.min(round)) {
                _ if lost => self.back(),
                (0, best) if best >= self.single => self.back(),
                (0, _) => Turn::Several { slow: 0 },
                (left, best) => Turn::Trial { left, best },
            },
            Turn::Several { slow } => match if round > self.single { slow + 1 } else { 0 } {
                slow if lost || slow == SLOW => self.back(),
                slow => Turn::Several { slow },
            },
        };
    }

    fn back(&mut self) -> Turn {
        let left = self.pause;
        self.pause = (self.pause * 4).min(PAUSE.1);
        self.single = Duration::MAX;
        Turn::Single { left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The threads of each round, when a round takes `single` or `several` microseconds.
    fn run(tuning: &mut ThreadTuning, rounds: usize, single: u64, several: u64) -> Vec<usize> {
        let round = |_| {
            let threads = tuning.threads();
            tuning.took(Duration::from_micros(if threads == 1 { single } else { several }));
            threads
        };
        (0..rounds).map(round).collect()
    }

    fn several(threads: &[usize]) -> usize {
        threads.iter().filter(|t| **t > 1).count()
    }

    #[test]
    fn within_rows_and_budget() {
        let most = |rows, budget| run(&mut ThreadTuning::new(rows, budget), 100, 100, 60).into_iter().max();
        let given = [(100, 8), (8_191, 8), (8_192, 8), (100_000, 1), (100_000, 0), (100_000, 4)];
        assert_eq!(given.map(|(rows, budget)| most(rows, budget)), [1, 1, 2, 1, 1, 4].map(Some));
    }

    #[test]
    fn several_threads_stay_while_they_are_faster() {
        let mut tuning = ThreadTuning::new(100_000, 2);
        assert_eq!(run(&mut tuning, 100, 100, 60), [vec![2], vec![1; 4], vec![2; 95]].concat());
        // Rounds that are slower now and then are no reason to leave.
        for _ in 0..50 {
            assert_eq!(run(&mut tuning, 2, 100, 150), [2, 2]);
            assert_eq!(run(&mut tuning, 1, 100, 60), [2]);
        }
        // Somebody else wants the core; later it is free again.
        assert!(several(&run(&mut tuning, 100, 100, 1_000)) <= 3);
        assert!(several(&run(&mut tuning, 1_000, 100, 60)) > 700);
    }

    #[test]
    fn several_threads_that_lose_are_tried_ever_less() {
        for (time, most) in [(1_000, 5), (150, 9), (100, 9)] {
            let mut tuning = ThreadTuning::new(100_000, 2);
            assert!(several(&run(&mut tuning, 400, 100, time)) <= most, "{time}");
            assert!(several(&run(&mut tuning, 2_560, 100, time)) <= 20, "{time}");
        }
    }
}
