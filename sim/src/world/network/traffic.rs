//! Bytes on a connection, and its end: what the streams do. Part of [`super::fabric`].

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::ReadBuf;

use super::connection::{CLIENT, Connection, EndState, SERVER, other};
use super::fabric::Fabric;
use super::links::{Links, Passage};
use super::pipe::{Fate, Payload, Segment};
use crate::bites::Bites;
use crate::fault::FaultKind;
use crate::machine::Machine;
use crate::world::timeline::Timeline;

/// Of so many reads and writes one takes only a part of what it could.
const PARTIAL_ONE_IN: u64 = 16;

/// How long the news of free room takes to its sender.
const WINDOW_UPDATE_US: u64 = 100;

impl Fabric {
    /// What has arrived at this end; see [`tokio::io::AsyncRead`]. Bytes that arrived before the
    /// connection broke are read before the error.
    pub(super) fn poll_read(
        &mut self,
        id: u64,
        side: usize,
        context: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now_us = self.now_us();
        let Self { timeline, bites, links, connections, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return Poll::Ready(Err(gone())) };
        connection.give_up(side, now_us, timeline);
        let (me, peer) = connection.machines(side);
        let inbound = &mut connection.pipes[other(side)];
        if inbound.next_arrival().is_some_and(|arrives| arrives <= now_us) {
            let most = part(links.draw_part(peer, me), buffer.remaining());
            let read = inbound.read(now_us, most, buffer);
            connection.was_read(side, read, now_us, timeline, bites);
            return Poll::Ready(Ok(()));
        }
        let end = &mut connection.ends[side];
        if let Some(error) = end.failed(now_us) {
            return Poll::Ready(Err(error));
        }
        if end.state == EndState::Gone {
            return Poll::Ready(Err(gone()));
        }
        end.reader = Some(context.waker().clone());
        connection.arm_reader(side, timeline);
        Poll::Pending
    }

    /// Sends from this end; see [`tokio::io::AsyncWrite`]. What was taken has left.
    pub(super) fn poll_write(
        &mut self,
        id: u64,
        side: usize,
        context: &Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = parts.iter().map(|part| part.len()).sum();
        match self.room(id, side, offered) {
            Err(error) => Poll::Ready(Err(error)),
            Ok(None) => {
                self.wait_for_room(id, side, context);
                Poll::Pending
            }
            Ok(Some(taken)) => {
                if taken > 0 {
                    self.send(id, side, gather(parts, taken));
                }
                Poll::Ready(Ok(taken))
            }
        }
    }

    /// Sends what leaves at once, and returns the rest.
    pub(super) fn send_now(&mut self, id: u64, side: usize, mut bytes: Vec<u8>) -> Vec<u8> {
        match self.room(id, side, bytes.len()) {
            Ok(Some(taken)) if taken == bytes.len() => {
                self.send(id, side, bytes.into());
                Vec::new()
            }
            Ok(Some(taken)) if taken > 0 => {
                let rest = bytes.split_off(taken);
                self.send(id, side, bytes.into());
                rest
            }
            Ok(_) | Err(_) => bytes,
        }
    }

    /// How many of so many bytes are taken now; none: whoever sends has to wait.
    fn room(&mut self, id: u64, side: usize, offered: usize) -> io::Result<Option<usize>> {
        let now_us = self.now_us();
        let Self { timeline, links, connections, .. } = self;
        let connection = connections.get_mut(&id).ok_or_else(gone)?;
        connection.give_up(side, now_us, timeline);
        if let Some(error) = connection.cannot_send(side, now_us) {
            return Err(error);
        }
        if offered == 0 {
            return Ok(Some(0));
        }
        let room = connection.pipes[side].room();
        if room == 0 {
            return Ok(None);
        }
        let (me, peer) = connection.machines(side);
        Ok(Some(part(links.draw_part(me, peer), offered.min(room))))
    }

