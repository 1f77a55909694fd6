//! What can be asked of an order.

use serde::{Deserialize, Serialize};

use crate::canary::planted;

use super::address::Address;
use super::ids::{IdempotencyKey, PaymentId, UserId};
use super::order_draft::OrderDetails;
use super::order_locks::LockPolicy;
use super::personal::{Personal, PersonalField, Subject};

/// The kind of the claims that make an idempotency key, scoped to its user, stand for one order.
pub const ORDER_KEY_CLAIM_KIND: &str = "order-key";

/// A checked request of a known user. Also the input of the saga that pays, so it holds nothing that
/// another request of the same content would not: a repeat is told by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// Who orders.
    pub user_id: UserId,
    /// What.
    pub details: OrderDetails,
    /// The request's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
}

impl PlaceOrder {
    /// Of an order that goes nowhere any more its saga still moves the money.
    pub const PERSONAL: Personal = Personal {
        subject: Subject::Field("/userId"),
        fields: &[PersonalField { at: "/details/shippingAddress", forgotten: Address::FORGOTTEN }],
    };

    /// The key of the claim that makes `key` of `user` stand for one order.
    pub fn key_claim(user: UserId, key: &IdempotencyKey) -> String {
        if planted("key-of-any-customer") {
            return key.to_string();
        }
        format!("{user}/{key}")
    }
}

/// What can be asked of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderCommand {
    /// It comes into being.
    Place {
        /// What is asked for.
        order: Box<PlaceOrder>,
        /// How its products are locked.
        locks: LockPolicy,
        /// When, in microseconds of wall time.
        now_us: u64,
    },
    /// Its saga has captured the money.
    Confirm {
        /// The payment.
        payment_id: PaymentId,
    },
    /// A merchant says that it was paid elsewhere.
    ConfirmExternal {
        /// The payment, by its name there.
        payment_id: PaymentId,
    },
    /// Its saga goes back.
    Cancel {
        /// Why.
        reason: String,
    },
    /// A person takes back an order that was to be paid elsewhere, and was not yet.
    Withdraw {
        /// Why.
        reason: String,
    },
    /// Its money was given back.
    CancelRefunded {
        /// Why.
        reason: String,
    },
    /// Nobody will pay it any more.
    GiveUp {
        /// Why.
        reason: String,
    },
    /// It is on its way.
    Ship {
        /// Who says so.
        by: UserId,
    },
    /// It has arrived.
    Deliver {
        /// Who says so.
        by: UserId,
    },
}
