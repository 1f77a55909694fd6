//! A bounded map that forgets only when told: nothing disappears in the middle of a batch.

use std::borrow::Borrow;
use std::hash::Hash;
use std::mem;

use crate::log::hashing::{Hashing, Map};

/// Two generations: what was not written since the last change of generation is forgotten at the next.
///
/// Invariant the appender rests on: an entry stays until [`Cache::age`] is called. Within a batch the
/// cache therefore holds every change of that batch, though the store does not have them yet.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
    generation_max: usize,
}

impl<K: Hash + Eq, V> Cache<K, V> {
    /// Holds at most twice `generation_max` entries, plus what one batch adds.
    pub(super) fn new(generation_max: usize, hashing: Hashing) -> Self {
        Self { young: hashing.map(), old: hashing.map(), generation_max }
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.young.insert(key, value);
    }

    /// Call between batches, when the store has everything.
    pub(super) fn age(&mut self) {
        self.age_with(|_| {});
    }

    /// The same; `leaving` is shown every key of the generation that is forgotten. A newer value of the
    /// key may still be there.
    pub(super) fn age_with(&mut self, leaving: impl FnMut(&K)) {
        if self.young.len() >= self.generation_max {
            mem::swap(&mut self.young, &mut self.old);
            self.young.keys().for_each(leaving);
            self.young.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_forgotten_before_it_ages() {
        let mut cache = Cache::new(2, Hashing::fixed());
        for key in 0..100 {
            cache.insert(key, key);
        }
        assert!((0..100).all(|key| cache.get(&key) == Some(&key)));
    }

    #[test]
    fn the_newest_value_wins_over_generations() {
        let mut cache = Cache::new(1, Hashing::fixed());
        cache.insert(1, "first");
        cache.age();
        cache.insert(1, "second");
        assert_eq!(cache.get(&1), Some(&"second"));
        cache.age();
        assert_eq!(cache.get(&1), Some(&"second"));
        cache.insert(2, "other");
        let mut left = Vec::new();
        cache.age_with(|key| left.push(*key));
        assert_eq!(left, [1]);
        assert_eq!(cache.get(&1), None, "two generations without a write");
    }
}
