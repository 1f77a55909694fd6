//! The bytes of a record, and what is hashed. The only place that knows bincode.
//!
//! A record, value of the key family `keys/event.rs`:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format: 1 |
//! | 1 | 8 | stream version, big-endian |
//! | 9 | 8 | recorded at, microseconds, big-endian |
//! | 17 | 32 | chain up to and with this event |
//! | 49 | 1 + n | node id: length, bytes |
//! | 50 + n | rest | [`StoredContent`] in bincode 2, standard configuration |
//!
//! The content comes from the caller and is encoded and hashed by the caller, before it queues; the
//! appender only fills in the stamp (version, time, chain), whose place and size are fixed for that.
//!
//! `chain = blake3(chain before | blake3(content) | position | version | recorded at | node id)`, numbers
//! big-endian, the first event's "chain before" is 32 zero bytes. So a record that was changed, moved or
//! lost breaks the chain where it stood.

use bincode::config::{Configuration, standard};
use bincode::{BorrowDecode, Encode};
use bytes::Bytes;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::event::{EventId, NewEvent, NodeId, RecordedEvent};
use crate::event_store::{AppendRequest, ClaimChange, ExpectedVersion, Filter, StreamWrite};
use crate::log::intern::Interner;
use crate::stream::{GlobalPosition, StreamId, StreamVersion};

const FORMAT: u8 = 1;
const VERSION_AT: usize = 1;
const RECORDED_AT: usize = 9;
const CHAIN_AT: usize = 17;
const NODE_AT: usize = 49;

/// Lengths and tags take at most this much beside the fields of a content.
const CONTENT_OVERHEAD_BYTES: usize = 16 + 17 + 3 + 4 * 5;

/// The chain before the first event.
pub(crate) const CHAIN_START: [u8; 32] = [0; 32];

/// What a caller gave. Stored: fields are never reordered, removed or changed; another shape is
/// another format byte.
#[derive(Encode, BorrowDecode)]
struct StoredContent<'a> {
    stream: &'a str,
    event_id: [u8; 16],
    event_type: &'a str,
    schema_version: u16,
    correlation_id: &'a str,
    causation_id: Option<[u8; 16]>,
    /// The last field: the payload is the tail of the record.
    payload: &'a [u8],
}

/// The names with which a [`StoredContent`] begins, as bytes that nobody has looked at.
#[derive(BorrowDecode)]
struct StoredNames<'a> {
    stream: &'a [u8],
    _event_id: [u8; 16],
    event_type: &'a [u8],
    _schema_version: u16,
    correlation_id: &'a [u8],
}

/// What is hashed of a write to tell whether two appends with one id are the same; the digests of its
/// events follow. Compared with stored digests: as fixed as [`StoredContent`].
#[derive(Encode)]
struct HashedWrite<'a> {
    stream: &'a str,
    /// 0 any, 1 no stream, 2 stream exists, 3 exact.
    expected: u8,
    version: u64,
}

#[derive(Encode)]
struct HashedClaim<'a> {
    /// 1 take, 2 release, 3 release at.
    change: u8,
    kind: &'a str,
    key: &'a str,
    owner: &'a str,
    at: u64,
}

/// A record that lacks its stamp.
#[derive(Debug)]
pub(crate) struct Unstamped {
    bytes: Vec<u8>,
    digest: [u8; 32],
    payload_bytes: usize,
}

/// What the appender adds to a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) position: GlobalPosition,
    pub(crate) version: StreamVersion,
    pub(crate) recorded_at: Timestamp,
}

/// A finished record.
#[derive(Debug)]
pub(crate) struct Stamped {
    pub(crate) bytes: Bytes,
    /// The tail of `bytes`.
    pub(crate) payload: Bytes,
    pub(crate) chain: [u8; 32],
}

impl Unstamped {
    /// Encodes and hashes what the caller gave.
    pub(crate) fn new(
        stream: &StreamId,
        event: &NewEvent,
        node: &NodeId,
    ) -> Result<Self, StorageError> {
        let content = StoredContent {
            stream: stream.as_str(),
            event_id: event.id.0.into_bytes(),
            event_type: event.event_type.as_str(),
            schema_version: event.schema_version,
            correlation_id: event.correlation_id.as_str(),
            causation_id: event.causation_id.map(|id| id.0.into_bytes()),
            payload: &event.payload,
        };
        let mut bytes = Vec::with_capacity(capacity(&content, node));
        bytes.resize(NODE_AT, 0);
        bytes[0] = FORMAT;
        let node = node.as_str().as_bytes();
        bytes.push(u8::try_from(node.len()).map_err(|_| encoding("node id is too long"))?);
        bytes.extend_from_slice(node);
        let content_at = bytes.len();
        bincode::encode_into_std_write(&content, &mut bytes, CONFIG).map_err(encoding)?;
        let digest = blake3::hash(&bytes[content_at..]).into();
        Ok(Self { bytes, digest, payload_bytes: event.payload.len() })
    }

