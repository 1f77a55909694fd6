//! What was asked of the bank and the services of a user's sagas, as they saw it and as the nodes did, and
//! what they did.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// A call that left a node for a participant, as the node saw it: those that were lost on their way are here
/// too, those that never left are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentCall {
    /// Which node.
    pub by: Machine,
    /// The participant's host and port, as they were called.
    pub to: String,
    /// The idempotency key.
    pub key: String,
    /// The epoch it was made under.
    pub epoch: u64,
    /// When it left.
    pub sent_at_us: u64,
    /// When the answer began to come, and its status; none: there was none.
    pub answer: Option<(u64, u16)>,
}

/// A connection to a participant that a node could not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreached {
    /// Which node.
    pub by: Machine,
    /// The participant's host and port, as in [`SentCall`].
    pub to: String,
    /// When that was known.
    pub at_us: u64,
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
    /// What it called that, or the code of its no: of a first answer alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
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
