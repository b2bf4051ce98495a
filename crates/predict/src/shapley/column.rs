//! A predictor's column, whose value depends on the coalition.

/// The values of one column by coalition. They depend on at most one player for a raw column (its group), and on at
/// most two for an encoded one (a category with the year, or with the column that is compared).
#[derive(Clone)]
pub struct Column {
    /// The players that the column depends on, as bits of a coalition, ascending; only the first `count` are used.
    players: [usize; 2],
    count: usize,
    /// Values by which of these players are in the coalition: none, the first, the second, both.
    values: [f32; 4],
}

impl Column {
    /// A column with the same value in all coalitions.
    pub fn constant(value: f32) -> Self {
        Self { players: [0; 2], count: 0, values: [value; 4] }
    }

    /// A column with one value without a player and another with it.
    pub fn of_player(player: usize, without: f32, with: f32) -> Self {
        Self { players: [1 << player, 0], count: 1, values: [without, with, without, with] }
    }

    /// A column that depends on the players of all `sources`; `value` gives its value for a coalition of these.
    pub fn of_sources<'c>(sources: impl Iterator<Item = &'c Column>, value: impl Fn(usize) -> f32) -> Self {
        let mut players: Vec<usize> = sources.flat_map(|c| c.players[..c.count].iter().copied()).collect();
        players.sort_unstable();
        players.dedup();
        players.truncate(2);
        let mut column = Self::constant(f32::NAN);
        column.count = players.len();
        column.players[..players.len()].copy_from_slice(&players);
        column.values = std::array::from_fn(|index| value(column.coalition(index)));
        column
    }

    /// The same column with each value mapped.
    pub fn map(&self, value: impl Fn(f32) -> f32) -> Self {
        Self { values: self.values.map(value), ..self.clone() }
    }

    /// The value without the column's player, the value with it, and the player's bit, which is 0 for a constant. None
    /// if the column depends on two players.
    pub fn ends(&self) -> Option<(f32, f32, usize)> {
        (self.count < 2).then(|| (self.values[0], self.values[1], self.players[0]))
    }

    /// The values, by subset of the players.
    pub fn values(&self) -> &[f32] {
        &self.values[..1 << self.count]
    }

    /// The coalition of those players of this column that are in subset `index`.
    pub fn coalition(&self, index: usize) -> usize {
        ((index & 1) * self.players[0]) | ((index >> 1 & 1) * self.players[1])
    }

    /// The column's value in a coalition.
    pub fn value(&self, coalition: usize) -> f32 {
        self.values[self.index(coalition)]
    }

    /// The subset of this column's players that are in a coalition.
    #[inline]
    fn index(&self, coalition: usize) -> usize {
        usize::from(coalition & self.players[0] != 0) | usize::from(coalition & self.players[1] != 0) << 1
    }

    /// Whether `left` holds for the column's values in all coalitions with the players `inside` and without those
    /// `outside`.
    ///
    /// # Errors
    /// A player on whom the answer depends, as a bit.
    #[inline]
    pub fn decide(&self, inside: usize, outside: usize, left: impl Fn(f32) -> bool) -> Result<bool, usize> {
        let known = self.index(inside);
        let way = left(self.values[known]);
        let open = |player: usize| player & !(inside | outside);
        let (first, second) = (open(self.players[0]), open(self.players[1]));
        let turns = |index: usize| left(self.values[known | index]) != way;
        if first != 0 && (turns(1) || (second != 0 && turns(3))) {
            return Err(first);
        }
        if second != 0 && turns(2) {
            return Err(second);
        }
        Ok(way)
    }
}
