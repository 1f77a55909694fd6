//! The naive model: a list of events and some maps, every rule written out once more.

use std::collections::{BTreeMap, HashMap, HashSet};

use sagaline_storage::clock::Timestamp;
use sagaline_storage::event::{AppendId, EventId, NewEvent};
use sagaline_storage::event_store::ExpectedVersion;
use sagaline_storage::event_store::{
    AppendError, AppendRequest, Appended, Claim, ClaimChange, ClaimHolder, Direction, Epoch,
    Filter, Shard, StreamWrite,
};
use sagaline_storage::stream::{GlobalPosition, StreamId, StreamVersion};

#[derive(Debug, Default)]
pub(crate) struct Model {
    events: Vec<(StreamId, NewEvent)>,
    claims: Claims,
    pub(crate) epochs: HashMap<Shard, Epoch>,
    made: HashMap<AppendId, (Content, Appended)>,
}

/// What makes an append the same append.
type Content = (Vec<StreamWrite>, Vec<ClaimChange>);

impl Model {
    pub(crate) fn append(
        &mut self,
        request: &AppendRequest,
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        contradicts_itself(request)?;
        let content = (request.writes.clone(), request.claims.clone());
        if let Some((made, appended)) = self.made.get(&request.append_id) {
            if *made == content {
                return Ok(appended.clone());
            }
            return Err(AppendError::AppendIdReused { append_id: request.append_id });
        }
        self.check_fence(request)?;
        for write in &request.writes {
            let actual = self.version(&write.stream);
            let as_expected = match write.expected {
                ExpectedVersion::Any => true,
                ExpectedVersion::NoStream => actual.0 == 0,
                ExpectedVersion::StreamExists => actual.0 > 0,
                ExpectedVersion::Exact(version) => actual == version,
            };
            if !as_expected {
                let (stream, expected) = (write.stream.clone(), write.expected);
                return Err(AppendError::WrongExpectedVersion { stream, expected, actual });
            }
        }
        let mut later = self.claims.clone();
        for change in &request.claims {
            check_claim(&later, change, now)?;
            apply_claim(&mut later, change, now);
        }
        let appended = self.apply(request, now);
        self.made.insert(request.append_id, (content, appended.clone()));
        Ok(appended)
    }

    pub(crate) fn raise(&mut self, shards: &[Shard]) -> Vec<Epoch> {
        let mut raise = |shard: &Shard| {
            let epoch = self.epochs.entry(*shard).or_default();
            epoch.0 += 1;
            *epoch
        };
        shards.iter().map(&mut raise).collect()
    }

    pub(crate) fn claims(&self, now: Timestamp) -> Vec<ClaimHolder> {
        let held =
            self.claims.iter().filter(|(_, (_, until))| until.is_none_or(|until| now < until));
        let holder =
            |(key, (owner, until)): (&String, &(StreamId, Option<Timestamp>))| ClaimHolder {
                claim: Claim::new("k", key.as_str()),
                owner: owner.clone(),
                until: *until,
            };
        held.map(holder).collect()
    }

    pub(crate) fn log(&self, direction: Direction, filter: &Filter) -> Vec<(u64, uuid::Uuid)> {
        let wanted = |(_, (stream, event)): &(u64, &(StreamId, NewEvent))| {
            let category = stream.as_str().split('-').next().unwrap();
            (filter.event_types.is_empty() || filter.event_types.contains(&event.event_type))
                && (filter.categories.is_empty()
                    || filter.categories.iter().any(|c| **c == *category))
                && filter.correlation_id.as_ref().is_none_or(|id| *id == event.correlation_id)
        };
        let events =
            (1..).zip(&self.events).filter(wanted).map(|(at, (_, event))| (at, event.id.0));
        ordered(events.collect(), direction)
    }

    pub(crate) fn stream(
        &self,
        stream: &StreamId,
        from: u64,
        direction: Direction,
        limit: usize,
    ) -> Vec<EventId> {
        let own = self.events.iter().filter(|(name, _)| name == stream).map(|(_, event)| event.id);
        let own = (1_u64..).zip(own).filter(|(version, _)| match direction {
            Direction::Forward => *version >= from,
            Direction::Backward => *version <= from,
        });
        let own = ordered(own.map(|(_, id)| id).collect(), direction);
        own.into_iter().take(limit).collect()
    }

