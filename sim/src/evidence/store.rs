//! What was asked of the store, and the log that it has.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::Machine;

/// One request to the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreCall {
    /// Who asked.
    pub by: Machine,
    /// When it was sent.
    pub sent_at_us: u64,
    /// When the answer was there, or the asker gave up or died.
    pub ended_at_us: u64,
    /// What was asked and answered.
    pub what: StoreWhat,
}

/// What was asked of the store, and what it said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "what")]
pub enum StoreWhat {
    /// An append of events to streams.
    Append {
        /// The append's id.
        append_id: String,
        /// The shard and epoch it was made under.
        fence: Option<(u32, u64)>,
        /// What it was to write and what was expected.
        writes: Vec<Write>,
        /// Claims taken (kind, key, owner).
        takes: Vec<(String, String, String)>,
        /// Claims released (kind, key, owner).
        releases: Vec<(String, String, String)>,
        /// What came of it.
        result: AppendResult,
    },
    /// A read of one stream, from a version on.
    ReadStream {
        /// The stream.
        stream: String,
        /// The first version wanted.
        from: u64,
        /// Whether the versions before it are wanted, the greatest first.
        #[serde(default)]
        backward: bool,
        /// At most so many.
        limit: usize,
        /// Versions and ids of the events; none: the read failed.
        events: Option<Vec<(u64, String)>>,
    },
    /// A read of the whole log behind a position, without a filter.
    ReadAll {
        /// Behind which position.
        after: u64,
        /// Positions and ids of the events; none: the read failed.
        events: Option<Vec<(u64, String)>>,
    },
}

/// An answer of the store that is judged by what the store had when it gave it. That was looked up at once,
/// beside the store; whether the answer reached anybody is another matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreAnswer {
    /// When it was given.
    pub at_us: u64,
    /// What it was.
    pub what: Answered,
}

/// What the store answered, and what it had by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "what")]
pub enum Answered {
    /// An append, asked for the first time since the store was started, was said not to have been made.
    Unmade {
        /// The append's id.
        append_id: String,
        /// Whether a write of it had been begun, and had failed, that may still turn out to have happened.
        may_be_there: bool,
    },
    /// An append was refused since a stream was not as it was expected.
    WrongVersion {
        /// The append's id.
        append_id: String,
        /// The stream.
        stream: String,
        /// To which version it was said to have come.
        version: u64,
        /// How far the log was to be read.
        head: u64,
    },
    /// An append was refused since another stream has a claim.
    ClaimTaken {
        /// The append's id.
        append_id: String,
        /// The claim's kind.
        kind: String,
        /// The claim's key.
        key: String,
        /// Who was said to have it.
        owner: String,
        /// How far the log was to be read.
        head: u64,
    },
    /// Somebody waited for the log to come behind a position until their time was up, and was not woken.
    NotWoken {
        /// The position.
        behind: u64,
        /// How far the log was to be read when their time was up.
        head: u64,
    },
}

/// A write to one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// The stream.
    pub stream: String,
    /// What was expected.
    pub expected: Expected,
    /// Ids of the events, in order.
    pub events: Vec<String>,
}

/// What a write expects of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expected {
    /// Anything.
    Any,
    /// No events.
    NoStream,
    /// Some events.
    StreamExists,
    /// This version.
    Exact(u64),
}

/// What came of an append.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "result")]
pub enum AppendResult {
    /// It is in the log.
    Appended {
        /// The position of its last event.
        position: u64,
        /// The streams' versions afterwards, in the order of the writes.
        versions: Vec<u64>,
    },
    /// It is not, and never will be.
    Refused {
        /// Why: `wrong-expected-version`, `claim-taken`, `claim-not-held`, `fenced`, `append-id-reused`,
        /// `invalid`, `unavailable`.
        why: String,
        /// For a wrong version the stream, and what it was.
        actual: Option<(String, u64)>,
    },
    /// Nobody knows.
    Unknown,
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Its place in the log.
    pub position: u64,
    /// Its stream.
    pub stream: String,
    /// Its place in the stream.
    pub version: u64,
    /// Its id.
    pub id: String,
    /// Its type.
    pub event_type: String,
    /// Its correlation id.
    pub correlation_id: String,
    /// What caused it.
    pub causation_id: Option<String>,
    /// The node that wrote it.
    pub node: String,
    /// When, by the store's clock.
    pub recorded_at_us: u64,
    /// The version of what it says.
    pub schema_version: u16,
    /// What it says.
    pub payload: Value,
    /// The digest of that, byte for byte.
    pub payload_digest: String,
}

/// By which the same bytes are known.
pub fn digest_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}
