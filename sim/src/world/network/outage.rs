//! What faults do to connections that are there: episodes that begin and end, machines that lose their
//! processes or their power and come back. Part of [`super::fabric`].

use std::io;

use super::connection::{CLIENT, Connection, EndState, SERVER, other};
use super::fabric::Fabric;
use super::links::Links;
use super::pipe::Fate;
use super::retransmit;
use crate::bites::Bites;
use crate::fault::{Episode, Fault, FaultKind};
use crate::machine::Machine;
use crate::world::timeline::Timeline;

impl Fabric {
    /// The episode goes on from now.
    pub(super) fn begin(&mut self, episode: &Episode) {
        self.links.begin(episode);
        match &episode.fault {
            Fault::Reset { link } => self.reset(link.from, link.to),
            Fault::HalfOpen { link } => self.forget_silently(link.from, link.to),
            _ => {}
        }
        self.revisit();
    }

    /// The episode is over.
    pub(super) fn end(&mut self, episode: &Episode) {
        self.links.end(episode);
        if let Fault::HalfOpen { link } = &episode.fault {
            // Whatever had forgotten the connections answers again, and does not know them.
            for connection in between(self.connections.values_mut(), link.from, link.to) {
                for pipe in &mut connection.pipes {
                    if pipe.fate == Fate::Vanish {
                        pipe.fate = Fate::Refused;
                    }
                }
            }
        }
        self.revisit();
    }

    /// All processes of the machine have ended, and its kernel says so to whoever is connected. Returns
    /// how many connections that cut in the middle of something.
    pub(super) fn processes_ended(&mut self, machine: Machine) -> usize {
        let own = self.ends_of(machine);
        let busy = self.busy(&own);
        self.stop_listening(machine);
        own.iter().for_each(|(id, side)| self.close(*id, *side));
        busy
    }

