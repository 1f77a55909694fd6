//! The saga `order-processing`: an order is placed, its money set aside and moved, and it is confirmed.
//!
//! ```text
//! place_order ──> authorize_payment ──> capture_payment ──> confirm_order
//!  compensable     compensable           pivot               retriable
//!  cancel_order    void_payment
//! ```
//! Its id is the order's. `place_order` is part of the append that accepts the order and `confirm_order`
//! of the one that ends the saga, so an order costs two calls and three durable writes.

use std::time::Duration;

use crate::domain::{LockPolicy, PlaceOrder};
use crate::engine::{Definition, Step};
use crate::saga::{DefinitionError, Policy};

use super::gateway::Gateway;
use super::steps::{AuthorizePayment, CapturePayment, ConfirmOrder, PlaceOrderStep};

/// The saga's name.
pub const ORDER_PROCESSING: &str = "order-processing";

/// An order that cannot be paid for this long is cancelled.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The definition. The lock policy and the gateway are not part of its hash: they may change while
/// orders are in flight.
pub fn order_processing<G: Gateway>(
    gateway: G,
    locks: LockPolicy,
) -> Result<Definition<PlaceOrder>, DefinitionError> {
    Definition::new(ORDER_PROCESSING)
        .compensable(PlaceOrderStep { locks })
        .compensable(AuthorizePayment { gateway: gateway.clone() })
        .after_step(PlaceOrderStep::NAME)
        .revocable_pivot(CapturePayment { gateway })
        .after_step(AuthorizePayment::<G>::NAME)
        .retriable(ConfirmOrder)
        .after_step(CapturePayment::<G>::NAME)
        .retry(payment_policy())
        .deadline(DEADLINE)
        .personal(PlaceOrder::PERSONAL)
        .build()
}

/// How the gateway is asked. Two dozen attempts ride out a gateway that is down for some minutes; an undo
/// that fails for a quarter of a minute needs a person, and the sooner they know the better.
pub(super) fn payment_policy() -> Policy {
    Policy {
        attempts: 24,
        compensation_attempts: 8,
        backoff_min_ms: 100,
        backoff_max_ms: 10_000,
        attempt_timeout_ms: 3_000,
        deadline_ms: None,
        retried_rejections: Vec::new(),
    }
}
