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

#[derive(Debug, Default)]
struct Missed {
    things: Vec<Missing>,
    keys: Vec<Bytes>,
}

impl Missed {
    fn add(&mut self, thing: Missing, key: Bytes) {
        self.things.push(thing);
        self.keys.push(key);
    }

    fn collect(&mut self, heads: &Heads, job: &Job) {
        match job {
            Job::Append(queued) => self.collect_append(heads, &queued.draft),
            Job::Raise(raise) => raise.shards.iter().for_each(|shard| self.epoch(heads, *shard)),
        }
    }

    fn collect_append(&mut self, heads: &Heads, draft: &Draft) {
        if heads.append_ids.get(&draft.append_id).is_none() {
            let key = keys::append_id::key(draft.append_id);
            self.add(Missing::AppendId(draft.append_id), key);
        }
        for write in &draft.writes {
            if heads.streams.get(&write.stream).is_none() {
                let key = keys::stream::key(&write.stream, StreamVersion(1));
                self.add(Missing::Stream(write.stream.clone()), key);
            }
        }
        for change in &draft.claims {
            if heads.claims.get(change.claim()).is_none() {
                let key = keys::claim::key(change.claim());
                self.add(Missing::Claim(change.claim().clone()), key);
            }
        }
        if let Some(fence) = draft.fence {
            self.epoch(heads, fence.shard);
        }
    }

    fn epoch(&mut self, heads: &Heads, shard: Shard) {
        if heads.epochs.get(&shard).is_none() {
            self.add(Missing::Epoch(shard), keys::epoch::key(shard));
        }
    }
}

/// Afterwards the heads hold everything that `jobs` are checked against.
pub(super) async fn load<K: Kv>(
    kv: &K,
    heads: &mut Heads,
    jobs: &[Job],
) -> Result<(), StorageError> {
    let mut missed = Missed::default();
    jobs.iter().for_each(|job| missed.collect(heads, job));
    load_missed(kv, heads, missed).await
}

/// Afterwards the heads hold these claims.
pub(super) async fn load_claims<K: Kv>(
    kv: &K,
    heads: &mut Heads,
    claims: impl Iterator<Item = &Claim>,
) -> Result<(), StorageError> {
    let mut missed = Missed::default();
    for claim in claims.filter(|claim| heads.claims.get(*claim).is_none()) {
        missed.add(Missing::Claim(claim.clone()), keys::claim::key(claim));
    }
    load_missed(kv, heads, missed).await
}

async fn load_missed<K: Kv>(kv: &K, heads: &mut Heads, missed: Missed) -> Result<(), StorageError> {
    if missed.keys.is_empty() {
        return Ok(());
    }
    let values = kv.get_many(Space::Index, missed.keys.clone()).await?;
    for ((thing, key), value) in missed.things.into_iter().zip(&missed.keys).zip(values) {
        match thing {
            Missing::AppendId(id) => {
                if let Some(value) = value {
                    heads.append_ids.insert(id, keys::append_id::decode(key, &value)?);
                }
            }
            Missing::Stream(stream) => {
                let version = match value {
                    Some(_) => last_version(kv, &stream).await?,
                    None => StreamVersion::NONE,
                };
                heads.streams.insert(stream, version);
            }
            Missing::Claim(claim) => {
                let held = value.map(|value| keys::claim::decode(key, &value)).transpose()?;
                let held = held.map(|held| Held { owner: held.owner, until: held.until });
                heads.claims.insert(claim, held);
            }
            Missing::Epoch(shard) => {
                let epoch = value.map(|value| keys::epoch::decode(key, &value)).transpose()?;
                heads.epochs.insert(shard, epoch.unwrap_or(Epoch(0)));
            }
        }
    }
    Ok(())
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