    /// The size of the finished record.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Fills in version, time and chain.
    pub(crate) fn stamp(mut self, stamp: Stamp, chain_before: &[u8; 32]) -> Stamped {
        let node_end = NODE_AT + 1 + usize::from(self.bytes[NODE_AT]);
        let chain = chain(chain_before, &self.digest, stamp, &self.bytes[NODE_AT + 1..node_end]);
        self.bytes[VERSION_AT..RECORDED_AT].copy_from_slice(&stamp.version.0.to_be_bytes());
        self.bytes[RECORDED_AT..CHAIN_AT].copy_from_slice(&stamp.recorded_at.0.to_be_bytes());
        self.bytes[CHAIN_AT..NODE_AT].copy_from_slice(&chain);
        let bytes = Bytes::from(self.bytes);
        let payload = bytes.slice(bytes.len() - self.payload_bytes..);
        Stamped { bytes, payload, chain }
    }
}

/// Over everything that makes an append the same append: writes and claims, not node and fence.
/// `records` are those of all its events, in order. Lists are hashed as bincode has them: their length,
/// then their elements.
pub(crate) fn append_digest(
    request: &AppendRequest,
    mut records: &[Unstamped],
) -> Result<[u8; 32], StorageError> {
    let mut bytes = Vec::with_capacity(512);
    put(&mut bytes, request.writes.len())?;
    for write in &request.writes {
        let (own, rest) = records
            .split_at_checked(write.events.len())
            .ok_or_else(|| encoding("fewer records than events"))?;
        records = rest;
        put(&mut bytes, hashed_write(write))?;
        put(&mut bytes, own.len())?;
        own.iter().for_each(|record| bytes.extend_from_slice(&record.digest));
    }
    put(&mut bytes, request.claims.len())?;
    for change in &request.claims {
        put(&mut bytes, hashed_claim(change))?;
    }
    Ok(blake3::hash(&bytes).into())
}

/// The event of a record.
pub(crate) fn decode(
    position: GlobalPosition,
    record: &Bytes,
    names: &mut Interner,
) -> Result<RecordedEvent, StorageError> {
    Parts::of(position, record)?.event(position, record, names)
}

/// The event of a record, when `filter` admits it. Of any other only the names are looked at: a filter that
/// wants little passes over much.
pub(crate) fn decode_admitted(
    position: GlobalPosition,
    record: &Bytes,
    filter: &Filter,
    names: &mut Interner,
) -> Result<Option<RecordedEvent>, StorageError> {
    let parts = Parts::of(position, record)?;
    if *filter != Filter::ALL {
        let StoredNames { stream, event_type, correlation_id, .. } = parts.names(position)?;
        let recorded_at = parts.stamp.recorded_at;
        if !filter.admits_names(stream, event_type, correlation_id, recorded_at) {
            return Ok(None);
        }
    }
    parts.event(position, record, names).map(Some)
}

/// What the chain of a stored record should be, behind `chain_before`.
pub(crate) fn expected_chain(
    position: GlobalPosition,
    record: &[u8],
    chain_before: &[u8; 32],
) -> Result<[u8; 32], StorageError> {
    let parts = Parts::of(position, record)?;
    let digest = blake3::hash(parts.content).into();
    Ok(chain(chain_before, &digest, parts.stamp, parts.node.as_bytes()))
}

const CONFIG: Configuration = standard();

