//! The events of one key in their order, and how it stands with the first of them. Pure; asked by
//! [`super::group`] alone.

use std::collections::VecDeque;

use super::group::StoredLane;

/// How it stands with the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LaneState {
    /// It may be delivered.
    #[default]
    Ready,
    /// It is being delivered.
    InFlight,
    /// It failed and is delivered again then.
    Waiting { due_us: u64 },
    /// It is not delivered again until an operator says so.
    Parked,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lane {
    queue: VecDeque<u64>,
    /// So many from the front are kept as letters: none, or all.
    letters: usize,
    /// At the first event, with the one under way.
    attempts: u32,
    state: LaneState,
    /// Of the last failure.
    reason: String,
    /// When the lane was put aside.
    since_us: u64,
}

impl Lane {
    pub(super) fn state(&self) -> LaneState {
        self.state
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn is_parked(&self) -> bool {
        self.state == LaneState::Parked
    }

    pub(super) fn has_letters(&self) -> bool {
        self.letters > 0
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.queue.front().copied()
    }

    /// Adds an event; true: it is the first and may be delivered.
    pub(super) fn push(&mut self, position: u64) -> bool {
        self.queue.push_back(position);
        self.queue.len() == 1
    }

    /// Adds an event that is kept as a letter.
    pub(super) fn push_letter(&mut self, position: u64) {
        self.queue.push_back(position);
        self.letters += 1;
    }

    /// As it was stored: what was under way then is delivered again.
    pub(super) fn restore(&mut self, stored: StoredLane) {
        self.attempts = stored.attempts;
        self.reason = stored.reason;
        self.since_us = stored.since_us;
        self.state = match stored.due_us {
            Some(due_us) => LaneState::Waiting { due_us },
            None => LaneState::Parked,
        };
    }

    /// The first event is due.
    pub(super) fn get_ready(&mut self) {
        self.state = LaneState::Ready;
    }

    /// The first event is delivered from its first attempt on.
    pub(super) fn start_over(&mut self) {
        self.attempts = 0;
        self.state = LaneState::Ready;
    }

    /// A delivery of the first event begins: its position and the attempt's number.
    pub(super) fn begin(&mut self) -> Option<(u64, u32)> {
        let first = self.first()?;
        self.attempts = self.attempts.saturating_add(1);
        self.state = LaneState::InFlight;
        Some((first, self.attempts))
    }

    /// The first event is behind it; false: it was the last.
    pub(super) fn advance(&mut self) -> bool {
        self.queue.pop_front();
        self.letters = self.letters.saturating_sub(1);
        self.attempts = 0;
        self.reason.clear();
        self.state = LaneState::Ready;
        !self.queue.is_empty()
    }

    /// Waits or is parked. Returns the events that become letters by that.
    pub(super) fn put_aside(
        &mut self,
        reason: String,
        due_us: Option<u64>,
        now_us: u64,
    ) -> Vec<u64> {
        self.state = due_us.map_or(LaneState::Parked, |due_us| LaneState::Waiting { due_us });
        if self.reason.is_empty() || due_us.is_none() || self.attempts <= 1 {
            self.since_us = now_us;
        }
        self.reason = reason;
        let new = self.queue.iter().skip(self.letters).copied().collect();
        self.letters = self.queue.len();
        new
    }

    /// What is stored of it, the position of its first event, and how many there are; none: nothing is.
    pub(super) fn stored(&self) -> Option<(StoredLane, u64, usize)> {
        let first = self.first().filter(|_| self.has_letters())?;
        let due_us = match self.state {
            LaneState::Parked => None,
            LaneState::Waiting { due_us } => Some(due_us),
            LaneState::Ready | LaneState::InFlight => Some(0),
        };
        let (attempts, reason) = match self.state {
            // An attempt that nobody saw the end of is made again under its number.
            LaneState::InFlight => (self.attempts.saturating_sub(1), self.reason.clone()),
            LaneState::Ready | LaneState::Waiting { .. } | LaneState::Parked => {
                (self.attempts, self.reason.clone())
            }
        };
        let stored = StoredLane { attempts, reason, due_us, since_us: self.since_us };
        Some((stored, first, self.letters))
    }
}
