//! Whether a healed world comes to rest: every saga at its end or parked with a reason, everything
//! published, every view and every reader at the head of the log, every shard with an owner, nothing that
//! a consumer group has yet to deliver, and every node that was told to end back again.

use std::collections::BTreeMap;

use bytes::Bytes;
use sagaline::engine::live_generation;
use sagaline_storage::views::{ViewQuery, ViewStore};
use sagaline_storage::{
    AllQuery, Backend, Direction, EventStore, Filter, GlobalPosition, RecordedEvent, StorageError,
    StreamId, StreamVersion,
};
use serde_json::Value;

use crate::evidence::{Power, PowerChange, ShardChange};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::services::{SimBackend, Witness, read_models};
use crate::workload::readers::Readers;
use crate::workload::subscribers::Subscribers;
use crate::world::World;
use crate::{statement, trip};

use super::parked;

/// How long it may take. A healed world owes nobody more than a lease, the longest pause between two
/// attempts (10 s), the longest time a bank asks to wait (8 s) and the backlog at ten retries a second.
const BOUND_US: u64 = 150_000_000;
const LOOK_US: u64 = 250_000;
/// At so many looks in a row it must be at rest: nothing that is due wakes up again.
const LOOKS_AT_REST: u32 = 4;
/// Of a saga that is asked whether it is parked: more do not end behind that.
const LAST_EVENTS: usize = 64;
/// Sagas that are named when they do not end.
const NAMED_MAX: usize = 20;

/// The checkpoint of the relay to the bus.
const OUTBOX: &str = "outbox";
/// Claims of sagas that somebody must be working on, and of those that a person looks at.
const LIVE_SAGAS: &str = "saga-live";
const PARKED_SAGAS: &str = "saga-parked";
/// Claims of a page.
const CLAIMS: usize = 100;
/// In which index a consumer group finds the keys whose events it keeps, and under which words.
const LANES: &str = "lanes";
const PARKED_LANES: &str = "parked";
const WAITING_LANES: &str = "waiting";
/// No more of them are looked at.
const LANES_MAX: usize = 100;
/// What is due again so shortly before the bound may not be done by then: it is not waited for.
const LANES_US: u64 = 60_000_000;

/// Looks until it is at rest.
pub(super) struct Liveness<'a> {
    pub(super) world: &'a World,
    pub(super) witness: &'a Witness,
    pub(super) plan: &'a Plan,
    pub(super) ports: &'a SimBackend,
    pub(super) subscribers: &'a Subscribers,
    pub(super) readers: &'a Readers,
    /// Read models beside the reference application's own, by name and version.
    pub(super) read_models: &'a [(&'static str, u32)],
    /// Machines that are not back yet: they own nothing, whatever they believe.
    pub(super) away: &'a [Machine],
}

