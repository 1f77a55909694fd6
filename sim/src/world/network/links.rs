//! What the episodes make of a link: whether anything passes, and how long it takes. Every choice comes
//! from the link's own stream of the seed. Used by [`super::fabric`].

use std::collections::{BTreeMap, BTreeSet};

use super::retransmit;
use crate::bites::Bites;
use crate::fault::{Episode, Fault, FaultKind, Link};
use crate::machine::Machine;
use crate::seed::{Random, Seed};

/// The way between two machines takes between these.
const LATENCY_MIN_US: u64 = 80;
const LATENCY_MAX_US: u64 = 450;
/// And from a machine to itself.
const LOOPBACK_MAX_US: u64 = 30;

/// When a segment gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// It leaves the sender's side, and arrives.
    Passes {
        /// When it leaves.
        departs_us: u64,
        /// When it arrives.
        arrives_us: u64,
    },
    /// Not now.
    Held,
}

/// The links of one world.
#[derive(Debug)]
pub(super) struct Links {
    seed: Seed,
    bites: Bites,
    /// The open episodes that are about the network.
    episodes: Vec<Episode>,
    /// Machines without power.
    dark: BTreeSet<Machine>,
    /// For each way from one machine to another, by [`way`].
    random: Vec<Option<Random>>,
    /// While segments of a link may overtake each other: the latest arrival so far, and of which
    /// connection.
    latest: BTreeMap<(Machine, Machine), (u64, u64)>,
}

impl Links {
    pub(super) fn new(seed: Seed, bites: Bites) -> Self {
        Self {
            seed,
            bites,
            episodes: Vec::new(),
            dark: BTreeSet::new(),
            random: vec![None; Machine::ALL.len() * Machine::ALL.len()],
            latest: BTreeMap::new(),
        }
    }

    pub(super) fn begin(&mut self, episode: &Episode) {
        self.episodes.push(episode.clone());
    }

    pub(super) fn end(&mut self, episode: &Episode) {
        self.episodes.retain(|open| open.id != episode.id);
    }

    pub(super) fn set_dark(&mut self, machine: Machine, dark: bool) {
        if dark {
            self.dark.insert(machine);
        } else {
            self.dark.remove(&machine);
        }
    }

    /// Whether a partition stands between the two in this direction.
    pub(super) fn parted(&self, from: Machine, to: Machine) -> bool {
        self.episodes.iter().any(|episode| match &episode.fault {
            Fault::Partition { one, other, one_way } => {
                let there = one.contains(&from) && other.contains(&to);
                let back = other.contains(&from) && one.contains(&to);
                there || (back && !one_way)
            }
            _ => false,
        })
    }

    /// Whether nothing passes in this direction.
    pub(super) fn blocked(&self, from: Machine, to: Machine) -> bool {
        self.dark.contains(&to) || self.parted(from, to)
    }

    /// Whether something is answered: both directions pass.
    pub(super) fn answered(&self, from: Machine, to: Machine) -> bool {
        !self.blocked(from, to) && !self.blocked(to, from)
    }

    /// Whether new connections hang.
    pub(super) fn hangs(&self, from: Machine, to: Machine) -> bool {
        self.any(from, to, |fault| match fault {
            Fault::ConnectHang { link } => Some(*link),
            _ => None,
        })
    }

    /// Whether whatever carries something is reset.
    pub(super) fn resets(&self, from: Machine, to: Machine) -> bool {
        self.any(from, to, |fault| match fault {
            Fault::Reset { link } => Some(*link),
            _ => None,
        })
    }

    /// Whether this new connection's first request is delivered twice.
    pub(super) fn duplicates(&mut self, from: Machine, to: Machine) -> bool {
        let percent = self.newest(from, to, |fault| match fault {
            Fault::Duplicate { link, percent } => Some((*link, *percent)),
            _ => None,
        });
        percent.is_some_and(|percent| self.random(from, to).percent(percent))
    }

    /// A number of the link's stream.
    pub(super) fn draw(&mut self, from: Machine, to: Machine) -> u64 {
        self.random(from, to).any()
    }

