//! One direction of a connection: what was sent and has not been read, in order, with the moments at
//! which it leaves its sender's side and arrives. Plain state; used by [`super::fabric`].

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

/// Bytes that may be under way and unread: the send and receive buffers of both kernels together.
pub(super) const WINDOW_BYTES: usize = 64 * 1024;

/// What travels.
#[derive(Debug)]
pub(super) enum Payload {
    /// Some bytes.
    Bytes(Bytes),
    /// The sender sends no more.
    End,
}

/// One piece on its way.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) payload: Payload,
    /// When its sender first sent it.
    pub(super) sent_us: u64,
    /// When it gets past whatever held it up at its sender's side.
    pub(super) departs_us: u64,
    /// When it can be read. None: nothing passes, and it is sent again until something does.
    pub(super) arrives_us: Option<u64>,
}

/// What becomes of segments that a link lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// They arrive.
    Arrive,
    /// They vanish, and nobody is told: half of the connection is gone.
    Vanish,
    /// They meet somebody who does not know the connection, and says so.
    Refused,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    segments: VecDeque<Segment>,
    bytes: usize,
    /// The sender has said that it sends no more.
    pub(super) ended: bool,
    pub(super) fate: Fate,
    /// The timer that is already set for the reader.
    armed: Option<(u64, Waker)>,
}

impl Pipe {
    pub(super) fn new() -> Self {
        let segments = VecDeque::new();
        Self { segments, bytes: 0, ended: false, fate: Fate::Arrive, armed: None }
    }

    /// How many bytes more it takes.
    pub(super) fn room(&self) -> usize {
        WINDOW_BYTES.saturating_sub(self.bytes)
    }

    /// Behind everything sent before: nothing is overtaken in a connection.
    pub(super) fn push(&mut self, mut segment: Segment) {
        if let Some(before) = self.segments.back() {
            let later = |at: u64| before.arrives_us.map(|earlier| earlier.max(at));
            segment.arrives_us = segment.arrives_us.and_then(later);
        }
        match &segment.payload {
            Payload::Bytes(bytes) => self.bytes += bytes.len(),
            Payload::End => self.ended = true,
        }
        self.segments.push_back(segment);
    }

    /// When the next piece can be read; none: nothing is there, or it is held up.
    pub(super) fn next_arrival(&self) -> Option<u64> {
        self.segments.front()?.arrives_us
    }

    /// Moves what has arrived into `buffer`, at most `most` bytes, and returns how many. 0, with room for
    /// more: the end has arrived, or nothing has.
    pub(super) fn read(&mut self, now_us: u64, most: usize, buffer: &mut ReadBuf<'_>) -> usize {
        let mut read = 0;
        while let Some(front) = self.segments.front_mut() {
            let Payload::Bytes(bytes) = &mut front.payload else { break };
            if front.arrives_us.is_none_or(|arrives| arrives > now_us) {
                break;
            }
            let part = bytes.len().min(most - read).min(buffer.remaining());
            buffer.put_slice(&bytes[..part]);
            bytes.advance(part);
            read += part;
            if !bytes.is_empty() {
                break;
            }
            self.segments.pop_front();
        }
        self.bytes -= read;
        read
    }

    /// Whether bytes are here that nobody has read, arrived or not.
    pub(super) fn has_unread(&self) -> bool {
        self.bytes > 0
    }

    /// Whether bytes have arrived that nobody has read.
    pub(super) fn has_arrived(&self, now_us: u64) -> bool {
        self.bytes > 0 && self.next_arrival().is_some_and(|arrives| arrives <= now_us)
    }

    /// When the oldest piece that is held up was sent.
    pub(super) fn held_since(&self) -> Option<u64> {
        // Nothing is overtaken, so what is held up stands at the end.
        let first = self.segments.partition_point(|segment| segment.arrives_us.is_some());
        self.segments.get(first).map(|segment| segment.sent_us)
    }

    /// Holds up what has not got past the sender's side. Returns whether anything newly is.
    pub(super) fn hold(&mut self, now_us: u64) -> bool {
        let mut newly = false;
        let mut behind = false;
        for segment in &mut self.segments {
            behind |= segment.departs_us > now_us;
            if behind {
                newly |= segment.arrives_us.take().is_some();
            }
        }
        newly
    }

