//! The random numbers of the library, so that the growth in `grow` draws the same rows and columns: Mersenne Twister
//! (Matsumoto and Nishimura 1998) and the distributions of libstdc++ 14.

const STATE: usize = 624;
const MIDDLE: usize = 397;

/// `std::mt19937`.
pub struct Twister {
    state: [u32; STATE],
    at: usize,
}

impl Twister {
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; STATE];
        for i in 1..STATE {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = before.wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, at: STATE }
    }

    fn renew(&mut self) {
        for i in 0..STATE {
            let pair = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE] & 0x7fff_ffff);
            let odd = if pair & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + MIDDLE) % STATE] ^ (pair >> 1) ^ odd;
        }
        self.at = 0;
    }

    pub fn draw(&mut self) -> u32 {
        if self.at == STATE {
            self.renew();
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// `std::uniform_int_distribution` over `0..range` (Lemire 2019).
    fn below(&mut self, range: u32) -> u32 {
        let mut product = u64::from(self.draw()) * u64::from(range);
        if (product as u32) < range {
            let threshold = range.wrapping_neg() % range;
            while (product as u32) < threshold {
                product = u64::from(self.draw()) * u64::from(range);
            }
        }
        (product >> 32) as u32
    }

    /// `std::shuffle` of fewer than 2^16 items: one random number places two of them.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        let n = items.len();
        let mut at = 1;
        if n.is_multiple_of(2) && n > 0 {
            items.swap(1, self.below(2) as usize);
            at = 2;
        }
        while at < n {
            let range = at as u32 + 1;
            let both = self.below(range * (range + 1));
            items.swap(at, (both / (range + 1)) as usize);
            items.swap(at + 1, (both % (range + 1)) as usize);
            at += 2;
        }
    }
}

/// The library's draw for each row: a multiplicative congruential generator modulo 2^63 under
/// `std::bernoulli_distribution`.
pub struct Coin {
    state: u64,
    share: f64,
}

impl Coin {
    const MODULUS: u64 = 1 << 63;

    pub fn new(seed: u32, share: f32) -> Self {
        Self { state: u64::from(seed).max(1), share: f64::from(share) }
    }

    pub fn flip(&mut self) -> bool {
        self.state = self.state.wrapping_mul(16_807) % Self::MODULUS;
        let unit = (self.state - 1) as f64 / Self::MODULUS as f64;
        unit.min(1f64.next_down()) < self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_thousandth_draw_is_the_standards() {
        // ISO C++ names this number for std::mt19937.
        let mut twister = Twister::new(5489);
        assert_eq!((0..10_000).map(|_| twister.draw()).last(), Some(4_123_659_995));
    }

    #[test]
    fn a_shuffle_keeps_the_items() {
        for n in 0..40usize {
            let mut items: Vec<usize> = (0..n).collect();
            Twister::new(7).shuffle(&mut items);
            assert!(n < 8 || !items.is_sorted());
            items.sort_unstable();
            assert_eq!(items, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_coin_falls_as_often_as_it_should() {
        let mut coin = Coin::new(3, 0.8);
        let heads = (0..100_000).filter(|_| coin.flip()).count();
        assert!((79_000..81_000).contains(&heads), "{heads}");
    }
}