    fn wait_for_room(&mut self, id: u64, side: usize, context: &Context<'_>) {
        let Self { timeline, connections, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        connection.ends[side].writer = Some(context.waker().clone());
        if let Some(at_us) = connection.gives_up_at(side) {
            timeline.wake_at(at_us, context.waker());
        }
    }

    /// This end sends no more.
    pub(super) fn shutdown(&mut self, id: u64, side: usize) -> io::Result<()> {
        let now_us = self.now_us();
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        if let Some(error) = connection.ends[side].failed(now_us) {
            return Err(error);
        }
        if connection.ends[side].state == EndState::Open && !connection.pipes[side].ended {
            let Self { timeline, bites, links, connections, .. } = self;
            let Some(connection) = connections.get_mut(&id) else { return Ok(()) };
            carry(connection, side, Payload::End, links, timeline, bites);
        }
        Ok(())
    }

    /// Nobody holds this end any more, and its kernel goes on: the other is told, as far as it can be.
    pub(super) fn close(&mut self, id: u64, side: usize) {
        let now_us = self.now_us();
        let Self { timeline, bites, links, connections, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        if connection.ends[side].state != EndState::Open {
            return;
        }
        connection.leave(side);
        let inbound = &mut connection.pipes[other(side)];
        if inbound.has_unread() {
            // What nobody will read is answered with a reset; what is held up is, when it arrives.
            let arrives_us = inbound.next_arrival();
            inbound.keep_held();
            let (me, peer) = connection.machines(side);
            if let Some(arrives_us) = arrives_us.filter(|_| !links.blocked(me, peer)) {
                let at_us = now_us.max(arrives_us) + links.latency_us(me, peer);
                connection.fail(other(side), at_us, io::ErrorKind::ConnectionReset, timeline);
            }
        } else if !connection.pipes[side].ended && connection.ends[side].failure.is_none() {
            carry(connection, side, Payload::End, links, timeline, bites);
        }
        self.forget_if_over(id);
    }

    fn send(&mut self, id: u64, side: usize, bytes: Bytes) {
        let now_us = self.now_us();
        let Self { timeline, bites, links, connections, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        let (me, peer) = connection.machines(side);
        connection.ends[side].asked = true;
        if side == CLIENT {
            connection.record(&bytes);
        }
        if links.resets(me, peer) {
            bites.bit(FaultKind::Reset);
            let at_us = now_us + links.latency_us(me, peer);
            connection.fail(CLIENT, at_us, io::ErrorKind::ConnectionReset, timeline);
            connection.fail(SERVER, at_us, io::ErrorKind::ConnectionReset, timeline);
            return;
        }
        if connection.ends[other(side)].state == EndState::Echo {
            connection.answer_to_echo(now_us, timeline);
            return;
        }
        carry(connection, side, Payload::Bytes(bytes), links, timeline, bites);
        if side == SERVER {
            self.repeat_first_request(id);
        }
    }
}

/// Puts a payload on its way.
pub(super) fn carry(
    connection: &mut Connection,
    side: usize,
    payload: Payload,
    links: &mut Links,
    timeline: &Timeline,
    bites: &Bites,
) {
    let now_us = timeline.now_us();
    let (me, peer) = connection.machines(side);
    let held = Segment { payload, sent_us: now_us, departs_us: now_us, arrives_us: None };
    if connection.pipes[side].fate == Fate::Vanish {
        bites.bit(FaultKind::HalfOpen);
        connection.pipes[side].push(held);
        connection.arm_reader(side, timeline);
        return;
    }
    if connection.is_refused(side) && links.answered(me, peer) {
        let at_us = now_us + links.latency_us(me, peer) + links.latency_us(peer, me);
        connection.fail(side, at_us, io::ErrorKind::ConnectionReset, timeline);
        return;
    }
    let segment = match links.passage(me, peer, connection.id, now_us) {
        Passage::Passes { departs_us, arrives_us } => {
            Segment { departs_us, arrives_us: Some(arrives_us), ..held }
        }
        Passage::Held => held,
    };
    let is_held = segment.arrives_us.is_none();
    connection.pipes[side].push(segment);
    connection.arm_reader(other(side), timeline);
    if is_held {
        // Whoever waits here for an answer also waits for the moment of giving up.
        connection.arm_reader(side, timeline);
    }
}

impl Connection {
    /// Why nothing can be sent from this end, if so.
    fn cannot_send(&self, side: usize, now_us: u64) -> Option<io::Error> {
        let end = &self.ends[side];
        if end.state == EndState::Gone {
            return Some(gone());
        }
        let broken = || self.pipes[side].ended.then(|| io::Error::from(io::ErrorKind::BrokenPipe));
        end.failed(now_us).or_else(broken)
    }

    fn was_read(
        &mut self,
        side: usize,
        bytes: usize,
        now_us: u64,
        timeline: &Timeline,
        bites: &Bites,
    ) {
        if bytes == 0 {
            return;
        }
        self.ends[side].asked = false;
        if let Some(writer) = self.ends[other(side)].writer.take() {
            timeline.wake_at(now_us + WINDOW_UPDATE_US, &writer);
        }
        if side == SERVER && std::mem::take(&mut self.unseen_duplicate) {
            bites.bit(FaultKind::Duplicate);
        }
    }

    /// Nobody holds this end any more.
    pub(super) fn leave(&mut self, side: usize) {
        let end = &mut self.ends[side];
        end.state = EndState::Gone;
        end.reader = None;
        end.writer = None;
    }
}

impl Links {
    /// None: all there is; else the share of it to take, in 256ths.
    fn draw_part(&mut self, from: Machine, to: Machine) -> Option<u64> {
        let drawn = self.draw(from, to);
        drawn.is_multiple_of(PARTIAL_ONE_IN).then_some((drawn >> 32) & 0xff)
    }
}

fn part(share: Option<u64>, of: usize) -> usize {
    let Some(share) = share else { return of };
    let share = usize::try_from(share).unwrap_or(0);
    (of * share / 256).max(1).min(of)
}

fn gather(parts: &[IoSlice<'_>], mut most: usize) -> Bytes {
    if let Some(first) = parts.first().filter(|first| first.len() >= most) {
        return Bytes::copy_from_slice(&first[..most]);
    }
    let mut bytes = BytesMut::with_capacity(most);
    for part in parts {
        let taken = part.len().min(most);
        bytes.extend_from_slice(&part[..taken]);
        most -= taken;
    }
    bytes.freeze()
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "this end of the connection is closed")
}
