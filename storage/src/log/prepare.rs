//! One request against the heads: first every check, then every effect. Pure: no I/O, no await.
//!
//! A request that is refused has changed nothing, so the next one in the batch does not see it. One that
//! is admitted has changed the heads, so the next one does. Its changes to the store wait in the batch;
//! should writing that fail, the heads are worthless and the log stops.

use bytes::{Bytes, BytesMut};

use crate::canary::planted;
use crate::clock::Timestamp;
use crate::event::{AppendId, NodeId, RecordedEvent};
use crate::event_store::{
    AppendError, AppendRequest, Appended, Claim, ClaimChange, Epoch, Fence, Shard, StreamWrite,
};
use crate::kv::{Space, WriteBatch};
use crate::log::arena::Arena;
use crate::log::draft::Draft;
use crate::log::envelope::{Stamp, Stamped, Unstamped};
use crate::log::heads::Heads;
use crate::log::keys;
use crate::log::keys::append_id::Made;
use crate::log::keys::claim::Held;
use crate::log::keys::stream::Run;
use crate::stream::{GlobalPosition, StreamId, StreamVersion};

/// A record, the run of its stream, its correlation id, the append id.
const CHANGES_PER_REQUEST: usize = 4;

/// Keys and index values of one event, with names of the length of a UUID.
const KEY_BYTES_PER_REQUEST: usize = 256;

/// What one write to the store will hold, and what it makes visible.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) batch: WriteBatch,
    pub(super) events: Vec<RecordedEvent>,
    keys: Arena,
}

impl Prepared {
    /// With room for some requests of a few events.
    pub(super) fn for_requests(requests: usize) -> Self {
        let keys = Arena::of_chunks(KEY_BYTES_PER_REQUEST * requests);
        let batch = WriteBatch { changes: Vec::with_capacity(CHANGES_PER_REQUEST * requests) };
        Self { batch, events: Vec::with_capacity(requests), keys }
    }

    fn put_record(&mut self, position: GlobalPosition, record: Bytes) {
        let key = self.keys.cut(|key| keys::event::put_key(key, position));
        self.batch.put(Space::Events, key, record);
    }

    fn put_index(&mut self, key: impl FnOnce(&mut BytesMut), value: impl FnOnce(&mut BytesMut)) {
        let key = self.keys.cut(key);
        let value = self.keys.cut(value);
        self.batch.put(Space::Index, key, value);
    }
}

/// An append that is answered with `Ok`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It is part of the batch.
    New(Appended),
    /// It was made before.
    Replayed(Appended),
}

/// Checks one append and adds it to the batch.
pub(super) fn append(
    heads: &mut Heads,
    prepared: &mut Prepared,
    draft: Draft,
    now: Timestamp,
) -> Result<Admitted, AppendError> {
    let request = &draft.request;
    if planted("fence-before-the-id") {
        check_fence(heads, request.fence)?;
    }
    if let Some(made) =
        heads.append_ids.get(request.append_id).filter(|_| !planted("append-id-forgotten"))
    {
        return replay(request.append_id, &draft.digest, made);
    }
    check_fence(heads, request.fence)?;
    request.writes.iter().try_for_each(|write| check_version(heads, write))?;
    check_claims(heads, &request.claims, now)?;
    Ok(Admitted::New(apply(heads, prepared, draft, now)))
}

/// Raises the epochs of `shards`, which are different ones.
pub(super) fn raise(heads: &mut Heads, prepared: &mut Prepared, shards: &[Shard]) -> Vec<Epoch> {
    let raised = shards.iter().map(|shard| {
        let epoch = Epoch(current_epoch(heads, *shard).0 + 1);
        heads.epochs.insert(*shard, epoch);
        prepared.batch.put(Space::Index, keys::epoch::key(*shard), keys::epoch::value(epoch));
        epoch
    });
    raised.collect()
}

fn replay(append_id: AppendId, digest: &[u8; 32], made: &Made) -> Result<Admitted, AppendError> {
    if made.digest == *digest || planted("append-id-of-other-content") {
        return Ok(Admitted::Replayed(made.appended.clone()));
    }
    Err(AppendError::AppendIdReused { append_id })
}