    fn version(&self, stream: &StreamId) -> StreamVersion {
        StreamVersion(self.events.iter().filter(|(name, _)| name == stream).count() as u64)
    }

    fn check_fence(&self, request: &AppendRequest) -> Result<(), AppendError> {
        let Some(fence) = request.fence else { return Ok(()) };
        let current = self.epochs.get(&fence.shard).copied().unwrap_or_default();
        if fence.epoch < current {
            let (shard, presented) = (fence.shard, fence.epoch);
            return Err(AppendError::Fenced { shard, presented, current });
        }
        if fence.epoch > current {
            return Err(AppendError::Invalid(format!(
                "shard {}: epoch {} was presented, but {current} is the newest given out",
                fence.shard.0, fence.epoch
            )));
        }
        Ok(())
    }

    fn apply(&mut self, request: &AppendRequest, now: Timestamp) -> Appended {
        let before = self.events.len();
        for write in &request.writes {
            let events = write.events.iter().map(|event| (write.stream.clone(), event.clone()));
            self.events.extend(events);
        }
        request.claims.iter().for_each(|change| apply_claim(&mut self.claims, change, now));
        Appended {
            position: GlobalPosition(self.events.len() as u64),
            events: (self.events.len() - before) as u32,
            versions: request.writes.iter().map(|write| self.version(&write.stream)).collect(),
        }
    }
}

/// By key: the holder, and when it becomes free by itself.
type Claims = BTreeMap<String, (StreamId, Option<Timestamp>)>;

fn check_claim(claims: &Claims, change: &ClaimChange, now: Timestamp) -> Result<(), AppendError> {
    let claim = change.claim().clone();
    let held = claims.get(&*claim.key);
    let holder = held.filter(|(_, until)| until.is_none_or(|u| now < u)).map(|(owner, _)| owner);
    match (change, holder) {
        (ClaimChange::Take { owner, .. }, Some(other)) if owner != other => {
            Err(AppendError::ClaimTaken { claim, owner: other.clone() })
        }
        (ClaimChange::Take { .. }, _) => Ok(()),
        (ClaimChange::Release { owner, .. } | ClaimChange::ReleaseAt { owner, .. }, holder) => {
            if holder == Some(owner) {
                return Ok(());
            }
            Err(AppendError::ClaimNotHeld { claim, owner: owner.clone() })
        }
    }
}

fn apply_claim(claims: &mut Claims, change: &ClaimChange, now: Timestamp) {
    let key = change.claim().key.to_string();
    match change {
        ClaimChange::Take { owner, .. } => claims.insert(key, (owner.clone(), None)),
        ClaimChange::ReleaseAt { owner, at, .. } if *at > now => {
            claims.insert(key, (owner.clone(), Some(*at)))
        }
        ClaimChange::Release { .. } | ClaimChange::ReleaseAt { .. } => claims.remove(&key),
    };
}

/// The refusals of requests that are wrong in themselves, in the order in which they are looked for.
fn contradicts_itself(request: &AppendRequest) -> Result<(), AppendError> {
    let invalid = |message: String| Err(AppendError::Invalid(message));
    if request.writes.is_empty() && request.claims.is_empty() {
        return invalid("the append is empty: it writes, checks and claims nothing".to_owned());
    }
    let smallest_twice = |mut names: Vec<String>| {
        names.sort();
        let mut seen = HashSet::new();
        names.into_iter().find(|name| !seen.insert(name.clone()))
    };
    let streams = request.writes.iter().map(|write| write.stream.to_string()).collect();
    if let Some(stream) = smallest_twice(streams) {
        return invalid(format!("stream {stream} stands in the append twice"));
    }
    if request.claims.iter().any(|change| change.claim().key.is_empty()) {
        return invalid("claim of kind k: the key has 0 bytes, wants 1 to 512".to_owned());
    }
    Ok(())
}

fn ordered<T>(mut list: Vec<T>, direction: Direction) -> Vec<T> {
    match direction {
        Direction::Forward => {}
        Direction::Backward => list.reverse(),
    }
    list
}
