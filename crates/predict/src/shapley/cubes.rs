//! Sums for all coalitions of values, each of which counts for a cube of coalitions: those with certain players and
//! without certain others.

/// The sums for `1 << players` coalitions, as they are built.
pub struct Cubes {
    players: u32,
    /// Values that count for the coalition of their index and all supersets.
    up: Vec<f64>,
    /// Values that count for all coalitions without the players of their index.
    down: Vec<f64>,
    /// Whether `down` has any value.
    has_down: bool,
    /// Values that count for the coalition of their index alone.
    own: Vec<f64>,
}

/// Adds `value` to the entries `base | taken` for all subsets `taken` of `mask`. If `signed`, the sign changes for
/// subsets with an odd number of players (inclusion and exclusion).
#[inline(always)]
fn add_to_subsets(values: &mut [f64], base: usize, mask: usize, value: f64, signed: bool) {
    let mut taken = mask;
    loop {
        let is_negative = signed && taken.count_ones() % 2 == 1;
        values[base | taken] += if is_negative { -value } else { value };
        if taken == 0 {
            break;
        }
        taken = (taken - 1) & mask;
    }
}

/// Adds to each entry the entries of all proper subsets of its index.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn add_subsets(values: &mut [f64]) {
    let mut bit = 1;
    while bit < values.len() {
        for block in values.chunks_exact_mut(2 * bit) {
            let (without, with) = block.split_at_mut(bit);
            with.iter_mut().zip(without).for_each(|(with, without)| *with += *without);
        }
        bit *= 2;
    }
}

impl Cubes {
    pub fn new(players: usize) -> Self {
        let zeros = || vec![0.0; 1 << players];
        Self { players: players as u32, up: zeros(), down: zeros(), has_down: false, own: zeros() }
    }

    /// Adds `value` to all coalitions with the players `inside` and without those `outside`, by whichever of three ways
    /// needs the fewest additions.
    #[inline(always)]
    pub fn add(&mut self, inside: usize, outside: usize, value: f64) {
        let (with, without) = (inside.count_ones(), outside.count_ones());
        let free = self.players - with - without;
        if without <= with && without <= free {
            // Inclusion and exclusion: all coalitions with `inside`, minus those that also have one player of
            // `outside`, and so on.
            add_to_subsets(&mut self.up, inside, outside, value, true);
        } else if with <= free {
            self.has_down = true;
            add_to_subsets(&mut self.down, outside, inside, value, true);
        } else {
            let all = (1 << self.players) - 1;
            add_to_subsets(&mut self.own, inside, all & !inside & !outside, value, false);
        }
    }

    /// Adds `value` to all coalitions with these players.
    pub fn add_up(&mut self, inside: usize, value: f64) {
        self.up[inside] += value;
    }

    /// The sum of each coalition.
    pub fn sums(mut self) -> Vec<f64> {
        add_subsets(&mut self.up);
        if self.has_down {
            add_subsets(&mut self.down);
        }
        let from_last = self.down.iter().rev();
        self.own.iter_mut().zip(&self.up).zip(from_last).for_each(|((own, up), down)| *own += up + down);
        self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_coalition_of_a_cube_gets_its_value(cubes in prop::collection::vec((0usize..64, 0usize..64, -4i8..5), 0..40)) {
            let mut sums = Cubes::new(6);
            let mut slow = [0.0; 64];
            for (inside, outside, value) in cubes {
                let outside = outside & !inside;
                sums.add(inside, outside, f64::from(value));
                let within = (0..64usize).filter(|s| s & inside == inside && s & outside == 0);
                within.for_each(|s| slow[s] += f64::from(value));
            }
            prop_assert_eq!(sums.sums(), slow);
        }
    }
}
