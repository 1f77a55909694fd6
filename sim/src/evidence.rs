//! What a run leaves behind: what everybody saw and when, in simulated microseconds of the world's own
//! clock. The oracles judge nothing else. No type of the product is used here: what the product says is
//! text and JSON, as any client gets it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::FaultKind;
use crate::machine::Machine;
use crate::plan::Plan;

/// Everything about a finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// What was planned.
    pub plan: Plan,
    /// HTTP requests of the clients.
    pub calls: Vec<Call>,
    /// Requests to the store, as those who made them saw them.
    pub store_calls: Vec<StoreCall>,
    /// Requests to the lock service, as those who made them saw them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock_calls: Vec<LockCall>,
    /// The log as the healed store has it at the end.
    pub log: Vec<LogEntry>,
    /// Claims held at the end: kind, key, and the stream that holds it.
    pub claims: Vec<(String, String, String)>,
    /// The bank's own ledger.
    pub bank: Vec<BankEntry>,
    /// What the remote services of a user's sagas were asked, and what they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remotes: Vec<RemoteCall>,
    /// The places of the lives of sagas that were watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lives: Vec<Life>,
    /// What was published to the bus and handed to consumers.
    pub bus: Vec<BusEntry>,
    /// What the store told of while a power loss could still have taken it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_risk: Vec<String>,
    /// In what the store contradicts itself at the end: its indexes and its log, the log and its chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<String>,
    /// Documents of the views at the end: view, key, document.
    pub documents: Vec<(String, String, Value)>,
    /// What subscribers saw, in the order in which they saw it.
    pub subscribers: Vec<Subscriber>,
    /// Shards as the nodes said they took and left them.
    pub shards: Vec<ShardChange>,
    /// Machines as they were switched on, failed, stood still and went on; without it nobody can tell a
    /// node that forgot a shard from one that never knew it.
    #[serde(default)]
    pub power: Vec<PowerChange>,
    /// What was still there when everything had been switched off in good order.
    pub leaks: Vec<String>,
    /// How often each kind of fault mattered.
    pub bites: BTreeMap<FaultKind, u64>,
    /// When the chaos began, when the world was healed, when it came to rest (none: it did not in time).
    pub phases: Phases,
    /// What the liveness phase still found undone when its time was up; empty: everything was done.
    pub undone: Vec<String>,
    /// Panics and other ends of processes that nobody planned.
    pub crashes: Vec<String>,
}

/// The moments of a run, in simulated microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phases {
    /// The chaos begins.
    pub chaos_at_us: u64,
    /// The faults end for good.
    pub healed_at_us: u64,
    /// Everything is done.
    pub quiet_at_us: Option<u64>,
}

/// One HTTP request of a client, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The planned operation; several calls when the client tried again.
    pub operation: u32,
    /// Whose.
    pub customer: u32,
    /// To whom it went.
    pub to: Machine,
    /// `POST /orders`, with ids as they were sent.
    pub request: String,
    /// Its idempotency key.
    pub key: Option<String>,
    /// What was sent.
    pub body: Value,
    /// When it was sent.
    pub sent_at_us: u64,
    /// When the answer was there, or the client gave up.
    pub ended_at_us: u64,
    /// The answer; none: there was none, and what was asked for may or may not have happened.
    pub answer: Option<Answer>,
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Whether it said that it repeats an earlier answer.
    pub replayed: bool,
    /// Which node answered, as it says.
    pub node: Option<String>,
    /// The body.
    pub body: Value,
}

/// One request to the lock service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockCall {
    /// What is locked.
    pub resource: String,
    /// Who asked.
    pub holder: String,
    /// When it was sent.
    pub sent_at_us: u64,
    /// When the answer was there, or the asker gave up or died.
    pub ended_at_us: u64,
    /// How long the lease was to last.
    pub ttl_us: u64,
    /// What was asked and answered.
    pub what: LockWhat,
}

/// What was asked of the lock service, and what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "what")]
pub enum LockWhat {
    /// The lock, for so long.
    Acquire {
        /// The lease's token; none: it was not given, or nobody knows.
        token: Option<u64>,
    },
    /// The same lease for longer.
    Renew {
        /// The lease's token.
        token: u64,
        /// Whether it still was the holder's; none: no answer.
        held: Option<bool>,
    },
    /// To give it up.
    Release {
        /// The lease's token.
        token: u64,
        /// Whether it still was the holder's; none: no answer.
        held: Option<bool>,
    },
}

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
    /// A read of one stream, forward from a version.
    ReadStream {
        /// The stream.
        stream: String,
        /// The first version wanted.
        from: u64,
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
    /// What it says.
    pub payload: Value,
}