    /// Holds up everything that has not arrived, and forgets what has: the receiver is gone.
    pub(super) fn lose_receiver(&mut self, now_us: u64) {
        self.retain(|segment| segment.arrives_us.is_none_or(|arrives| arrives > now_us));
        self.segments.iter_mut().for_each(|segment| segment.arrives_us = None);
    }

    /// Forgets what has not got past the sender's side, and what came behind it: the sender is gone, and
    /// nobody is given what follows a gap.
    pub(super) fn lose_sender(&mut self, now_us: u64) {
        let mut whole = true;
        self.retain(|segment| {
            whole &= segment.arrives_us.is_some() && segment.departs_us <= now_us;
            whole
        });
        self.ended = true;
    }

    /// Forgets everything but what is held up.
    pub(super) fn keep_held(&mut self) {
        self.retain(|segment| segment.arrives_us.is_none());
    }

    /// Forgets what is held up: its sender has been told that it is in vain.
    pub(super) fn keep_arriving(&mut self) {
        self.retain(|segment| segment.arrives_us.is_some());
    }

    /// Forgets what would arrive after this.
    pub(super) fn cut(&mut self, at_us: u64) {
        self.retain(|segment| segment.arrives_us.is_some_and(|arrives| arrives <= at_us));
    }

    /// Everything passes again: what was held up leaves with its next repetition and takes `latency` from
    /// there.
    pub(super) fn release(&mut self, now_us: u64, mut latency_us: impl FnMut() -> u64) {
        let mut before = now_us;
        for segment in &mut self.segments {
            let arrives = segment.arrives_us.unwrap_or_else(|| {
                segment.departs_us = super::retransmit::next_us(segment.sent_us, now_us);
                segment.departs_us + latency_us()
            });
            before = before.max(arrives);
            segment.arrives_us = Some(before);
        }
    }

    /// Whether a timer has to be set for this reader and moment; notes that it is.
    pub(super) fn arm(&mut self, at_us: u64, waker: &Waker) -> bool {
        let armed = self.armed.as_ref();
        if armed.is_some_and(|(at, known)| *at == at_us && known.will_wake(waker)) {
            return false;
        }
        self.armed = Some((at_us, waker.clone()));
        true
    }

    fn retain(&mut self, keep: impl FnMut(&Segment) -> bool) {
        self.segments.retain(keep);
        let len = |segment: &Segment| match &segment.payload {
            Payload::Bytes(bytes) => bytes.len(),
            Payload::End => 0,
        };
        self.bytes = self.segments.iter().map(len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(bytes: &'static [u8], at_us: u64, arrives_us: Option<u64>) -> Segment {
        let payload = Payload::Bytes(Bytes::from_static(bytes));
        Segment { payload, sent_us: at_us, departs_us: at_us, arrives_us }
    }

    fn read(pipe: &mut Pipe, now_us: u64) -> Vec<u8> {
        let mut space = [0; 16];
        let mut buffer = ReadBuf::new(&mut space);
        pipe.read(now_us, 16, &mut buffer);
        buffer.filled().to_vec()
    }

    /// What was held up is sent again later than what was first sent once everything passed.
    fn repeated_late() -> Pipe {
        let mut pipe = Pipe::new();
        pipe.push(sent(b"a", 1_000, Some(1_200)));
        pipe.push(sent(b"b", 2_000, None));
        pipe.release(1_000_000, || 200);
        pipe.push(sent(b"c", 1_000_000, Some(1_000_200)));
        pipe
    }

    #[test]
    fn nothing_is_overtaken() {
        let mut pipe = repeated_late();
        assert_eq!(read(&mut pipe, 1_100_000), b"a");
        assert_eq!(pipe.next_arrival(), Some(1_402_200));
        assert_eq!(read(&mut pipe, 1_402_200), b"bc");
    }

    #[test]
    fn nobody_is_given_what_follows_a_gap_that_a_lost_sender_leaves() {
        let mut pipe = repeated_late();
        pipe.lose_sender(1_100_000);
        assert_eq!(read(&mut pipe, 9_000_000), b"a");
        assert!(!pipe.has_unread());
    }
}
