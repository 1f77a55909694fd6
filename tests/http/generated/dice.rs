//! Random choices from a seed: SplitMix64, the same on every machine.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Where the seed of a run stands: decimal, or hexadecimal behind `0x`.
pub(crate) const SEED: &str = "SAGALINE_REQUESTS_SEED";

/// A stream of choices.
pub(crate) struct Dice(u64);

impl Dice {
    /// The choices of one request of a run: the same whatever was drawn for the requests before it.
    pub(crate) fn of_request(seed: u64, number: usize) -> Self {
        Self(Self(seed).next() ^ (number as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` without it.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// The seed that the environment asks for, else one that nobody chose.
pub(crate) fn seed() -> u64 {
    let Ok(text) = std::env::var(SEED) else { return RandomState::new().build_hasher().finish() };
    let read = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse::<u64>(),
    };
    read.unwrap_or_else(|error| panic!("{SEED}={text}: {error}"))
}

#[test]
fn one_seed_gives_one_stream_and_each_request_has_its_own() {
    let draw = |mut dice: Dice| -> Vec<u64> { (0..8).map(|_| dice.next()).collect() };
    assert_eq!(draw(Dice::of_request(1, 2)), draw(Dice::of_request(1, 2)));
    assert_ne!(draw(Dice::of_request(1, 2)), draw(Dice::of_request(1, 3)));
    assert_ne!(draw(Dice::of_request(1, 2)), draw(Dice::of_request(2, 2)));
    assert_ne!(draw(Dice::of_request(1, 2)), draw(Dice::of_request(2, 1)));
}