    /// How long the way takes when nothing goes wrong.
    pub(super) fn latency_us(&mut self, from: Machine, to: Machine) -> u64 {
        let random = self.random(from, to);
        if from == to {
            random.between(1, LOOPBACK_MAX_US)
        } else {
            random.between(LATENCY_MIN_US, LATENCY_MAX_US)
        }
    }

    /// When a segment of a connection that is sent now gets through.
    pub(super) fn passage(
        &mut self,
        from: Machine,
        to: Machine,
        connection: u64,
        now_us: u64,
    ) -> Passage {
        let latency_us = self.latency_us(from, to);
        if self.parted(from, to) {
            self.bites.bit(FaultKind::Partition);
            return Passage::Held;
        }
        if self.dark.contains(&to) {
            return Passage::Held;
        }
        if self.episodes.is_empty() {
            return Passage::Passes { departs_us: now_us, arrives_us: now_us + latency_us };
        }
        let Some(resent_us) = self.lost_us(from, to) else { return Passage::Held };
        let departs_us = now_us + resent_us;
        let slow_us = self.slow_us(from, to);
        let arrives_us = departs_us + latency_us + slow_us + self.spread_us(from, to);
        self.note_order(from, to, connection, arrives_us);
        Passage::Passes { departs_us, arrives_us }
    }

    /// How long repetitions of lost segments take; none: too many are lost.
    fn lost_us(&mut self, from: Machine, to: Machine) -> Option<u64> {
        let percent = self.newest(from, to, |fault| match fault {
            Fault::Loss { link, percent } => Some((*link, *percent)),
            _ => None,
        });
        let Some(percent) = percent else { return Some(0) };
        let random = self.random(from, to);
        let delay = retransmit::delay_us(|| random.percent(percent));
        if delay != Some(0) {
            self.bites.bit(FaultKind::Loss);
        }
        delay
    }

    fn slow_us(&self, from: Machine, to: Machine) -> u64 {
        let added_ms = self.newest(from, to, |fault| match fault {
            Fault::SlowLink { link, added_ms } => Some((*link, *added_ms)),
            _ => None,
        });
        if added_ms.is_some_and(|ms| ms > 0) {
            self.bites.bit(FaultKind::SlowLink);
        }
        added_ms.unwrap_or(0) * 1_000
    }

    fn spread_us(&mut self, from: Machine, to: Machine) -> u64 {
        let spread_ms = self.newest(from, to, |fault| match fault {
            Fault::Reorder { link, spread_ms } => Some((*link, *spread_ms)),
            _ => None,
        });
        match spread_ms {
            Some(spread_ms) => self.random(from, to).below(spread_ms * 1_000 + 1),
            None => {
                self.latest.remove(&(from, to));
                0
            }
        }
    }

    /// Counts a segment that overtakes one of another connection.
    fn note_order(&mut self, from: Machine, to: Machine, connection: u64, arrives_us: u64) {
        let reorders = self.any(from, to, |fault| match fault {
            Fault::Reorder { link, .. } => Some(*link),
            _ => None,
        });
        if !reorders {
            return;
        }
        let latest = self.latest.entry((from, to)).or_insert((arrives_us, connection));
        if arrives_us < latest.0 && connection != latest.1 {
            self.bites.bit(FaultKind::Reorder);
        } else if arrives_us >= latest.0 {
            *latest = (arrives_us, connection);
        }
    }

    fn any(&self, from: Machine, to: Machine, link: impl Fn(&Fault) -> Option<Link>) -> bool {
        self.newest(from, to, |fault| link(fault).map(|link| (link, ()))).is_some()
    }

    fn newest<T>(
        &self,
        from: Machine,
        to: Machine,
        pick: impl Fn(&Fault) -> Option<(Link, T)>,
    ) -> Option<T> {
        let ours = |episode: &Episode| {
            pick(&episode.fault).filter(|(link, _)| (link.from, link.to) == (from, to))
        };
        self.episodes.iter().rev().find_map(ours).map(|(_, picked)| picked)
    }

    fn random(&mut self, from: Machine, to: Machine) -> &mut Random {
        let (seed, way) = (self.seed, way(from, to));
        self.random[way].get_or_insert_with(|| seed.stream(&format!("net/{from}/{to}")))
    }
}

/// The place of a way among all ways.
const fn way(from: Machine, to: Machine) -> usize {
    from as usize * Machine::ALL.len() + to as usize
}
