//! A connection: two ends and the two pipes between them. Plain state; used by [`super::fabric`].

use std::io;
use std::net::SocketAddr;
use std::task::Waker;

use bytes::BytesMut;

use super::pipe::{Fate, Pipe};
use super::retransmit;
use crate::machine::Machine;
use crate::world::timeline::Timeline;

/// Who opened the connection.
pub(super) const CLIENT: usize = 0;
/// Who accepted it.
pub(super) const SERVER: usize = 1;

/// The other end.
pub(super) const fn other(side: usize) -> usize {
    1 - side
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) machine: Machine,
    pub(super) address: SocketAddr,
    pub(super) state: EndState,
    /// From when on nothing works any more at this end, and why.
    pub(super) failure: Option<(u64, io::ErrorKind)>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// It has sent something and read nothing since.
    pub(super) asked: bool,
}

/// Whether anybody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndState {
    /// A process has it open.
    Open,
    /// Nobody knows of it any more.
    Gone,
    /// It never was a process: it repeats what another connection had sent, and listens to nothing.
    Echo,
}

impl End {
    fn new(machine: Machine, address: SocketAddr, state: EndState) -> Self {
        Self { machine, address, state, failure: None, reader: None, writer: None, asked: false }
    }

    /// Why nothing works any more.
    pub(super) fn failed(&self, now_us: u64) -> Option<io::Error> {
        let (at_us, kind) = self.failure?;
        (at_us <= now_us).then(|| io::Error::from(kind))
    }

    /// Wakes whoever waits here, at that moment.
    pub(super) fn wake_at(&self, at_us: u64, timeline: &Timeline) {
        for waker in [&self.reader, &self.writer].into_iter().flatten() {
            timeline.wake_at(at_us, waker);
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    /// The one that opened it, and the one that accepted it.
    pub(super) ends: [End; 2],
    /// What each end sends to the other.
    pub(super) pipes: [Pipe; 2],
    /// The first request, while it is kept to be delivered a second time.
    pub(super) recorded: Option<BytesMut>,
    /// It is the second delivery, and nobody has read it yet.
    pub(super) unseen_duplicate: bool,
}

impl Connection {
    pub(super) fn new(
        id: u64,
        client: (Machine, SocketAddr, EndState),
        server: (Machine, SocketAddr),
    ) -> Self {
        let ends =
            [End::new(client.0, client.1, client.2), End::new(server.0, server.1, EndState::Open)];
        let unseen_duplicate = client.2 == EndState::Echo;
        Self { id, ends, pipes: [Pipe::new(), Pipe::new()], recorded: None, unseen_duplicate }
    }

    /// Who is at an end, and who at the other.
    pub(super) fn machines(&self, side: usize) -> (Machine, Machine) {
        (self.ends[side].machine, self.ends[other(side)].machine)
    }

    /// Whether it is between these two.
    pub(super) fn is_between(&self, one: Machine, another: Machine) -> bool {
        let machines = self.machines(CLIENT);
        machines == (one, another) || machines == (another, one)
    }

    /// Nothing works at this end from that moment on; what arrives earlier can still be read.
    pub(super) fn fail(
        &mut self,
        side: usize,
        at_us: u64,
        kind: io::ErrorKind,
        timeline: &Timeline,
    ) {
        let end = &mut self.ends[side];
        if end.state != EndState::Open || end.failure.is_some_and(|(earlier, _)| earlier <= at_us) {
            return;
        }
        end.failure = Some((at_us, kind));
        end.wake_at(at_us, timeline);
        self.pipes[other(side)].cut(at_us);
    }

    /// When this end gives up because nothing of what it sent is acknowledged.
    pub(super) fn gives_up_at(&self, side: usize) -> Option<u64> {
        Some(self.pipes[side].held_since()? + retransmit::GIVE_UP_US)
    }

    /// Gives up when it is time.
    pub(super) fn give_up(&mut self, side: usize, now_us: u64, timeline: &Timeline) {
        if self.gives_up_at(side).is_some_and(|at| at <= now_us) {
            self.fail(side, now_us, io::ErrorKind::TimedOut, timeline);
        }
    }

    /// Whether what is sent from this end meets somebody who does not know the connection.
    pub(super) fn is_refused(&self, side: usize) -> bool {
        let receiver = &self.ends[other(side)];
        self.pipes[side].fate == Fate::Refused
            || receiver.state == EndState::Gone
            || receiver.failure.is_some()
    }

    /// Whether somebody would miss it: a question of the client's without its answer, or bytes that nobody
    /// has read.
    pub(super) fn is_busy(&self) -> bool {
        let client = &self.ends[CLIENT];
        let asks = client.asked && client.state == EndState::Open;
        asks || self.pipes.iter().any(Pipe::has_unread)
    }

    /// Whether nobody is left at either end.
    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.state != EndState::Open)
    }

    /// Sets the timer for whoever waits to read at this end.
    pub(super) fn arm_reader(&mut self, side: usize, timeline: &Timeline) {
        let gives_up_us = self.gives_up_at(side);
        let inbound = &mut self.pipes[other(side)];
        let end = &self.ends[side];
        let Some(reader) = &end.reader else { return };
        let failure_us = end.failure.map(|(at, _)| at);
        let due = earlier(inbound.next_arrival(), earlier(failure_us, gives_up_us));
        if let Some(due) = due.filter(|due| inbound.arm(*due, reader)) {
            timeline.wake_at(due, reader);
        }
    }
}

fn earlier(one: Option<u64>, another: Option<u64>) -> Option<u64> {
    match (one, another) {
        (Some(one), Some(another)) => Some(one.min(another)),
        (one, another) => one.or(another),
    }
}
