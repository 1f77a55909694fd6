//! What a run leaves behind: what everybody saw and when, in simulated microseconds of the world's own
//! clock. The oracles judge nothing else. No type of the product is used here: what the product says is
//! text and JSON, as any client gets it.

mod bus;
mod clients;
mod handed;
mod locks;
mod looks;
mod machines;
mod participants;
mod readings;
mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::FaultKind;
use crate::plan::Plan;

pub use bus::{BusEntry, BusWhat, PAYLOAD};
pub use clients::{Answer, Call, Subscriber};
pub use handed::{Came, Handed};
pub use locks::{LockCall, LockWhat};
pub use looks::{Look, Role, Swap, Who};
pub use machines::{Power, PowerChange, ShardChange, Stop};
pub use participants::{BankEffect, BankEntry, Effect, Life, RemoteCall, SentCall, Unreached};
pub use readings::{Begins, Given, Reading, Wanted};
pub use store::{
    Answered, AppendResult, Expected, LogEntry, StoreAnswer, StoreCall, StoreWhat, Write, digest_of,
};

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
    /// Calls that left nodes for the bank and for these services, in the order in which they left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<SentCall>,
    /// Connections to the bank and to these services that nodes could not open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreached: Vec<Unreached>,
    /// The places of the lives of sagas that were watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lives: Vec<Life>,
    /// What was published to the bus and handed to consumers.
    pub bus: Vec<BusEntry>,
    /// What the store told of while a power loss could still have taken it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_risk: Vec<String>,
    /// Answers of the store that are judged by what it had when it gave them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub store_answers: Vec<StoreAnswer>,
    /// In what the store contradicts itself at the end: its indexes and its log, the log and its chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<String>,
    /// What everybody was shown when all had come to rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
    /// Pages of lists that were gone through while faults were on, in the order in which they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub walks: Vec<Look>,
    /// Views that were built anew and took the place of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swaps: Vec<Swap>,
    /// Documents of the views at the end: view, key, document.
    pub documents: Vec<(String, String, Value)>,
    /// What subscribers saw, in the order in which they saw it.
    pub subscribers: Vec<Subscriber>,
    /// What the readers of the nodes were given, life by life.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
    /// Events that the consumer group was handed, in the order in which that was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handed: Vec<Handed>,
    /// Shards as the nodes said they took and left them.
    pub shards: Vec<ShardChange>,
    /// Machines as they were switched on, failed, stood still and went on; without it nobody can tell a
    /// node that forgot a shard from one that never knew it.
    #[serde(default)]
    pub power: Vec<PowerChange>,
    /// Nodes that were told to end in good order while faults were on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<Stop>,
    /// What nodes said of themselves at the end that must never be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confessed: Vec<String>,
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
