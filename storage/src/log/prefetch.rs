//! Reads what a batch of requests will be checked against, in one go, before any of them is looked at.

use bytes::Bytes;

use crate::error::StorageError;
use crate::event::AppendId;
use crate::event_store::{Claim, Epoch, Shard};
use crate::kv::{Kv, Space};
use crate::log::appender::Job;
use crate::log::draft::Draft;
use crate::log::heads::Heads;
use crate::log::keys;
use crate::log::keys::claim::Held;
use crate::stream::{StreamId, StreamVersion};

/// Something the heads do not have.
#[derive(Debug)]
enum Missing {
    AppendId(AppendId),
    Stream(StreamId),
    Claim(Claim),
    Epoch(Shard),
}

impl Missing {
    fn key(&self) -> Bytes {
        match self {
            Self::AppendId(id) => keys::append_id::key(*id),
            Self::Stream(stream) => keys::stream::key(stream, StreamVersion(1)),
            Self::Claim(claim) => keys::claim::key(claim),
            Self::Epoch(shard) => keys::epoch::key(*shard),
        }
    }
}

fn collect(missed: &mut Vec<Missing>, heads: &Heads, job: &Job) {
    match job {
        Job::Append(queued) => collect_append(missed, heads, &queued.draft),
        Job::Raise(raise) => {
            raise.shards.iter().for_each(|shard| collect_epoch(missed, heads, *shard));
        }
    }
}

fn collect_append(missed: &mut Vec<Missing>, heads: &Heads, draft: &Draft) {
    if heads.append_ids.is_unknown(draft.request.append_id) {
        missed.push(Missing::AppendId(draft.request.append_id));
    }
    for write in &draft.request.writes {
        if heads.streams.get(&write.stream).is_none() {
            missed.push(Missing::Stream(write.stream.clone()));
        }
    }
    for change in &draft.request.claims {
        if heads.claims.get(change.claim()).is_none() {
            missed.push(Missing::Claim(change.claim().clone()));
        }
    }
    if let Some(fence) = draft.request.fence {
        collect_epoch(missed, heads, fence.shard);
    }
}

fn collect_epoch(missed: &mut Vec<Missing>, heads: &Heads, shard: Shard) {
    if heads.epochs.get(&shard).is_none() {
        missed.push(Missing::Epoch(shard));
    }
}

/// Afterwards the heads hold everything that `jobs` are checked against.
pub(super) async fn load<K: Kv>(
    kv: &K,
    heads: &mut Heads,
    jobs: &[Job],
) -> Result<(), StorageError> {
    let mut missed = Vec::new();
    jobs.iter().for_each(|job| collect(&mut missed, heads, job));
    load_missed(kv, heads, missed).await
}

/// Afterwards the heads hold these claims.
pub(super) async fn load_claims<K: Kv>(
    kv: &K,
    heads: &mut Heads,
    claims: impl Iterator<Item = &Claim>,
) -> Result<(), StorageError> {
    let missed = claims.filter(|claim| heads.claims.get(*claim).is_none());
    let missed = missed.map(|claim| Missing::Claim(claim.clone())).collect();
    load_missed(kv, heads, missed).await
}

async fn load_missed<K: Kv>(
    kv: &K,
    heads: &mut Heads,
    missed: Vec<Missing>,
) -> Result<(), StorageError> {
    if missed.is_empty() {
        return Ok(());
    }
    let keys = missed.iter().map(Missing::key).collect();
    let values = kv.get_many(Space::Index, keys).await?;
    for (thing, value) in missed.into_iter().zip(values) {
        match value {
            Some(value) => found(kv, heads, thing, &value).await?,
            None => absent(heads, thing),
        }
    }
    Ok(())
}

/// Takes what the store has.
async fn found<K: Kv>(
    kv: &K,
    heads: &mut Heads,
    thing: Missing,
    value: &[u8],
) -> Result<(), StorageError> {
    let key = thing.key();
    match thing {
        Missing::AppendId(id) => {
            heads.append_ids.insert(id, keys::append_id::decode(&key, value)?);
        }
        Missing::Stream(stream) => {
            let version = last_version(kv, &stream).await?;
            heads.streams.insert(stream, version);
        }
        Missing::Claim(claim) => {
            let holder = keys::claim::decode(&key, value)?;
            let held = Held { owner: holder.owner, until: holder.until };
            heads.claims.insert(claim, Some(held));
        }
        Missing::Epoch(shard) => {
            heads.epochs.insert(shard, keys::epoch::decode(&key, value)?);
        }
    }
    Ok(())
}

/// Takes that the store has nothing.
fn absent(heads: &mut Heads, thing: Missing) {
    match thing {
        // Absent ids are not kept: none is asked for twice, but by mistake.
        Missing::AppendId(_) => {}
        Missing::Stream(stream) => heads.streams.insert(stream, StreamVersion::NONE),
        Missing::Claim(claim) => heads.claims.insert(claim, None),
        Missing::Epoch(shard) => heads.epochs.insert(shard, Epoch(0)),
    }
}

/// The head of a stream that exists: the end of its last run.
async fn last_version<K: Kv>(kv: &K, stream: &StreamId) -> Result<StreamVersion, StorageError> {
    let range = keys::stream::range(stream, 0, u64::MAX, true, 1);
    let last = kv.scan(Space::Index, range).await?;
    let (key, value) = last.first().ok_or_else(|| {
        StorageError::corrupt(format!("index: stream {stream} has a first run, but no last one"))
    })?;
    Ok(keys::stream::decode(key, value)?.1.last_version())
}
