//! Random choices from a seed: SplitMix64, ten lines, the same on every machine.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A stream of choices.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` without it.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// Another stream, told by this one.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }
}

/// A seed nobody chose.
pub(crate) fn unpredictable() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[test]
fn one_seed_gives_one_stream() {
    let draw = |seed| -> Vec<u64> {
        let mut dice = Dice::of(seed);
        (0..8).map(|_| dice.next()).collect()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}
