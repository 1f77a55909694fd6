//! How the log's tables in memory hash their keys.
//!
//! The appender looks up a handful of names for every append, and the standard library's hasher was a
//! visible part of its turn. This one is several times quicker; its seed comes from the log's own
//! entropy, so that nobody outside can foresee which names collide, and a simulated log hashes alike in
//! every run of a seed.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::clock::Entropy;

pub(super) type Map<K, V> = HashMap<K, V, FixedState>;
pub(super) type Set<T> = HashSet<T, FixedState>;

/// Drawn once, when the log is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hashing {
    seed: u64,
}

impl Hashing {
    pub(super) fn draw(entropy: &impl Entropy) -> Self {
        Self { seed: entropy.next_u64() }
    }

    /// An empty table.
    pub(super) fn map<K, V>(self) -> Map<K, V> {
        Map::with_hasher(FixedState::with_seed(self.seed))
    }

    /// An empty set.
    pub(super) fn set<T>(self) -> Set<T> {
        Set::with_hasher(FixedState::with_seed(self.seed))
    }
}

#[cfg(test)]
impl Hashing {
    /// For tests of one table.
    pub(super) fn fixed() -> Self {
        Self { seed: 7 }
    }
}