/// A record cut into its parts.
struct Parts<'a> {
    stamp: Stamp,
    chain: [u8; 32],
    node: &'a str,
    content: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(position: GlobalPosition, record: &'a [u8]) -> Result<Self, StorageError> {
        let parts = || {
            let (version, rest) = record.strip_prefix(&[FORMAT])?.split_first_chunk::<8>()?;
            let (recorded_at, rest) = rest.split_first_chunk::<8>()?;
            let (chain, rest) = rest.split_first_chunk::<32>()?;
            let (node_bytes, rest) = rest.split_first()?;
            let (node, content) = rest.split_at_checked(usize::from(*node_bytes))?;
            let stamp = Stamp {
                position,
                version: StreamVersion(u64::from_be_bytes(*version)),
                recorded_at: Timestamp(u64::from_be_bytes(*recorded_at)),
            };
            Some(Self { stamp, chain: *chain, node: std::str::from_utf8(node).ok()?, content })
        };
        match record.first() {
            Some(&FORMAT) => parts().ok_or_else(|| damaged(position, "it is cut off")),
            Some(other) => Err(damaged(position, &format!("its format byte is {other}"))),
            None => Err(damaged(position, "it is empty")),
        }
    }

    fn event(
        &self,
        position: GlobalPosition,
        record: &Bytes,
        names: &mut Interner,
    ) -> Result<RecordedEvent, StorageError> {
        let content = self.content(position)?;
        let named = |error: StorageError| damaged(position, &error.message);
        Ok(RecordedEvent {
            position,
            stream: names.stream(content.stream).map_err(named)?,
            version: self.stamp.version,
            id: EventId(Uuid::from_bytes(content.event_id)),
            event_type: names.event_type(content.event_type).map_err(named)?,
            schema_version: content.schema_version,
            correlation_id: names.correlation_id(content.correlation_id).map_err(named)?,
            causation_id: content.causation_id.map(|id| EventId(Uuid::from_bytes(id))),
            node_id: names.node_id(self.node).map_err(named)?,
            recorded_at: self.stamp.recorded_at,
            payload: record.slice_ref(content.payload),
            chain: self.chain,
        })
    }

    fn names(&self, position: GlobalPosition) -> Result<StoredNames<'a>, StorageError> {
        bincode::borrow_decode_from_slice(self.content, CONFIG)
            .map(|(names, _)| names)
            .map_err(|error| damaged(position, &error.to_string()))
    }

    fn content(&self, position: GlobalPosition) -> Result<StoredContent<'a>, StorageError> {
        let (content, read): (StoredContent<'a>, usize) =
            bincode::borrow_decode_from_slice(self.content, CONFIG)
                .map_err(|error| damaged(position, &error.to_string()))?;
        if read == self.content.len() {
            return Ok(content);
        }
        Err(damaged(position, &format!("{} bytes follow its end", self.content.len() - read)))
    }
}

/// `node` has at most 255 bytes: its length is one byte of the record.
fn chain(before: &[u8; 32], digest: &[u8; 32], stamp: Stamp, node: &[u8]) -> [u8; 32] {
    // In one piece: a hasher that is fed in parts costs twice as much.
    let mut all = [0; 88 + 255];
    all[..32].copy_from_slice(before);
    all[32..64].copy_from_slice(digest);
    all[64..72].copy_from_slice(&stamp.position.0.to_be_bytes());
    all[72..80].copy_from_slice(&stamp.version.0.to_be_bytes());
    all[80..88].copy_from_slice(&stamp.recorded_at.0.to_be_bytes());
    let end = 88 + node.len();
    all[88..end].copy_from_slice(node);
    blake3::hash(&all[..end]).into()
}

fn put(bytes: &mut Vec<u8>, part: impl Encode) -> Result<(), StorageError> {
    bincode::encode_into_std_write(part, bytes, CONFIG).map(drop).map_err(encoding)
}

fn hashed_write(write: &StreamWrite) -> HashedWrite<'_> {
    let (expected, version) = match write.expected {
        ExpectedVersion::Any => (0, 0),
        ExpectedVersion::NoStream => (1, 0),
        ExpectedVersion::StreamExists => (2, 0),
        ExpectedVersion::Exact(version) => (3, version.0),
    };
    HashedWrite { stream: write.stream.as_str(), expected, version }
}

fn hashed_claim(change: &ClaimChange) -> HashedClaim<'_> {
    let (tag, claim, owner, at) = match change {
        ClaimChange::Take { claim, owner } => (1, claim, owner, 0),
        ClaimChange::Release { claim, owner } => (2, claim, owner, 0),
        ClaimChange::ReleaseAt { claim, owner, at } => (3, claim, owner, at.0),
    };
    HashedClaim { change: tag, kind: &claim.kind, key: &claim.key, owner: owner.as_str(), at }
}

fn capacity(content: &StoredContent<'_>, node: &NodeId) -> usize {
    let names = content.stream.len() + content.event_type.len() + content.correlation_id.len();
    NODE_AT + 1 + node.as_str().len() + names + content.payload.len() + CONTENT_OVERHEAD_BYTES
}

fn encoding(cause: impl std::fmt::Display) -> StorageError {
    StorageError::invalid(format!("an event cannot be encoded: {cause}"))
}

fn damaged(position: GlobalPosition, cause: &str) -> StorageError {
    StorageError::corrupt(format!("log: the record at position {position} is damaged: {cause}"))
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