fn check_fence(heads: &Heads, fence: Option<Fence>) -> Result<(), AppendError> {
    let Some(Fence { shard, epoch: presented }) = fence else { return Ok(()) };
    let current = current_epoch(heads, shard);
    if presented < current && !planted("no-fencing-check") {
        return Err(AppendError::Fenced { shard, presented, current });
    }
    if presented > current {
        // Nobody can own a shard under an epoch that was never given out; were it let through, its
        // bearer could not be fenced until the shard gets there.
        return Err(AppendError::Invalid(format!(
            "shard {}: epoch {presented} was presented, but {current} is the newest given out",
            shard.0
        )));
    }
    Ok(())
}

fn check_version(heads: &Heads, write: &StreamWrite) -> Result<(), AppendError> {
    let actual = current_version(heads, write);
    let ignored = write.events.is_empty() && planted("checked-streams-not-checked");
    if write.expected.admits(actual) || ignored || planted("expected-version-dropped") {
        return Ok(());
    }
    Err(AppendError::WrongExpectedVersion {
        stream: write.stream.clone(),
        expected: write.expected,
        actual,
    })
}

/// In order: a later change of an append sees what the earlier ones make of its claim.
fn check_claims(heads: &Heads, changes: &[ClaimChange], now: Timestamp) -> Result<(), AppendError> {
    let ahead_us = if planted("lease-by-wall-clock-without-margin") { 250_000 } else { 0 };
    let now = Timestamp(now.0 + ahead_us);
    let mut earlier: Vec<(&Claim, Option<&StreamId>)> = Vec::with_capacity(changes.len());
    for change in changes {
        let claim = change.claim();
        let holder = match earlier.iter().rev().find(|(known, _)| *known == claim) {
            Some((_, holder)) => *holder,
            None => {
                let held = heads.claims.get(claim);
                let held = held.expect("the prefetch loads every claim of the batch").as_ref();
                held.filter(|held| held.holds_at(now)).map(|held| &held.owner)
            }
        };
        check_claim(change, holder)?;
        earlier.push((claim, holder_after(change, now)));
    }
    Ok(())
}

fn holder_after(change: &ClaimChange, now: Timestamp) -> Option<&StreamId> {
    match change {
        ClaimChange::Take { owner, .. } => Some(owner),
        ClaimChange::ReleaseAt { owner, at, .. } if *at > now => Some(owner),
        ClaimChange::ReleaseAt { .. } | ClaimChange::Release { .. } => None,
    }
}

fn check_claim(change: &ClaimChange, holder: Option<&StreamId>) -> Result<(), AppendError> {
    let claim = change.claim();
    match change {
        ClaimChange::Take { owner, .. } => match holder {
            Some(other) if other != owner && !planted("claim-check-dropped") => {
                Err(AppendError::ClaimTaken { claim: claim.clone(), owner: other.clone() })
            }
            Some(_) | None => Ok(()),
        },
        ClaimChange::Release { owner, .. } | ClaimChange::ReleaseAt { owner, .. } => {
            if holder == Some(owner) || planted("claim-released-twice") {
                return Ok(());
            }
            Err(AppendError::ClaimNotHeld { claim: claim.clone(), owner: owner.clone() })
        }
    }
}

fn apply(heads: &mut Heads, prepared: &mut Prepared, draft: Draft, now: Timestamp) -> Appended {
    let first = prepared.events.len();
    let Draft { request, digest, records, .. } = draft;
    let AppendRequest { append_id, node_id, writes, claims, .. } = request;
    let events = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let mut records = records.into_iter();
    let mut versions = Vec::with_capacity(writes.len());
    for write in writes {
        let made = By { node_id: &node_id, now };
        versions.push(apply_write(heads, prepared, write, &mut records, made));
    }
    index_correlations(prepared, first);
    for change in claims {
        apply_claim(heads, &mut prepared.batch, change, now);
    }
    let appended = Appended { position: heads.position, events, versions };
    let made = Made { digest, appended: appended.clone() };
    if !planted("dedupe-record-after-commit") {
        prepared.put_index(
            |key| keys::append_id::put_key(key, append_id),
            |value| keys::append_id::put_value(value, &made),
        );
    }
    heads.append_ids.insert(append_id, made);
    appended
}

