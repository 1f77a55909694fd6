//! What a consumer group knows of its deliveries, and what it does next. Pure: time and jitter come as
//! arguments, events are their positions. The runner delivers, tells how that ended, and stores
//! [`Group::take_changes`]; a group made anew from what was stored goes on where the commit was.
//!
//! ```text
//! taken in ──> lane of its key, in order ──> in flight ──> done
//!                    ^                         │ failed: all of the lane is kept as letters
//!                    └── due again ── waiting <┤
//!                    └── replayed ─── parked  <┘ too often, or for good
//! ```
//!
//! Events of one key are one lane. While its first event waits or is parked, those behind it are held:
//! the order of a key is a promise, and a consumer that has not seen an event must not see what came of
//! it. Lanes know nothing of each other, so one poison event holds up its own key and nobody else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::canary::planted;
use crate::saga::Policy;

use super::lane::{Lane, LaneState};

/// Bounds of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Deliveries under way at once.
    pub(super) in_flight_max: usize,
    /// Events taken in that are neither done up to the first that is not, nor letters.
    pub(super) window_max: usize,
    /// Letters kept. With more, what is wrong is not one event: then nothing more is taken in.
    pub(super) letters_max: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Group {
    policy: Policy,
    bounds: Bounds,
    /// Everything up to here was read from the log.
    read: u64,
    /// Taken in, not done, and not kept as letters.
    open: BTreeSet<u64>,
    /// Done or made a letter, behind the first that is open: not to be taken in again after a crash.
    done: BTreeSet<u64>,
    lanes: BTreeMap<Arc<str>, Lane>,
    /// Lanes whose first event may be delivered, the longest waiting first.
    ready: VecDeque<Arc<str>>,
    /// By when they are due.
    waiting: BTreeSet<(u64, Arc<str>)>,
    in_flight: BTreeMap<u64, Arc<str>>,
    letters: usize,
    changes: Touched,
}

/// What differs from what was stored.
#[derive(Debug, Default)]
struct Touched {
    any: bool,
    lanes: BTreeSet<Arc<str>>,
    kept: BTreeMap<u64, Arc<str>>,
    gone: BTreeSet<u64>,
}

/// An event to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) position: u64,
    /// 1 is the first.
    pub(super) number: u32,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    Done,
    /// It may succeed at another time.
    Failed {
        reason: String,
        retry_after_ms: Option<u64>,
    },
    /// It never will.
    Refused {
        reason: String,
    },
}

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Deliver again what is parked: of this key, or of all.
    Replay { key: Option<String> },
    /// Take the parked event at this position for done, so that those behind it go on.
    Skip { position: u64 },
}

/// A lane as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredLane {
    pub(super) attempts: u32,
    pub(super) reason: String,
    /// None: parked.
    pub(super) due_us: Option<u64>,
    pub(super) since_us: u64,
}

/// What a group is made of after a start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) place: u64,
    pub(super) done: BTreeSet<u64>,
    pub(super) lanes: BTreeMap<Arc<str>, StoredLane>,
    /// By position: the key.
    pub(super) letters: BTreeMap<u64, Arc<str>>,
}

/// What is to be stored, all of it together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Every event up to here is done or a letter.
    pub(super) place: u64,
    /// Done or made a letter behind it.
    pub(super) done: BTreeSet<u64>,
    /// Lanes with letters, each with the position of its first and how many there are; none: it has none
    /// any more.
    pub(super) lanes: BTreeMap<Arc<str>, Option<(StoredLane, u64, usize)>>,
    /// New letters.
    pub(super) kept: BTreeMap<u64, Arc<str>>,
    /// Letters that are no more.
    pub(super) gone: BTreeSet<u64>,
}

impl Group {
    /// The group that was stored.
    pub(super) fn of(stored: Stored, policy: Policy, bounds: Bounds) -> Self {
        let mut group = Self {
            policy,
            bounds,
            read: stored.place,
            open: BTreeSet::new(),
            done: stored.done,
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            letters: stored.letters.len(),
            changes: Touched::default(),
        };
        for (position, key) in stored.letters {
            group.lanes.entry(key).or_default().push_letter(position);
        }
        for (key, lane) in stored.lanes {
            if let Some(known) = group.lanes.get_mut(&key) {
                known.restore(lane);
            }
        }
        for (key, lane) in &group.lanes {
            match lane.state() {
                LaneState::Waiting { due_us } => _ = group.waiting.insert((due_us, key.clone())),
                LaneState::Ready => group.ready.push_back(key.clone()),
                LaneState::Parked | LaneState::InFlight => {}
            }
        }
        group
    }

    /// Every event up to here is done or kept as a letter.
    pub(super) fn place(&self) -> u64 {
        self.open.first().map_or(self.read, |first| first - 1)
    }

    /// Everything up to here was taken in.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Whether there is room for more events. What is done may be ahead of what was read again after a crash:
    /// when nothing is open, it is only to be passed.
    pub(super) fn has_room(&self) -> bool {
        let fits = self.open.len() + self.done.len() < self.bounds.window_max;
        (fits || self.open.is_empty()) && !self.is_full()
    }

