//! The root of all choices of a run: a seed, split by label into streams that know nothing of each
//! other, so that a new choice in one place changes none in another. Used by whatever plans or judges a
//! run; the product's own randomness comes from a stream of its machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A run's number; written in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of choices with this label. The same label gives the same choices.
    pub fn stream(self, label: &str) -> Random {
        let mut hasher =
            blake3::Hasher::new_derive_key("sagaline simulation 1: a stream of choices");
        hasher.update(&self.0.to_le_bytes()).update(label.as_bytes());
        Random { stream: hasher.finalize_xof(), block: [0; BLOCK], used: BLOCK }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = u64::from_str_radix(text, 16);
        number.map(Self).map_err(|_| {
            format!("seed {text:?}: wants 1 to 16 hexadecimal digits, for instance 7f3a")
        })
    }
}

impl TryFrom<String> for Seed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        seed.to_string()
    }
}

/// What the hash gives at once: a choice mostly costs no hashing.
const BLOCK: usize = 64;

/// A stream of choices.
#[derive(Clone)]
pub struct Random {
    stream: blake3::OutputReader,
    block: [u8; BLOCK],
    used: usize,
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.stream.position().saturating_sub((BLOCK - self.used) as u64);
        write!(f, "Random(at {taken})")
    }
}

impl Random {
    /// Fills with the next bytes of the stream.
    pub fn fill(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.used == BLOCK {
                self.stream.fill(&mut self.block);
                self.used = 0;
            }
            let taken = bytes.len().min(BLOCK - self.used);
            let (now, later) = bytes.split_at_mut(taken);
            now.copy_from_slice(&self.block[self.used..self.used + taken]);
            self.used += taken;
            bytes = later;
        }
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below `bound`; 0 when the bound is 0. The bias is below 2^-32 for bounds below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.any().checked_rem(bound).unwrap_or(0)
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        debug_assert!(from <= to, "{from}..={to}");
        from + self.below(to.saturating_sub(from).saturating_add(1))
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these; none when there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(usize::try_from(self.below(from.len() as u64)).unwrap_or(0))
    }

    /// A length with a heavy tail: mostly near `typical`, one in ten up to ten times as long.
    pub fn heavy_tailed(&mut self, typical: u64) -> u64 {
        let most = if self.percent(10) { typical.saturating_mul(10) } else { typical };
        self.between(typical / 4, most.max(1))
    }

    /// The same things in another order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            things.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_gives_the_same_choices_and_another_label_others() {
        let drawn = |seed, label: &str| Seed(seed).stream(label).any();
        assert_eq!(drawn(7, "net"), drawn(7, "net"));
        assert_ne!(drawn(7, "net"), drawn(7, "disk"));
        assert_ne!(drawn(7, "net"), drawn(8, "net"));
    }

    #[test]
    fn bytes_come_in_the_order_of_the_stream_however_many_are_taken_at_once() {
        let (mut at_once, mut in_parts) = ([0; 300], Vec::new());
        Seed(1).stream("bytes").fill(&mut at_once);
        let mut random = Seed(1).stream("bytes");
        for len in [0, 1, 7, 64, 63, 100, 65] {
            let mut part = vec![0; len];
            random.fill(&mut part);
            in_parts.extend(part);
        }
        assert_eq!(in_parts, at_once);
    }

    #[test]
    fn choices_stay_within_their_bounds() {
        let mut random = Seed(1).stream("bounds");
        for _ in 0..1_000 {
            assert!(random.below(3) < 3);
            assert!((5..=7).contains(&random.between(5, 7)));
            assert!(random.heavy_tailed(100) <= 1_000);
        }
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut things: Vec<u32> = (0..100).collect();
        Seed(1).stream("shuffle").shuffle(&mut things);
        assert_ne!(things, (0..100).collect::<Vec<_>>());
        things.sort_unstable();
        assert_eq!(things, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_seed_is_written_as_it_is_read() {
        assert_eq!("7f3a".parse(), Ok(Seed(0x7f3a)));
        assert_eq!(Seed(0x7f3a).to_string(), "7f3a");
        assert!("0x1".parse::<Seed>().unwrap_err().contains("hexadecimal"));
    }
}
