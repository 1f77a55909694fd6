//! The payment gateway: the participant that moves money.
//!
//! The saga's steps call it; it knows nothing of sagas but what every participant is told: an idempotency
//! key and a fencing epoch. What it promises, whichever it is (the *barrier*):
//!
//! 1. A key that was answered before gets its first answer again, whatever has happened since.
//! 2. A call under an older epoch than the payment has seen of the same saga is refused: epochs belong to
//!    the saga's shard. The saga is what stands before the key's first `/`.
//! 3. Letting a payment go that was never authorised leaves a tombstone: an authorisation that arrives
//!    later is refused, and so is a capture.
//! 4. Only what was authorised and not let go can be captured, once; only what was captured can be
//!    refunded, once.
//! 5. An answer is durable before it is given.

mod book;
mod entry;
mod ledger;
mod ledger_file;
mod mishap;

mod fake;
mod http;

use std::fmt;
use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::domain::{Currency, Money, OrderId};
use crate::engine::{Outcome, Probe};

pub use entry::{EntryKind, LedgerEntry};
pub use fake::{FakeGateway, FakeSettings};
pub use http::{BadGatewayUrl, HttpGateway};
pub use ledger::{Ledger, LedgerError};

/// What a gateway can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Set the money aside.
    Authorize,
    /// Move the money that was set aside.
    Capture,
    /// Let the money go that was set aside, or see to it that it never is.
    Void,
    /// Give back the money that was moved.
    Refund,
}

impl Operation {
    /// Its word, in addresses and ledgers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One call to a gateway.
#[derive(Debug, Clone, Copy)]
pub struct PaymentCall<'a> {
    /// The same for every attempt at one operation on one payment, and for nothing else.
    pub key: &'a str,
    /// The caller's fencing epoch.
    pub epoch: u64,
    /// Which payment: there is one for an order.
    pub order_id: OrderId,
    /// How much. A capture and a refund are of the whole amount.
    pub amount: Money,
    /// Of what.
    pub currency: Currency,
    /// What the gateway knows the card by; none: its default.
    pub token: Option<&'a str>,
    /// The request that set this in motion.
    pub correlation_id: &'a str,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
}

/// A gateway's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The gateway's name for what it did.
    pub reference: String,
}

/// A payment gateway.
pub trait Gateway: Clone + Send + Sync + 'static {
    /// Does `operation`. `Rejected`: it did not, and never will under this key. `Unknown`: it may have;
    /// ask again under the same key, or probe.
    fn request(
        &self,
        operation: Operation,
        call: &PaymentCall<'_>,
    ) -> impl Future<Output = Outcome<Receipt>> + Send;

    /// Whether the operation under `call.key` took effect. It changes nothing.
    fn probe(&self, call: &PaymentCall<'_>) -> impl Future<Output = Probe<Receipt>> + Send;
}

#[cfg(test)]
mod fake_tests;
