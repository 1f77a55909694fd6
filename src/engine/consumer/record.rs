//! What is stored of a group: one view of JSON documents, and its turn as the checkpoint. Names and
//! fields are stored: never change them.
//!
//! | key | document | found by |
//! |---|---|---|
//! | `group` | [`GroupRecord`] | |
//! | `lane/KEY` | [`LaneRecord`], of a key with letters | `lanes`: `parked` or `waiting`, by position |
//! | `letter/POSITION` | [`LetterRecord`], position in 20 digits | |

use std::sync::Arc;

use bytes::Bytes;
use sagaline_storage::StorageError;
use sagaline_storage::views::SecondaryKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What the names of the groups' checkpoints begin with.
pub(super) const TURNS: &str = "consumer:";
/// The key of the one [`GroupRecord`].
pub(super) const GROUP: &str = "group";
pub(super) const LANE: &str = "lane/";
pub(super) const LETTER: &str = "letter/";
/// The index of lanes.
pub(super) const LANES: &str = "lanes";
pub(super) const PARKED: &str = "parked";
pub(super) const WAITING: &str = "waiting";

/// The view of a group's own records.
pub(super) fn view(name: &str) -> Arc<str> {
    format!("consumer.{name}").into()
}

/// The view of its consumer's documents.
pub(super) fn documents_view(name: &str) -> Arc<str> {
    format!("consumer.{name}.documents").into()
}

/// The checkpoint that counts its turns.
pub(super) fn turns(name: &str) -> Arc<str> {
    format!("{TURNS}{name}").into()
}

/// How far a group has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupRecord {
    /// Every event up to here is done or a letter.
    pub(super) place: u64,
    /// Done or made a letter behind it.
    pub(super) done: Vec<u64>,
    /// The operators' requests that were carried out: a version of the group's own stream.
    pub(super) heard: u64,
    /// Letters kept.
    pub(super) letters: u64,
}

/// A key whose events are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LaneRecord {
    /// Of the first of them.
    pub(super) position: u64,
    pub(super) attempts: u32,
    pub(super) reason: String,
    /// When it is delivered again; none: it is parked.
    pub(super) due_us: Option<u64>,
    pub(super) since_us: u64,
    /// How many there are.
    pub(super) letters: u64,
}

/// An event that is kept: the log has all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LetterRecord {
    pub(super) key: Arc<str>,
}

impl LaneRecord {
    /// Where else it is found.
    pub(super) fn index(&self) -> SecondaryKey {
        let partition = if self.due_us.is_none() { PARKED } else { WAITING };
        SecondaryKey {
            index: LANES.into(),
            partition: Bytes::from_static(partition.as_bytes()),
            sort: Bytes::copy_from_slice(&self.position.to_be_bytes()),
        }
    }
}

pub(super) fn lane_key(key: &str) -> Bytes {
    format!("{LANE}{key}").into()
}

pub(super) fn letter_key(position: u64) -> Bytes {
    format!("{LETTER}{position:020}").into()
}

pub(super) fn written<T: Serialize>(record: &T) -> Result<Bytes, StorageError> {
    let text = serde_json::to_vec(record);
    text.map(Bytes::from).map_err(|error| StorageError::invalid(error.to_string()))
}

pub(super) fn read<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, StorageError> {
    let record = serde_json::from_slice(bytes);
    record.map_err(|error| StorageError::corrupt(format!("a consumer's record {key}: {error}")))
}
