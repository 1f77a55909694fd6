//! What of the bus outlives its machine: messages, and how far groups have come.

use bytes::Bytes;
use sagaline_storage::StorageError;
use sagaline_storage::bus::Message;
use sagaline_storage::kv::{Durability, Kv, Range, Space, WriteBatch};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::core::Core;
use crate::machine::Machine;

/// Entries of one read at the start.
const PAGE: usize = 1_000;

/// A message with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) by: Machine,
    pub(super) message: Message,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Come {
    topic: String,
    group: String,
    partition: u32,
    acked: u64,
}

/// Keeps messages: they survive everything from now on, all of them or none.
pub(super) async fn keep(kv: &impl Kv, messages: &[Kept]) -> Result<(), StorageError> {
    let mut batch = WriteBatch::default();
    for kept in messages {
        let mut key = format!("{}/{:04}/", kept.topic, kept.partition).into_bytes();
        key.extend_from_slice(&kept.offset.to_be_bytes());
        batch.put(Space::Events, key, encode(kept)?);
    }
    kv.write(batch, Durability::Synced).await
}

/// Notes how far a group has come. A crash may take it: the messages then come again.
pub(super) async fn come_to(
    kv: &impl Kv,
    (topic, group): (&str, &str),
    partition: u32,
    acked: u64,
) -> Result<(), StorageError> {
    let mut batch = WriteBatch::default();
    let key = format!("{topic}/{group}/{partition:04}");
    let come = Come { topic: topic.to_owned(), group: group.to_owned(), partition, acked };
    batch.put(Space::Index, key, encode(&come)?);
    kv.write(batch, Durability::Buffered).await
}

/// Brings everything back, and tells of each message that it is there.
pub(super) async fn load(
    kv: &impl Kv,
    core: &mut Core,
    mut found: impl FnMut(&Kept),
) -> Result<(), StorageError> {
    // Nothing is told of that the next power loss could still take.
    kv.flush(Space::Events).await?;
    for value in values(kv, Space::Events).await? {
        let kept: Kept = decode(&value)?;
        found(&kept);
        core.kept(&kept.topic, kept.partition, kept.message);
    }
    for value in values(kv, Space::Index).await? {
        let come: Come = decode(&value)?;
        core.came_to(&come.topic, &come.group, come.partition, come.acked);
    }
    Ok(())
}

async fn values(kv: &impl Kv, space: Space) -> Result<Vec<Bytes>, StorageError> {
    let mut values = Vec::new();
    let mut from = Bytes::new();
    loop {
        let range = Range { from, to: Bytes::new(), backward: false, limit: PAGE };
        let page = kv.scan(space, range).await?;
        let is_last = page.len() < PAGE;
        let last = page.last().map(|(key, _)| key.clone());
        values.extend(page.into_iter().map(|(_, value)| value));
        match last {
            Some(key) if !is_last => from = [&key[..], &[0]].concat().into(),
            Some(_) | None => return Ok(values),
        }
    }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StorageError> {
    let encoded = bincode::serde::encode_to_vec(value, bincode::config::standard());
    encoded.map_err(|error| StorageError::invalid(format!("a message cannot be kept: {error}")))
}

fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, StorageError> {
    let decoded = bincode::serde::decode_from_slice(value, bincode::config::standard());
    let decoded = decoded.map(|(value, _)| value);
    decoded.map_err(|error| StorageError::corrupt(format!("a kept message: {error}")))
}
