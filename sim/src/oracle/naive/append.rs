//! Appends as their callers saw them: every call under one append id is one append.

use crate::evidence::{AppendResult, Expected, LogEntry, StoreCall, StoreWhat, Write};
use crate::machine::Machine;
use crate::oracle::case::Lookup;

/// A claim taken or released: kind, key, owner.
pub type Claim = (String, String, String);

/// An append, however often it was asked for.
#[derive(Debug)]
pub struct Append<'a> {
    /// Its id.
    pub id: &'a str,
    /// Who asked first.
    pub by: Machine,
    /// The shard and epoch it was made under.
    pub fence: Option<(u32, u64)>,
    /// What it was to write.
    pub writes: &'a [Write],
    /// Claims taken.
    pub takes: &'a [Claim],
    /// Claims released.
    pub releases: &'a [Claim],
    /// Its events as the log has them, in order; none: the event is not there.
    pub entries: Vec<Option<&'a LogEntry>>,
    /// When it was sent first.
    pub sent_at_us: u64,
    /// When somebody first knew that it was made; none: nobody ever did.
    pub acknowledged_at_us: Option<u64>,
    /// The position of its last event and its streams' versions, as acknowledged.
    pub acknowledged: Option<(u64, &'a [u64])>,
    /// When it was first refused, and why; none when it was never refused.
    pub refused: Option<(u64, &'a str)>,
    /// Whether one of its calls had no answer.
    pub is_unknown: bool,
    /// Whether somebody knew that its id was used up, so that it cannot be made any more.
    pub is_used_up: bool,
    /// What two of its calls contradict each other in.
    pub contradiction: Option<&'static str>,
}

impl<'a> Append<'a> {
    /// All appends, by their first call.
    pub fn all(calls: &'a [StoreCall]) -> Vec<Self> {
        let mut places: Lookup<&str, usize> = Lookup::default();
        let mut appends: Vec<Self> = Vec::new();
        for call in calls {
            let StoreWhat::Append { append_id, result, .. } = &call.what else { continue };
            let place = *places.entry(append_id).or_insert_with(|| {
                appends.extend(Self::new(call));
                appends.len() - 1
            });
            appends[place].hear(call, result);
        }
        appends
    }

    fn new(call: &'a StoreCall) -> Option<Self> {
        let StoreWhat::Append { append_id, fence, writes, takes, releases, .. } = &call.what else {
            return None;
        };
        Some(Self {
            id: append_id,
            by: call.by,
            fence: *fence,
            writes,
            takes,
            releases,
            entries: Vec::new(),
            sent_at_us: call.sent_at_us,
            acknowledged_at_us: None,
            acknowledged: None,
            refused: None,
            is_unknown: false,
            is_used_up: false,
            contradiction: None,
        })
    }

    fn hear(&mut self, call: &'a StoreCall, result: &'a AppendResult) {
        self.sent_at_us = self.sent_at_us.min(call.sent_at_us);
        match result {
            AppendResult::Appended { .. } if self.uses_up(call) => self.is_used_up = true,
            AppendResult::Appended { position, versions } => {
                let said = (*position, versions.as_slice());
                if self.acknowledged.is_some_and(|before| before != said) {
                    self.contradiction = Some("one append id was answered with two results");
                }
                let earliest = self.acknowledged_at_us.unwrap_or(u64::MAX).min(call.ended_at_us);
                self.acknowledged_at_us = Some(earliest);
                self.acknowledged = Some(said);
                self.check_content(call);
            }
            // Its id was used for something else: that is no word about this append.
            AppendResult::Refused { .. } if !self.is_content_of(call) => {}
            AppendResult::Refused { why, .. } => {
                if why == "append-id-reused" {
                    self.contradiction = Some("an append was refused as if it were another one");
                }
                if self.refused.is_none_or(|(at, _)| call.ended_at_us < at) {
                    self.refused = Some((call.ended_at_us, why));
                }
            }
            AppendResult::Unknown => self.is_unknown = true,
        }
    }

    fn check_content(&mut self, call: &'a StoreCall) {
        if !self.is_content_of(call) {
            self.contradiction = Some("one append id was acknowledged for two contents");
        }
    }

    /// Whether this call does no more than to use up its id.
    fn uses_up(&self, call: &StoreCall) -> bool {
        let StoreWhat::Append { writes, takes, releases, .. } = &call.what else { return false };
        let is_nothing = takes.is_empty()
            && releases.is_empty()
            && writes.iter().all(|it| it.events.is_empty() && it.expected == Expected::Any);
        is_nothing && !self.is_content_of(call)
    }

    /// Whether this call asked for the same.
    pub fn is_content_of(&self, call: &StoreCall) -> bool {
        let StoreWhat::Append { writes, takes, releases, .. } = &call.what else { return false };
        (writes.as_slice(), takes.as_slice(), releases.as_slice())
            == (self.writes, self.takes, self.releases)
    }

    /// Whether every answer to it was a final no.
    pub fn is_refused(&self) -> bool {
        self.refused.is_some() && !self.is_unknown && self.acknowledged.is_none()
    }

    /// Its events' ids, in order.
    pub fn events(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.writes.iter().flat_map(|write| write.events.iter().map(String::as_str))
    }

    /// Each write with its events as the log has them.
    pub fn written(&self) -> impl Iterator<Item = (&'a Write, &[Option<&'a LogEntry>])> {
        let mut rest = self.entries.as_slice();
        self.writes.iter().map(move |write| {
            let (mine, others) = rest.split_at(write.events.len().min(rest.len()));
            rest = others;
            (write, mine)
        })
    }

    /// Where in the log it took effect: the position of its last event, or what was acknowledged when it
    /// has none. None: it did not, as far as anybody knows.
    pub fn position(&self) -> Option<u64> {
        match self.entries.last() {
            Some(last) => last.map(|entry| entry.position),
            None => self.acknowledged.map(|(position, _)| position),
        }
    }
}
