//! What strategies draw on: the length of the chaos, the product's settings, and a stream of choices.

use crate::fault::{Episode, Fault, Link};
use crate::machine::Machine;
use crate::plan::Knobs;
use crate::seed::{Random, Seed};

/// A time in which the clients crowd: operations that would come later or earlier come now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// From when, in simulated milliseconds from the start of the chaos.
    pub at_ms: u64,
    /// For how long.
    pub for_ms: u64,
}

/// The episodes so far, and what the next ones are drawn from.
#[derive(Debug)]
pub struct Ground {
    /// The seed, for weights.
    pub seed: Seed,
    /// Choices.
    pub random: Random,
    /// How the product is set.
    pub knobs: Knobs,
    /// How long the chaos lasts.
    pub chaos_ms: u64,
    /// When clients crowd.
    pub crowds: Vec<Crowd>,
    episodes: Vec<Episode>,
}

impl Ground {
    /// Nothing goes wrong yet.
    pub fn new(seed: Seed, knobs: Knobs, chaos_ms: u64) -> Self {
        let random = seed.stream("plan/faults");
        Self { seed, random, knobs, chaos_ms, crowds: Vec::new(), episodes: Vec::new() }
    }

    /// A fault from a moment on, for so long but not beyond the chaos. What begins behind it is dropped.
    pub fn add(&mut self, at_ms: u64, for_ms: u64, fault: Fault) {
        if at_ms < self.chaos_ms {
            let for_ms = for_ms.clamp(1, self.chaos_ms - at_ms);
            self.episodes.push(Episode { id: 0, at_ms, for_ms, fault });
        }
    }

    /// Moments as chance has them (a Poisson process): so far apart on average; the first one in time to
    /// matter.
    pub fn moments(&mut self, gap_ms: u64) -> Vec<u64> {
        let mut moments = Vec::new();
        let mut at_ms = self.gap(gap_ms).min(self.chaos_ms / 2);
        while at_ms < self.chaos_ms {
            moments.push(at_ms);
            at_ms += self.gap(gap_ms).max(1);
        }
        moments
    }

    /// Exponentially distributed, cut at eight times the mean.
    fn gap(&mut self, mean_ms: u64) -> u64 {
        let uniform = (self.random.below(1 << 20) + 1) as f64 / (1_u64 << 20) as f64;
        (-uniform.ln()).min(8.0).mul_add(mean_ms as f64, 0.0) as u64
    }

    /// Longer than a lease: so long that another node takes over meanwhile.
    pub fn beyond_lease_ms(&mut self) -> u64 {
        let lease = self.knobs.lease_ms;
        self.random.between(lease + lease / 5, lease * 3)
    }

    /// One of the nodes.
    pub fn node(&mut self) -> Machine {
        self.one_of(&Machine::NODES)
    }

    /// One of these; `among` is never empty.
    pub fn one_of<T: Copy>(&mut self, among: &[T]) -> T {
        *self.random.pick(among).expect("there is something to choose from")
    }

    /// A direction over which the product depends on somebody.
    pub fn link(&mut self) -> Link {
        let node = self.node();
        let pair = match self.random.below(10) {
            0 => (Machine::Clients, Machine::Balancer),
            1 => (Machine::Clients, node),
            2 => (Machine::Balancer, node),
            3..=5 => (node, Machine::Store),
            6 => (node, Machine::Locks),
            7 => (node, Machine::Bus),
            _ => (node, Machine::Bank),
        };
        let (from, to) = if self.random.percent(50) { pair } else { (pair.1, pair.0) };
        Link { from, to }
    }

    /// All episodes by their beginning, numbered.
    pub fn into_episodes(mut self) -> Vec<Episode> {
        self.episodes.sort_by_key(|episode| episode.at_ms);
        for (id, episode) in (1..).zip(&mut self.episodes) {
            episode.id = id;
        }
        self.episodes
    }
}
