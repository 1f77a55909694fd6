//! The saga `order-refund`: the money of a paid order is given back, and the order is cancelled.
//!
//! ```text
//! refund_payment ──> cancel_refunded
//!  pivot              retriable
//! ```
//! It is a saga of its own, behind the pivot of [`super::order_processing()`]. There is one for an order: it
//! is started under the order's id as its idempotency key.

use serde::{Deserialize, Serialize};

use crate::domain::{PaymentTerms, UserId};
use crate::engine::{Definition, Step};
use crate::saga::DefinitionError;

use super::gateway::Gateway;
use super::order_processing::payment_policy;
use super::steps::{CancelRefunded, RefundPayment};

/// The saga's name.
pub const ORDER_REFUND: &str = "order-refund";

/// The saga's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundOrder {
    /// Whose order it is: the saga is shown to them.
    pub user_id: UserId,
    /// What is given back.
    pub terms: PaymentTerms,
    /// Why.
    pub reason: String,
}

/// The definition.
pub fn order_refund<G: Gateway>(gateway: G) -> Result<Definition<RefundOrder>, DefinitionError> {
    Definition::new(ORDER_REFUND)
        .pivot(RefundPayment { gateway })
        .retriable(CancelRefunded)
        .after_step(RefundPayment::<G>::NAME)
        .retry(payment_policy())
        .build()
}
