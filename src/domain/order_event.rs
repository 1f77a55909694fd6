//! What can happen to an order. Stored: names and fields never change, shapes change by upcasters.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address::Address;
use super::ids::{IdempotencyKey, PaymentId, UserId};
use super::money::{Currency, Money};
use super::order_draft::{PaymentKind, RequestDigest};
use super::order_items::OrderItem;
use super::order_locks::ProductLock;
use super::personal::{Personal, PersonalField, Subject};

/// What can happen to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum OrderEvent {
    /// It exists.
    OrderPlaced(Placed),
    /// It is paid.
    OrderConfirmed {
        /// How much.
        #[serde(rename = "paidMinor")]
        paid: Money,
        /// By which payment.
        payment_id: PaymentId,
    },
    /// It ended without goods or money changing hands for good.
    OrderCancelled {
        /// Why.
        reason: String,
    },
    /// It ended because nobody paid it.
    OrderFailed {
        /// Why.
        reason: String,
    },
    /// It is on its way.
    OrderShipped {
        /// Who says so; orders that were shipped under version 1 do not tell.
        by: Option<UserId>,
    },
    /// It has arrived.
    OrderDelivered {
        /// Who says so; orders that were delivered under version 1 do not tell.
        by: Option<UserId>,
    },
}

impl OrderEvent {
    /// The schema version under which an event of this type is written.
    ///
    /// | type | version | what changed |
    /// |---|---|---|
    /// | `OrderPlaced` | 2 | what is personal stands under its user's key |
    /// | `OrderShipped`, `OrderDelivered` | 2 | `by`: who says so |
    pub(super) fn schema_version(event_type: &str) -> u16 {
        match event_type {
            "OrderPlaced" | "OrderShipped" | "OrderDelivered" => 2,
            _ => 1,
        }
    }

    /// Lifts a payload of `version` to the next one.
    pub(super) fn upcast(event_type: &str, version: u16, mut payload: Value) -> Value {
        if let ("OrderShipped" | "OrderDelivered", 1) = (event_type, version) {
            payload["by"] = Value::Null;
        }
        payload
    }
}

/// An order as it was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// Who ordered.
    pub user_id: UserId,
    /// What.
    pub items: Arc<[OrderItem]>,
    /// Where it goes.
    pub shipping_address: Arc<Address>,
    /// What the amounts are in.
    pub currency: Currency,
    /// What the items cost together.
    #[serde(rename = "totalMinor")]
    pub total: Money,
    /// How it is paid; the token stays with the saga.
    pub payment_kind: PaymentKind,
    /// The request's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// The request's content, to tell a repeat from another request of the same name.
    pub request_digest: RequestDigest,
    /// The locks it holds.
    pub product_locks: Arc<[ProductLock]>,
    /// They are held at least until then, in microseconds of wall time.
    pub locked_until_us: u64,
}

impl Placed {
    /// The digest too: whoever guesses an address could tell by it whether the guess is right.
    pub(super) const PERSONAL: Personal = Personal {
        subject: Subject::Field("/userId"),
        fields: &[
            PersonalField { at: "/shippingAddress", forgotten: Address::FORGOTTEN },
            PersonalField { at: "/requestDigest", forgotten: r#""forgotten""# },
        ],
    };
}
