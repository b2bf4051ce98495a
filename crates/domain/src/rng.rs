//! A small seeded generator (SplitMix64; Steele, Lea and Flood 2014), keyed rather than shared, so that results do not
//! depend on who draws first.

/// A stream of pseudorandom numbers (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

/// Added to the state for each number.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

#[inline]
fn scaled(number: u64, n: u32) -> u32 {
    (((number >> 32) * u64::from(n)) >> 32) as u32
}

/// Mixes 64 bits (the finaliser of SplitMix64).
#[inline]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl SplitMix64 {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x9E37_79B9_7F4A_7C15))
    }
    /// An independent stream for each seed and list of keys.
    pub fn keyed(seed: u64, keys: &[u64]) -> Self {
        let mut s = mix(seed ^ 0x9E37_79B9_7F4A_7C15);
        for k in keys {
            s = mix(s.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ mix(*k ^ 0xD1B5_4A32_D192_ED03));
        }
        Self(s)
    }
    /// The next 64 bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }
    /// Uniform in [0, n); n > 0. Lemire's multiply-shift without rejection: bias below n / 2^32.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        scaled(self.next_u64(), n)
    }
    /// What `below` gives after `skipped` other numbers were drawn, without drawing any.
    #[inline]
    pub fn below_after(&self, skipped: u64, n: u32) -> u32 {
        scaled(mix(self.0.wrapping_add(STEP.wrapping_mul(skipped.wrapping_add(1)))), n)
    }
    /// Uniform in [0, 1).
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let u = 1.0 - self.unit();
        let v = self.unit();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
    /// Shuffles in place (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_known_before_they_are_drawn() {
        let mut random = SplitMix64::keyed(7, &[1, 2]);
        let ahead: Vec<u32> = (0..100).map(|skipped| random.below_after(skipped, 1 + skipped as u32)).collect();
        let drawn: Vec<u32> = (0..100).map(|n| random.below(1 + n)).collect();
        assert_eq!(ahead, drawn);
    }
}