impl Liveness<'_> {
    /// Waits until nothing is left to do, or the bound has passed; then it says what.
    pub(super) async fn wait(&self) -> Vec<String> {
        let until_us = self.world.now_us() + BOUND_US;
        let mut at_rest = 0;
        loop {
            let undone = self.undone(until_us).await;
            at_rest = if undone.is_empty() { at_rest + 1 } else { 0 };
            if at_rest >= LOOKS_AT_REST || self.world.now_us() >= until_us {
                return undone;
            }
            self.world.timeline().after(LOOK_US).await;
        }
    }

    async fn undone(&self, until_us: u64) -> Vec<String> {
        match self.look(until_us).await {
            Ok(undone) => undone,
            Err(error) => vec![format!("the healed store does not answer: {error}")],
        }
    }

    async fn look(&self, until_us: u64) -> Result<Vec<String>, StorageError> {
        let (events, views) = (self.ports.events(), self.ports.views());
        let mut undone = Vec::new();
        undone.extend(self.unended().await?);
        let head = events.head().await?;
        let mut followers = vec![OUTBOX.into()];
        for (name, version) in read_models().iter().chain(self.read_models) {
            let live = live_generation(views, name, *version).await?;
            if !live.is_alone {
                undone.push(format!("a rebuild of {name} has not ended"));
            }
            followers.push(live.subscription);
        }
        for name in followers {
            let at = views.checkpoint(&name).await?.unwrap_or_default();
            if at < head {
                undone.push(format!("{name} is at {at} and the log at {head}"));
            }
        }
        if self.has_consumers() {
            undone.extend(self.of_consumers().await?);
            undone.extend(self.waiting(until_us).await?);
        }
        match self.subscribers.slowest() {
            Some(at) if at < head.0 => {
                undone.push(format!("a subscriber is at {at} and the log at {head}"));
            }
            Some(_) | None => {}
        }
        if self.plan.knobs.subscriptions {
            undone.extend(self.readers.behind(self.world, head.0, self.away));
        }
        undone.extend(self.disowned());
        undone.extend(self.stopping());
        Ok(undone)
    }

    /// How many sagas have not ended, whoever works on them.
    pub(super) async fn unended_sagas(&self) -> Result<usize, StorageError> {
        let mut count = 0;
        for kind in [LIVE_SAGAS, PARKED_SAGAS] {
            let mut after = None::<String>;
            loop {
                let page = self.ports.events().claims(kind, after.as_deref(), CLAIMS).await?;
                count += page.len();
                match page.last() {
                    Some(last) if page.len() == CLAIMS => after = Some(last.claim.key.to_string()),
                    Some(_) | None => break,
                }
            }
        }
        Ok(count)
    }

    /// Sagas that somebody must be working on, and who have not come to rest for all that.
    async fn unended(&self) -> Result<Vec<String>, StorageError> {
        let (mut unended, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.ports.events().claims(LIVE_SAGAS, after.as_deref(), NAMED_MAX).await?;
            for claim in &page {
                if !self.waits_for_a_person(&claim.owner).await? {
                    unended.push(format!("{} is neither at its end nor parked", claim.owner));
                }
            }
            match page.last() {
                Some(last) if page.len() == NAMED_MAX && unended.len() < NAMED_MAX => {
                    after = Some(last.claim.key.to_string());
                }
                Some(_) | None => return Ok(unended),
            }
        }
    }

    async fn waits_for_a_person(&self, saga: &StreamId) -> Result<bool, StorageError> {
        let read =
            |from, direction, count| self.ports.events().read_stream(saga, from, direction, count);
        let first = read(StreamVersion(1), Direction::Forward, 1).await?;
        let last = read(StreamVersion(u64::MAX), Direction::Backward, LAST_EVENTS).await?;
        let last: Vec<_> = last.iter().map(parked::Said::of).collect();
        let now = self.world.clock(Machine::Store).true_now();
        let sagas = &self.plan.sagas;
        let waits =
            |first: &RecordedEvent| parked::waits_for_a_person(&first.payload, &last, sagas, now);
        Ok(first.first().is_some_and(waits))
    }

    /// Whether the plan has the consumer group.
    fn has_consumers(&self) -> bool {
        self.plan.sagas.iter().any(|saga| saga.name == trip::TRIP)
    }

    /// An event that the consumer group has not taken in, and what an operator asked that it has not heard.
    async fn of_consumers(&self) -> Result<Vec<String>, StorageError> {
        let (events, views) = (self.ports.events(), self.ports.views());
        let group = views.get(&statement::records(), b"group").await?;
        let group = group.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let stored = |field: &str| group.as_ref().and_then(|group| group[field].as_u64());
        let (place, heard) = (stored("place").unwrap_or(0), stored("heard").unwrap_or(0));
        let categories = statement::CATEGORIES.iter().map(|&category| category.into()).collect();
        let filter = Filter { categories, ..Filter::ALL };
        let query = AllQuery { filter, ..AllQuery::after(GlobalPosition(place), 1) };
        let next = events.read_all(query).await?.events.into_iter().next();
        let mut undone: Vec<_> = next
            .map(|event| {
                format!("{} is at {place} and has to take in {}", statement::GROUP, event.position)
            })
            .into_iter()
            .collect();
        let requests = StreamId::new(format!("consumer-{}", statement::GROUP))?;
        let last = StreamVersion(u64::MAX);
        let last = events.read_stream(&requests, last, Direction::Backward, 1).await?;
        let asked = last.first().map_or(0, |last| last.version.0);
        if heard < asked {
            undone.push(format!("{} has heard {heard} of {asked} requests", statement::GROUP));
        }
        Ok(undone)
    }

    /// Keys of which the consumer group has yet to deliver an event again. A clock that was ahead may have set
    /// a time long after the run: that is not waited for.
    async fn waiting(&self, until_us: u64) -> Result<Vec<String>, StorageError> {
        let left_us = until_us.saturating_sub(self.world.now_us()).saturating_sub(LANES_US);
        let last_us = self.world.clock(Machine::Store).true_now().0 + left_us;
        let waiting = self.lanes(WAITING_LANES).await?.into_iter();
        let due = waiting.filter(|(_, lane)| lane["dueUs"].as_u64().is_none_or(|at| at <= last_us));
        Ok(due.map(|(key, _)| format!("{} has to deliver {key} again", statement::GROUP)).collect())
    }

    /// What the consumer group has parked: for each key the position of its first event.
    pub(super) async fn parked(&self) -> Result<BTreeMap<String, u64>, StorageError> {
        if !self.has_consumers() {
            return Ok(BTreeMap::new());
        }
        let parked = self.lanes(PARKED_LANES).await?.into_iter();
        Ok(parked.map(|(key, lane)| (key, lane["position"].as_u64().unwrap_or(0))).collect())
    }

    /// The keys whose events the consumer group keeps, and what it has written of them. Where it does not keep
    /// the first of these events nothing will ever come of them: that is lost, and the oracle sees it.
    async fn lanes(&self, how: &'static str) -> Result<Vec<(String, Value)>, StorageError> {
        let (views, records) = (self.ports.views(), statement::records());
        let query = ViewQuery {
            view: records.as_str().into(),
            index: LANES.into(),
            partition: Bytes::from_static(how.as_bytes()),
            direction: Direction::Forward,
            after: None,
            list: None,
            skip: 0,
            limit: LANES_MAX,
        };
        let mut lanes = Vec::new();
        for (key, lane) in views.query(query).await?.documents {
            let lane = serde_json::from_slice::<Value>(&lane).unwrap_or_default();
            let letter = format!("letter/{:020}", lane["position"].as_u64().unwrap_or(0));
            if views.get(&records, letter.as_bytes()).await?.is_some() {
                lanes.push((String::from_utf8_lossy(&key).into_owned(), lane));
            }
        }
        Ok(lanes)
    }

    /// Shards that nobody works on, or of which more than one node believes that they are its own, or whose
    /// owner has not heard that another node took them in between: what it appends is refused.
    fn disowned(&self) -> impl Iterator<Item = String> {
        let owners = self.owners();
        (0..self.plan.knobs.shards).filter_map(move |shard| {
            let (newest, owners) = owners.get(&shard).map_or((0, &[][..]), |(n, o)| (*n, &o[..]));
            match owners {
                [one] if one.epoch >= newest => None,
                [one] => {
                    let (node, epoch) = (one.node, one.epoch);
                    Some(format!("shard {shard} of {node} has epoch {epoch} and not {newest}"))
                }
                owners => Some(format!("shard {shard} has not one owner but {owners:?}")),
            }
        })
    }

    /// Nodes that were told to end, and either have not or are not back.
    fn stopping(&self) -> impl Iterator<Item = String> {
        let (away, stopping) = (self.away, self.world.stopping().into_iter());
        let awaited = stopping.filter(move |node| !away.contains(node));
        awaited.map(|node| format!("{node} was told to end and is not back"))
    }

    /// The newest epoch of each shard, and the nodes that believe to have it: who took it, did not leave it,
    /// and was not switched off.
    fn owners(&self) -> BTreeMap<u32, (u64, Vec<ShardChange>)> {
        let mut newest: BTreeMap<(u32, Machine), ShardChange> = BTreeMap::new();
        self.witness.look(|seen| {
            for change in &seen.shards {
                let known = newest.entry((change.shard, change.node)).or_insert(*change);
                if change.epoch >= known.epoch {
                    *known = *change;
                }
            }
        });
        let power = self.world.power_changes();
        let failed = |owner: &ShardChange| {
            let of_owner = |it: &&PowerChange| it.machine == owner.node && it.at_us >= owner.at_us;
            let ends = |what: Power| matches!(what, Power::Crashed | Power::Stopped);
            power.iter().filter(of_owner).any(|it| ends(it.what))
        };
        let is_there = |node: &Machine| !self.away.contains(node);
        let mut owners: BTreeMap<u32, (u64, Vec<ShardChange>)> = BTreeMap::new();
        for ((shard, node), change) in newest {
            let (newest, owners) = owners.entry(shard).or_default();
            *newest = change.epoch.max(*newest);
            if change.taken && is_there(&node) && !failed(&change) {
                owners.push(change);
            }
        }
        owners
    }
}