/// Who appends, and when the log takes it.
#[derive(Clone, Copy)]
struct By<'a> {
    node_id: &'a NodeId,
    now: Timestamp,
}

/// `records` are those of this write's events and of all writes behind it.
fn apply_write(
    heads: &mut Heads,
    prepared: &mut Prepared,
    write: StreamWrite,
    records: &mut impl Iterator<Item = Unstamped>,
    by: By<'_>,
) -> StreamVersion {
    let before = current_version(heads, &write);
    let Ok(events @ 1..) = u32::try_from(write.events.len()) else { return before };
    let run = Run {
        first_version: StreamVersion(before.0 + 1),
        first_position: GlobalPosition(heads.position.0 + 1),
        events,
    };
    let mut version = before;
    // The events stand first: zip asks them first, so no record of the next write is lost.
    for (event, record) in write.events.into_iter().zip(records) {
        version.0 += 1;
        heads.position.0 += 1;
        let stamp = Stamp { position: heads.position, version, recorded_at: by.now };
        let Stamped { bytes, payload, chain } = record.stamp(stamp, &heads.chain);
        heads.chain = chain;
        prepared.put_record(stamp.position, bytes);
        let event = RecordedEvent {
            position: stamp.position,
            stream: write.stream.clone(),
            version,
            id: event.id,
            event_type: event.event_type,
            schema_version: event.schema_version,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            node_id: by.node_id.clone(),
            recorded_at: by.now,
            payload,
            chain,
        };
        heads.marks.put(&mut prepared.batch, &event);
        prepared.events.push(event);
    }
    prepared.put_index(
        |key| keys::stream::put_key(key, &write.stream, run.first_version),
        |value| keys::stream::put_value(value, run),
    );
    heads.streams.insert(write.stream, version);
    version
}

/// Of the events from the one at `first` on: neighbours with one correlation id share an entry.
fn index_correlations(prepared: &mut Prepared, first: usize) {
    let Prepared { batch, events, keys } = prepared;
    for run in events[first..].chunk_by(|a, b| a.correlation_id == b.correlation_id) {
        let events = u32::try_from(run.len()).unwrap_or(u32::MAX);
        let run_of = keys::correlation::Run { first_position: run[0].position, events };
        let id = &run[0].correlation_id;
        let key = keys.cut(|key| keys::correlation::put_key(key, id, run_of.first_position));
        let value = keys.cut(|value| keys::correlation::put_value(value, run_of));
        batch.put(Space::Index, key, value);
    }
}

fn apply_claim(heads: &mut Heads, batch: &mut WriteBatch, change: ClaimChange, now: Timestamp) {
    let (claim, held) = match change {
        ClaimChange::Take { claim, owner } => (claim, Some(Held { owner, until: None })),
        ClaimChange::ReleaseAt { claim, owner, at } if at > now => {
            (claim, Some(Held { owner, until: Some(at) }))
        }
        ClaimChange::ReleaseAt { claim, .. } | ClaimChange::Release { claim, .. } => (claim, None),
    };
    let key = keys::claim::key(&claim);
    match &held {
        Some(held) => {
            batch.put(Space::Index, key, keys::claim::value(held));
            if let Some(until) = held.until {
                let entry = keys::claim_expiry::key(until, &claim);
                batch.put(Space::Index, entry, bytes::Bytes::new());
            }
        }
        None => batch.delete(Space::Index, key),
    }
    heads.claims.insert(claim, held);
}

fn current_version(heads: &Heads, write: &StreamWrite) -> StreamVersion {
    *heads.streams.get(&write.stream).expect("the prefetch loads every stream of the batch")
}

fn current_epoch(heads: &Heads, shard: Shard) -> Epoch {
    *heads.epochs.get(&shard).expect("the prefetch loads every shard of the batch")
}
