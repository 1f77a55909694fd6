//! The state of the network: who listens, who is connected, and what is under way. One lock guards it
//! all. What happens to connections stands in [`super::traffic`] (bytes), [`super::opening`] (new ones)
//! and [`super::outage`] (faults).
//!
//! Nothing runs here: a reader that has to wait leaves its waker, and a timer of the world's time wakes
//! it when what it waits for arrives.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use super::connection::Connection;
use super::links::Links;
use crate::bites::Bites;
use crate::machine::Machine;
use crate::seed::Seed;
use crate::world::timeline::Timeline;

/// Connections that wait to be accepted; beyond them requests go unanswered.
pub(super) const BACKLOG_MAX: usize = 128;

/// First of the ports that clients connect from.
const EPHEMERAL_FIRST: u16 = 32_768;
const EPHEMERAL_LAST: u16 = 60_999;

/// Where somebody listens.
pub(super) type Door = (Machine, u16);

/// Somebody who listens.
#[derive(Debug)]
pub(super) struct Listening {
    /// Which of those who ever listened.
    pub(super) id: u64,
    /// Connections that wait to be accepted: when each is there, and which it is.
    pub(super) backlog: VecDeque<(u64, u64)>,
    pub(super) acceptor: Option<Waker>,
}

impl Listening {
    /// The first connection that is there, and waits no more.
    pub(super) fn next_arrived(&mut self, now_us: u64) -> Option<(u64, u64)> {
        let is_there = self.backlog.front().is_some_and(|(at_us, _)| *at_us <= now_us);
        if is_there { self.backlog.pop_front() } else { None }
    }
}

/// The network's state.
#[derive(Debug)]
pub(super) struct Fabric {
    pub(super) timeline: Timeline,
    pub(super) bites: Bites,
    pub(super) links: Links,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) listening: BTreeMap<Door, Listening>,
    ids: u64,
    ports: BTreeMap<Machine, u16>,
}

impl Fabric {
    pub(super) fn new(seed: Seed, timeline: Timeline, bites: Bites) -> Self {
        let links = Links::new(seed, bites.clone());
        Self {
            timeline,
            bites,
            links,
            connections: BTreeMap::new(),
            listening: BTreeMap::new(),
            ids: 0,
            ports: BTreeMap::new(),
        }
    }

    pub(super) fn now_us(&self) -> u64 {
        self.timeline.now_us()
    }

    /// A number that nothing else of this network has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A port for a client on this machine, in turn.
    pub(super) fn next_port(&mut self, machine: Machine) -> u16 {
        let port = self.ports.entry(machine).or_insert(EPHEMERAL_LAST);
        *port = if *port == EPHEMERAL_LAST { EPHEMERAL_FIRST } else { *port + 1 };
        *port
    }

    /// Forgets a connection that nobody holds any more.
    pub(super) fn forget_if_over(&mut self, id: u64) {
        if self.connections.get(&id).is_some_and(Connection::is_over) {
            self.connections.remove(&id);
        }
    }
}