/// One line of the bank's ledger: a request it acted on or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BankEntry {
    /// From 1.
    pub seq: u64,
    /// When.
    pub at_us: u64,
    /// Who asked.
    pub by: Machine,
    /// The idempotency key: saga, step and direction.
    pub key: String,
    /// The epoch it was asked under.
    pub epoch: u64,
    /// The order.
    pub order: String,
    /// `authorize`, `capture`, `void`, `refund`, or the path of another participant's call.
    pub operation: String,
    /// How much, in minor units.
    pub amount_minor: u64,
    /// What the bank did.
    pub effect: BankEffect,
}

/// What the bank did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BankEffect {
    /// It took effect now.
    Done,
    /// The key was answered before: the first answer again.
    Repeated,
    /// There was nothing to undo; a tombstone was left.
    Tombstone,
    /// A business no.
    Declined,
    /// Refused: older epoch, or a tombstone was there.
    Refused,
    /// It was asked whether the key took effect.
    Probed,
    /// It was not looked at: the bank was too busy, or lost it.
    TurnedAway,
}

/// A request that came to a remote service of a user's sagas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteCall {
    /// When.
    pub at_us: u64,
    /// Who asked.
    pub by: Machine,
    /// The service, by its host name.
    pub remote: String,
    /// `POST /book`.
    pub request: String,
    /// The idempotency key.
    pub key: Option<String>,
    /// The epoch it was asked under.
    pub epoch: Option<u64>,
    /// The saga's correlation id.
    pub correlation: Option<String>,
    /// What it said.
    pub status: u16,
    /// What it did; none: it does not say.
    pub effect: Option<Effect>,
}

/// What a remote service did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "effect")]
pub enum Effect {
    /// An action took effect now.
    Done {
        /// Under this key.
        key: String,
    },
    /// The effect of an action was taken back now.
    Undone {
        /// The action's key.
        of: String,
    },
    /// There was nothing to take back, and from now on there never will be.
    Tombstone {
        /// The action's key.
        of: String,
    },
    /// The first answer again.
    Repeated {
        /// To this key.
        key: String,
    },
    /// A business no.
    Declined {
        /// To this key.
        key: String,
    },
    /// An older epoch, or an action behind its undo.
    Refused {
        /// Under this key.
        key: String,
    },
    /// Somebody asked whether it happened.
    Probed {
        /// What happened under this key.
        key: String,
    },
    /// A request that no sound saga sends.
    Wrong {
        /// What is wrong with it, without ids.
        what: String,
        /// The request.
        detail: String,
    },
}

/// The life of a saga that was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// The saga's correlation id.
    pub saga: String,
    /// How many places it has passed at which its node could have died.
    pub places: u32,
    /// The place at which its node was to die.
    pub dies_at: Option<u32>,
    /// Whether it did.
    pub died: bool,
}

/// One step of a message's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BusEntry {
    /// When.
    pub at_us: u64,
    /// The topic.
    pub topic: String,
    /// The message's id: the event's.
    pub message: String,
    /// Its key.
    pub key: String,
    /// What happened.
    pub what: BusWhat,
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "what")]
pub enum BusWhat {
    /// It was kept by the bus.
    Published {
        /// By whom.
        by: Machine,
    },
    /// It was handed to a member of a group.
    Delivered {
        /// The group.
        group: String,
    },
    /// A consumer of the simulation acted on it.
    Acted {
        /// The group.
        group: String,
    },
}

/// A reader that follows the log from somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscriber {
    /// Its name.
    pub name: String,
    /// Behind which position it began.
    pub after: u64,
    /// Positions and ids as they came.
    pub seen: Vec<(u64, String)>,
}

/// A shard that changed hands, as a node saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardChange {
    /// When.
    pub at_us: u64,
    /// Which node.
    pub node: Machine,
    /// The shard.
    pub shard: u32,
    /// Its epoch.
    pub epoch: u64,
    /// Whether it was taken, or left.
    pub taken: bool,
}

/// A machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PowerChange {
    /// When.
    pub at_us: u64,
    /// Which machine.
    pub machine: Machine,
    /// What happened to it.
    pub what: Power,
}

/// What happens to a machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Power {
    /// It was switched on, first or again: it knows only what is on its disk.
    Booted,
    /// Its processes ended.
    Crashed,
    /// Nothing runs on it any more.
    Paused,
    /// It goes on where it stood.
    Resumed,
}
