//! Nodes that are told to end in good order, as a supervisor tells its processes: who is told finishes what is
//! in progress, and then its process is over. The supervisor waits for that, and switches the machine on again
//! unless an episode wants it off. What the node does meanwhile is the product's own.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::World;
use crate::evidence::{Power, Stop};
use crate::fault::FaultKind;
use crate::machine::Machine;

/// How often the supervisor looks whether a process has ended, or is back.
const LOOK_US: u64 = 20_000;
/// Between the end of a process and its next start.
const RESTART_AFTER_US: u64 = 100_000;

/// The stops of one world.
#[derive(Debug, Default)]
pub(super) struct Stops {
    /// The boot of each machine that was told last.
    told: watch::Sender<BTreeMap<Machine, u32>>,
    /// Those that were told, with their boots then, and are not back.
    away: Mutex<BTreeSet<(Machine, u32)>>,
    /// All stops, in order.
    record: Mutex<Vec<Stop>>,
}

impl Stops {
    /// Changes the record of a node's newest stop.
    fn note(&self, node: Machine, note: impl FnOnce(&mut Stop)) {
        let mut record = self.record.lock();
        if let Some(stop) = record.iter_mut().rev().find(|stop| stop.node == node) {
            note(stop);
        }
    }
}

impl World {
    /// Tells a node to end in good order. One that is off hears nothing, and one that was told before is not
    /// told again. Must be called from outside the machines.
    pub fn stop(&self, node: Machine) {
        if !node.is_node() || !self.is_on(node) || self.is_told_to_stop(node) {
            return;
        }
        let (boot, told_at_us, stops) = (self.boots(node), self.now_us(), &self.inner.stops);
        let place = {
            let mut record = stops.record.lock();
            record.push(Stop { node, told_at_us, ended_at_us: None, unfinished: None });
            record.len() - 1
        };
        stops.away.lock().insert((node, boot));
        stops.told.send_modify(|told| {
            told.insert(node, boot);
        });
        tokio::spawn(see_off(self.clone(), (node, boot), place));
    }

    /// Whether what runs on the node now was told to end.
    pub fn is_told_to_stop(&self, node: Machine) -> bool {
        self.inner.stops.told.borrow().get(&node) == Some(&self.boots(node))
    }

    /// Returns when what runs on the node now is told to end. For the node itself.
    pub async fn told_to_stop(&self, node: Machine) {
        let boot = self.boots(node);
        let mut told = self.inner.stops.told.subscribe();
        // The sender lives as long as the world: waiting cannot fail.
        let _ = told.wait_for(|told| told.get(&node) == Some(&boot)).await;
    }

    /// A node has heard that it is to end, with so many sagas under way.
    pub fn begins_to_stop(&self, node: Machine, sagas: usize) {
        if sagas > 0 || self.network.is_asked(node) {
            self.bites.bit(FaultKind::Stop);
        }
    }

    /// A node that was told to end is about to, and leaves this unfinished.
    pub fn stops_with(&self, node: Machine, unfinished: Option<String>) {
        self.inner.stops.note(node, |stop| stop.unfinished = unfinished);
    }

    /// Nodes that were told to end and are not back.
    pub fn stopping(&self) -> Vec<Machine> {
        self.inner.stops.away.lock().iter().map(|(node, _)| *node).collect()
    }

    /// All stops so far, in order.
    pub fn stops(&self) -> Vec<Stop> {
        self.inner.stops.record.lock().clone()
    }

    /// What a machine runs has returned. Where it was told to end, its process is over, and everything on the
    /// machine with it.
    pub(super) fn returned(&self, machine: Machine) {
        if !self.is_told_to_stop(machine) || !self.power().switch_off(machine) {
            return;
        }
        let now_us = self.now_us();
        self.note(machine, Power::Stopped);
        self.processes_ended(machine);
        self.inner.stops.note(machine, |stop| stop.ended_at_us = Some(now_us));
    }
}

/// Waits for the end of a boot, and for the next one; `place`: of the stop in the record.
async fn see_off(world: World, (node, boot): (Machine, u32), place: usize) {
    while world.is_on(node) && world.boots(node) == boot {
        world.timeline().after(LOOK_US).await;
    }
    world.timeline().after(RESTART_AFTER_US).await;
    // What something else has switched off that switches on again, too.
    let has_ended = world.inner.stops.record.lock()[place].ended_at_us.is_some();
    if has_ended && !world.is_held_off(node) {
        world.restart(node);
    }
    while world.boots(node) == boot {
        world.timeline().after(LOOK_US).await;
    }
    world.inner.stops.away.lock().remove(&(node, boot));
}