    /// So much is kept that nothing more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.letters >= self.bounds.letters_max
    }

    /// Takes in the events behind what was read, up to `up_to`, with their keys.
    pub(super) fn take_in(
        &mut self,
        events: impl IntoIterator<Item = (u64, Arc<str>)>,
        up_to: u64,
    ) {
        for (position, key) in events {
            if position > self.read && !self.done.contains(&position) {
                self.enter(position, key);
            }
        }
        self.changes.any |= up_to > self.read;
        self.read = self.read.max(up_to);
        self.forget_done();
    }

    fn enter(&mut self, position: u64, key: Arc<str>) {
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.has_letters() {
            lane.push_letter(position);
            self.letters += 1;
            self.done.insert(position);
            self.changes.kept.insert(position, key.clone());
            self.changes.lanes.insert(key);
            return;
        }
        self.open.insert(position);
        if lane.push(position) {
            self.ready.push_back(key);
        }
    }

    /// The next delivery, which is under way from now on; none: there is none to make now.
    pub(super) fn next(&mut self, now_us: u64) -> Option<Attempt> {
        if self.in_flight.len() >= self.bounds.in_flight_max {
            return None;
        }
        while let Some((due_us, key)) = self.waiting.pop_first() {
            if due_us > now_us {
                self.waiting.insert((due_us, key));
                break;
            }
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.get_ready();
                self.ready.push_back(key);
            }
        }
        let key = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        let (position, number) = lane.begin()?;
        self.in_flight.insert(position, key);
        Some(Attempt { position, number })
    }

    /// When the next delivery is due, if one waits.
    pub(super) fn due_us(&self) -> Option<u64> {
        self.waiting.first().map(|(due_us, _)| *due_us)
    }

    /// Deliveries under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Letters kept.
    pub(super) fn letters(&self) -> usize {
        self.letters
    }

    /// Whether the event was taken in and is neither done nor a letter.
    pub(super) fn is_open(&self, position: u64) -> bool {
        self.open.contains(&position)
    }

    /// A delivery has ended; true: by that its event is parked.
    pub(super) fn settle(
        &mut self,
        position: u64,
        settled: Settled,
        now_us: u64,
        jitter: u64,
    ) -> bool {
        let Some(key) = self.in_flight.remove(&position) else { return false };
        self.changes.any = true;
        let parked = match settled {
            Settled::Done => {
                self.finish(position, &key);
                false
            }
            Settled::Failed { reason, retry_after_ms } => {
                let attempts = self.lanes.get(&key).map_or(0, Lane::attempts);
                let so_far = attempts + u32::from(planted("delivery-parked-one-attempt-early"));
                let last = so_far >= self.policy.attempts;
                let pause_ms = match planted("delivery-retried-without-pause") {
                    true => 0,
                    false => self.policy.backoff_ms(attempts + 1, jitter, retry_after_ms),
                };
                let due_us = now_us.saturating_add(pause_ms.saturating_mul(1_000));
                self.put_aside(&key, reason, (!last).then_some(due_us), now_us);
                last
            }
            Settled::Refused { reason } => {
                self.put_aside(&key, reason, None, now_us);
                true
            }
        };
        self.forget_done();
        parked
    }

    /// The first event of the lane is behind it.
    fn finish(&mut self, position: u64, key: &Arc<str>) {
        if self.open.remove(&position) {
            self.done.insert(position);
        } else {
            self.letters -= 1;
            self.changes.lanes.insert(key.clone());
            if self.changes.kept.remove(&position).is_none() {
                self.changes.gone.insert(position);
            }
        }
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.advance() {
            self.ready.push_back(key.clone());
        } else {
            self.lanes.remove(key);
        }
    }

    /// The lane waits until `due_us`, or is parked. All of it is kept.
    fn put_aside(&mut self, key: &Arc<str>, reason: String, due_us: Option<u64>, now_us: u64) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        for position in lane.put_aside(reason, due_us, now_us) {
            self.open.remove(&position);
            self.done.insert(position);
            self.letters += 1;
            self.changes.kept.insert(position, key.clone());
        }
        self.changes.lanes.insert(key.clone());
        if let Some(due_us) = due_us {
            self.waiting.insert((due_us, key.clone()));
        }
    }

    /// Does what an operator asks for; false: nothing that is parked was meant.
    pub(super) fn request(&mut self, request: &Request) -> bool {
        self.changes.any = true;
        match request {
            Request::Replay { key: Some(key) } => self.replay(&Arc::from(key.as_str())),
            Request::Replay { key: None } => {
                let parked = self.lanes.iter().filter(|(_, lane)| lane.is_parked());
                let keys: Vec<Arc<str>> = parked.map(|(key, _)| key.clone()).collect();
                keys.iter().for_each(|key| _ = self.replay(key));
                !keys.is_empty()
            }
            Request::Skip { position } => self.skip(*position),
        }
    }

    fn replay(&mut self, key: &Arc<str>) -> bool {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.is_parked()) else {
            return false;
        };
        lane.start_over();
        self.changes.lanes.insert(key.clone());
        self.ready.push_back(key.clone());
        true
    }

    fn skip(&mut self, position: u64) -> bool {
        let first = |lane: &Lane| lane.is_parked() && lane.first() == Some(position);
        let meant = self.lanes.iter().find(|(_, lane)| first(lane));
        let Some(key) = meant.map(|(key, _)| key.clone()) else { return false };
        self.finish(position, &key);
        true
    }

    /// What is done is remembered only behind the place.
    fn forget_done(&mut self) {
        self.done = self.done.split_off(&(self.place() + 1));
    }

    /// Whether there is anything to store.
    pub(super) fn has_changed(&self) -> bool {
        self.changes.any
    }

    /// What differs from what was stored before. Whoever fails to store it makes the group anew.
    pub(super) fn take_changes(&mut self) -> Changes {
        let touched = std::mem::take(&mut self.changes);
        let lane = |key: Arc<str>| {
            let lane = self.lanes.get(&key).and_then(Lane::stored);
            (key, lane)
        };
        let lanes = touched.lanes.into_iter().map(lane).collect();
        let (kept, gone) = (touched.kept, touched.gone);
        Changes { place: self.place(), done: self.done.clone(), lanes, kept, gone }
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