    /// The machine has no power: it says nothing, and what reaches it is lost.
    pub(super) fn power_lost(&mut self, machine: Machine) -> usize {
        let own = self.ends_of(machine);
        let busy = self.busy(&own);
        let now_us = self.now_us();
        self.links.set_dark(machine, true);
        self.listening.retain(|door, _| door.0 != machine);
        for (id, side) in own {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.leave(side);
                connection.pipes[side].lose_sender(now_us);
                connection.pipes[other(side)].lose_receiver(now_us);
                connection.arm_reader(other(side), &self.timeline);
            }
            self.forget_if_over(id);
        }
        self.revisit();
        busy
    }

    /// The machine has its power back, and knows of no connection.
    pub(super) fn power_back(&mut self, machine: Machine) {
        self.links.set_dark(machine, false);
        self.revisit();
    }

    /// Whether something has arrived at the machine that nobody there has taken.
    pub(super) fn is_awaited(&self, machine: Machine) -> bool {
        let now_us = self.now_us();
        let unaccepted = self.listening.iter().any(|(door, listening)| {
            door.0 == machine && listening.backlog.front().is_some_and(|(at, _)| *at <= now_us)
        });
        let unread = |connection: &Connection| {
            (0..2).any(|side| {
                connection.ends[side].machine == machine
                    && connection.ends[side].state == EndState::Open
                    && connection.pipes[other(side)].has_arrived(now_us)
            })
        };
        unaccepted || self.connections.values().any(unread)
    }

    /// Whether somebody has asked the machine for something and has no answer yet.
    pub(super) fn is_asked(&self, machine: Machine) -> bool {
        let asks = |connection: &Connection| {
            let [client, server] = &connection.ends;
            server.machine == machine && client.asked && client.state == EndState::Open
        };
        self.connections.values().any(asks)
    }

    /// Ends of the machine that a process holds, or would hold had it accepted them.
    pub(super) fn ends_of(&self, machine: Machine) -> Vec<(u64, usize)> {
        let held = |connection: &Connection, side: usize| {
            let end = &connection.ends[side];
            end.machine == machine && end.state == EndState::Open
        };
        let of = |(id, connection): (&u64, &Connection)| {
            let sides: Vec<_> = (0..2).filter(|side| held(connection, *side)).collect();
            sides.into_iter().map(|side| (*id, side)).collect::<Vec<_>>()
        };
        self.connections.iter().flat_map(of).collect()
    }

    /// The machines at the other ends of these.
    pub(super) fn peers_of(&self, machine: Machine) -> Vec<Machine> {
        let peer = |(id, side)| self.connections.get(&id).map(|c| c.ends[other(side)].machine);
        self.ends_of(machine).into_iter().filter_map(peer).collect()
    }

    fn busy(&self, ends: &[(u64, usize)]) -> usize {
        let busy =
            |(id, _): &&(u64, usize)| self.connections.get(id).is_some_and(Connection::is_busy);
        ends.iter().filter(busy).count()
    }

    fn stop_listening(&mut self, machine: Machine) {
        let own: Vec<_> = self.listening.iter().filter(|(door, _)| door.0 == machine).collect();
        let own: Vec<_> = own.into_iter().map(|(door, listening)| (*door, listening.id)).collect();
        own.into_iter().for_each(|(door, id)| self.unlisten(door, id));
    }

    fn reset(&mut self, one: Machine, another: Machine) {
        let now_us = self.now_us();
        let Self { timeline, bites, links, connections, .. } = self;
        for connection in between(connections.values_mut(), one, another) {
            if connection.is_busy() {
                bites.bit(FaultKind::Reset);
            }
            for side in [CLIENT, SERVER] {
                let at_us = now_us + links.latency_us(one, another);
                connection.fail(side, at_us, io::ErrorKind::ConnectionReset, timeline);
            }
        }
    }

    fn forget_silently(&mut self, one: Machine, another: Machine) {
        let now_us = self.now_us();
        let Self { bites, connections, .. } = self;
        for connection in between(connections.values_mut(), one, another) {
            for pipe in &mut connection.pipes {
                pipe.fate = Fate::Vanish;
                if pipe.hold(now_us) {
                    bites.bit(FaultKind::HalfOpen);
                }
            }
        }
    }

    /// Looks at everything under way, after something has changed about who reaches whom.
    fn revisit(&mut self) {
        let Self { timeline, bites, links, connections, .. } = self;
        for connection in connections.values_mut() {
            for side in [CLIENT, SERVER] {
                revisit_pipe(connection, side, links, timeline, bites);
            }
            for side in [CLIENT, SERVER] {
                connection.arm_reader(side, timeline);
            }
        }
    }
}

fn revisit_pipe(
    connection: &mut Connection,
    side: usize,
    links: &mut Links,
    timeline: &Timeline,
    bites: &Bites,
) {
    let now_us = timeline.now_us();
    let (me, peer) = connection.machines(side);
    let vanishes = connection.pipes[side].fate == Fate::Vanish;
    if vanishes || links.blocked(me, peer) {
        if connection.pipes[side].hold(now_us) && links.parted(me, peer) {
            bites.bit(FaultKind::Partition);
        }
        return;
    }
    let Some(since_us) = connection.pipes[side].held_since() else { return };
    if !connection.is_refused(side) {
        connection.pipes[side].release(now_us, || links.latency_us(me, peer));
    } else if links.answered(me, peer) {
        let there_us = retransmit::next_us(since_us, now_us) + links.latency_us(me, peer);
        let at_us = there_us + links.latency_us(peer, me);
        connection.fail(side, at_us, io::ErrorKind::ConnectionReset, timeline);
        connection.pipes[side].keep_arriving();
    }
}

fn between<'a>(
    connections: impl Iterator<Item = &'a mut Connection>,
    one: Machine,
    another: Machine,
) -> impl Iterator<Item = &'a mut Connection> {
    connections.filter(move |connection| connection.is_between(one, another))
}
