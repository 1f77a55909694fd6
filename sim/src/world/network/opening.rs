//! New connections: asked for, refused, waiting to be accepted, and the second delivery of a first
//! request. Part of [`super::fabric`].

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::connection::{CLIENT, Connection, EndState, SERVER};
use super::fabric::{BACKLOG_MAX, Door, Fabric, Listening};
use super::pipe::{Payload, Segment};
use crate::fault::FaultKind;
use crate::machine::Machine;
use crate::world::timeline::Timeline;

/// A second delivery comes at most so much later.
const REPEATED_AFTER_MAX_US: u64 = 2_000_000;

/// Bytes of a first request that are kept; a longer one is not delivered twice.
const RECORDED_MAX: usize = 64 * 1024;

/// The end of a second delivery, after its first answer.
const ECHO_ENDS_AFTER_US: u64 = 5_000_000;

/// What comes of a connection request.
#[derive(Debug)]
pub(super) enum Asked {
    /// Nobody answers; ask again.
    Unanswered,
    /// Nobody listens there; known at that moment.
    Refused { at_us: u64 },
    /// This connection; known at that moment.
    Opened { id: u64, at_us: u64 },
}

impl Fabric {
    /// A connection request on its way. The client's end of what is opened is held from now.
    pub(super) fn ask(&mut self, from: Machine, to: Door) -> Asked {
        let (machine, _) = to;
        if self.links.parted(from, machine) || self.links.parted(machine, from) {
            self.bites.bit(FaultKind::Partition);
            return Asked::Unanswered;
        }
        if self.links.hangs(from, machine) {
            self.bites.bit(FaultKind::ConnectHang);
            return Asked::Unanswered;
        }
        if !self.links.answered(from, machine) {
            return Asked::Unanswered;
        }
        let there_us = self.now_us() + self.links.latency_us(from, machine);
        let at_us = there_us + self.links.latency_us(machine, from);
        match self.listening.get(&to) {
            None => Asked::Refused { at_us },
            Some(listening) if listening.backlog.len() >= BACKLOG_MAX => Asked::Unanswered,
            Some(_) => Asked::Opened { id: self.open(from, to, there_us), at_us },
        }
    }

    fn open(&mut self, from: Machine, to: Door, there_us: u64) -> u64 {
        let (id, port) = (self.next_id(), self.next_port(from));
        let client = (from, SocketAddr::new(from.ip(), port), EndState::Open);
        let mut connection = Connection::new(id, client, (to.0, SocketAddr::new(to.0.ip(), to.1)));
        if self.links.duplicates(from, to.0) {
            connection.recorded = Some(BytesMut::new());
        }
        self.connections.insert(id, connection);
        self.arrive(to, there_us, id);
        id
    }

    /// The connection waits to be accepted from that moment.
    fn arrive(&mut self, to: Door, at_us: u64, id: u64) {
        let Some(listening) = self.listening.get_mut(&to) else { return };
        let behind = listening.backlog.partition_point(|(earlier, _)| *earlier <= at_us);
        listening.backlog.insert(behind, (at_us, id));
        if let Some(acceptor) = &listening.acceptor {
            self.timeline.wake_at(at_us, acceptor);
        }
    }

    /// Takes the door for a listener.
    pub(super) fn listen(&mut self, door: Door) -> io::Result<u64> {
        if self.listening.contains_key(&door) {
            return Err(io::Error::from(io::ErrorKind::AddrInUse));
        }
        let id = self.next_id();
        self.listening.insert(door, Listening { id, backlog: Default::default(), acceptor: None });
        Ok(id)
    }

    /// The next connection that has arrived.
    pub(super) fn poll_accept(
        &mut self,
        door: Door,
        listener: u64,
        context: &Context<'_>,
    ) -> Poll<io::Result<(u64, SocketAddr)>> {
        let now_us = self.now_us();
        let Some(listening) = self.listening.get_mut(&door).filter(|own| own.id == listener) else {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::NotConnected)));
        };
        while let Some((_, id)) = listening.next_arrived(now_us) {
            if let Some(connection) = self.connections.get(&id) {
                return Poll::Ready(Ok((id, connection.ends[CLIENT].address)));
            }
        }
        listening.acceptor = Some(context.waker().clone());
        if let Some((at_us, _)) = listening.backlog.front() {
            self.timeline.wake_at(*at_us, context.waker());
        }
        Poll::Pending
    }

    /// The listener is no more; who waited to be accepted is turned away.
    pub(super) fn unlisten(&mut self, door: Door, listener: u64) {
        if self.listening.get(&door).is_some_and(|own| own.id == listener) {
            let Some(listening) = self.listening.remove(&door) else { return };
            for (_, id) in listening.backlog {
                self.turn_away(id);
            }
        }
    }

    fn turn_away(&mut self, id: u64) {
        let Self { timeline, links, connections, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        connection.leave(SERVER);
        let (client, server) = connection.machines(CLIENT);
        if !links.blocked(server, client) {
            let at_us = timeline.now_us() + links.latency_us(server, client);
            connection.fail(CLIENT, at_us, io::ErrorKind::ConnectionReset, timeline);
        }
        self.forget_if_over(id);
    }

    /// The server has begun to answer, so the first request is complete: it is delivered again, later and
    /// over a connection of its own.
    pub(super) fn repeat_first_request(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(request) = connection.recorded.take().filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        let (from, machine) = connection.machines(CLIENT);
        let door = (machine, connection.ends[SERVER].address.port());
        if self.links.blocked(from, machine) || !self.listening.contains_key(&door) {
            return;
        }
        let later_us = 1 + self.links.draw(from, machine) % REPEATED_AFTER_MAX_US;
        let at_us = self.now_us() + later_us;
        self.deliver_again(from, door, request.freeze(), at_us);
    }

    fn deliver_again(&mut self, from: Machine, door: Door, request: Bytes, at_us: u64) {
        let (id, port) = (self.next_id(), self.next_port(from));
        let client = (from, SocketAddr::new(from.ip(), port), EndState::Echo);
        let server = (door.0, SocketAddr::new(door.0.ip(), door.1));
        let mut connection = Connection::new(id, client, server);
        connection.pipes[CLIENT].push(Segment {
            payload: Payload::Bytes(request),
            sent_us: self.now_us(),
            departs_us: self.now_us(),
            arrives_us: Some(at_us),
        });
        self.connections.insert(id, connection);
        self.arrive(door, at_us, id);
    }
}

impl Connection {
    /// Keeps what the client sends, if it is to be delivered twice.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        if let Some(recorded) = &mut self.recorded {
            recorded.extend_from_slice(bytes);
        }
        self.recorded.take_if(|recorded| recorded.len() > RECORDED_MAX);
    }

    /// A second delivery is answered: nobody reads that, and a while later its sender hangs up.
    pub(super) fn answer_to_echo(&mut self, now_us: u64, timeline: &Timeline) {
        if self.pipes[CLIENT].ended {
            return;
        }
        self.pipes[CLIENT].push(Segment {
            payload: Payload::End,
            sent_us: now_us,
            departs_us: now_us,
            arrives_us: Some(now_us + ECHO_ENDS_AFTER_US),
        });
        self.arm_reader(SERVER, timeline);
    }
}
