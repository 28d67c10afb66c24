//! Numbers that look random and are the same on every machine, for ever.
//!
//! A seed in a bug report must still tell the same story years later, so the generator is ours (splitmix64)
//! and never changes.

/// A source of numbers that only depend on its seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A source for a seed.
    #[must_use]
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// A source of its own for a part of a whole, so that parts do not depend on each other's appetite.
    #[must_use]
    pub fn fork(seed: u64, part: u64) -> Rng {
        let mut rng = Rng(seed ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Rng(rng.next())
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to but without `end`, which is above 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `from` up to but without `to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from).max(1) as u64) as i64
    }

    /// Whether something happens that happens in `share` of a million cases.
    pub fn happens(&mut self, share: u32) -> bool {
        self.below(1_000_000) < u64::from(share)
    }

    /// One of a few.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_the_same_story_for_ever() {
        let mut rng = Rng::new(7);
        let first = [rng.next(), rng.next(), rng.next()];
        let as_published = [
            7_191_089_600_892_374_487,
            309_689_372_594_955_804,
            16_616_101_746_815_609_346,
        ];
        assert_eq!(first, as_published);
    }

    #[test]
    fn numbers_stay_inside_their_bounds() {
        let mut rng = Rng::new(1);
        for _ in 0..1000 {
            assert!(rng.below(3) < 3);
            assert!((-2..2).contains(&rng.between(-2, 2)));
        }
        assert!(!rng.happens(0));
        assert!(rng.happens(1_000_000));
    }
}
