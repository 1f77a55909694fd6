//! What everybody was shown when all had come to rest, and of lists before; and what became of views that were
//! built anew.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Answer;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Without a token.
    Nobody,
    /// With an account.
    Customer,
    /// Who sells.
    Merchant,
    /// Who operates.
    Admin,
}

/// Who looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Who {
    /// What they may do.
    pub role: Role,
    /// Their id; empty: nobody's.
    pub user: String,
}

/// One request to a node at rest, or of one page of a list, and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Who asked.
    pub who: Who,
    /// Which list it is a page of, when it is one: its pages follow each other.
    pub list: Option<u32>,
    /// `GET /orders?limit=7`, with ids as they were sent.
    pub request: String,
    /// What was sent.
    pub body: Value,
    /// `Prefer: wait`, in seconds.
    pub wait_s: Option<u32>,
    /// When it was sent.
    pub sent_at_us: u64,
    /// When the answer was there.
    pub ended_at_us: u64,
    /// The answer; none: there was none.
    pub answer: Option<Answer>,
}

/// A view that was built anew takes the place of the one that answered until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Swap {
    /// When the store was asked for it.
    pub at_us: u64,
    /// The view.
    pub view: String,
    /// How far the one before had come in the log; none: nowhere.
    pub before: Option<u64>,
    /// How far the new one has come.
    pub after: Option<u64>,
}
