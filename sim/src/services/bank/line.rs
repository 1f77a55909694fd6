//! What the bank is asked, and the lines of its ledger. Independent of the product's own gateway: the
//! oracles of money judge by what is written here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::{BankEffect, BankEntry};
use crate::machine::Machine;

/// What a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Operation {
    /// Set money aside.
    Authorize,
    /// Move what was set aside.
    Capture,
    /// Let go what was set aside, or see to it that it never is.
    Void,
    /// Give back what was moved.
    Refund,
    /// An action of another participant.
    Act,
    /// The undo of such an action, under the action's own key.
    Undo,
}

/// A request, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) by: Machine,
    pub(super) operation: Operation,
    /// The last part of the address: `authorize`, or a participant's name.
    pub(super) path: String,
    pub(super) key: String,
    pub(super) epoch: u64,
    /// The order, or what else the request is about.
    pub(super) order: String,
    pub(super) amount_minor: u64,
    pub(super) token: String,
    /// What was sent, for other participants.
    pub(super) body: String,
}

/// What is said to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// JSON.
    pub(super) body: String,
}

/// The first answer to a key, as the disk keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at_us: u64,
    pub(super) by: Machine,
    pub(super) operation: Operation,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) epoch: u64,
    pub(super) order: String,
    pub(super) amount_minor: u64,
    pub(super) effect: BankEffect,
    pub(super) reply: Reply,
}

impl Reply {
    pub(super) fn yes(reference: &str) -> Self {
        Self { status: 200, body: format!(r#"{{"reference":"{reference}"}}"#) }
    }

    pub(super) fn no(status: u16, code: &str, reason: &str) -> Self {
        Self { status, body: format!(r#"{{"error":"{code}","detail":"{reason}"}}"#) }
    }

    /// The name of what was done, or the code of a no.
    fn said(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        let said = body.get("reference").or_else(|| body.get("error"))?;
        said.as_str().map(str::to_owned)
    }

    /// Whether what was asked for happened.
    pub(super) fn is_yes(&self) -> bool {
        self.status == 200
    }
}

impl Asked {
    /// What the witness is told of this request.
    pub(super) fn entry(&self, at_us: u64, amount_minor: u64, effect: BankEffect) -> BankEntry {
        BankEntry {
            seq: 0,
            at_us,
            by: self.by,
            key: self.key.clone(),
            epoch: self.epoch,
            order: self.order.clone(),
            operation: self.path.clone(),
            amount_minor,
            effect,
            said: None,
        }
    }
}

impl Line {
    /// What the witness is told of this line.
    pub(super) fn entry(&self) -> BankEntry {
        BankEntry {
            seq: 0,
            at_us: self.at_us,
            by: self.by,
            key: self.key.clone(),
            epoch: self.epoch,
            order: self.order.clone(),
            operation: self.path.clone(),
            amount_minor: self.amount_minor,
            effect: self.effect,
            said: self.reply.said(),
        }
    }
}
