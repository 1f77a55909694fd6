//! An order: what was bought, and how far it has come.
//!
//! ```text
//! (nothing) ─place─> pending ─confirm─> paid ─ship─> shipped ─deliver─> delivered
//!                       │ cancel            │ cancel once refunded  │           │
//!                       ├──> cancelled <────┴───────────────────────┴───────────┘
//!                       └─give up─> failed
//! ```
//! Between `pending` and `paid` the API shows `processing` while the payment is authorised: that is the
//! payment's state, and the order's stream does not repeat it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::PaymentId;
use super::order_command::{ORDER_KEY_CLAIM_KIND, OrderCommand, PlaceOrder};
use super::order_draft::PaymentKind;
use super::order_event::{OrderEvent, Placed};
use super::order_locks::{LockPolicy, ProductLock};
use super::order_status::OrderStatus;
use super::personal::Personal;
use super::{Aggregate, ClaimIntent};
use crate::canary::planted;

/// Why an order says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// There is one under this id.
    #[error("the order was placed before")]
    AlreadyPlaced,
    /// There is none under this id.
    #[error("there is no such order")]
    NotPlaced,
    /// It is too late or too early.
    #[error("an order that is {status} cannot be {wanted}")]
    WrongStatus {
        /// What it is.
        status: OrderStatus,
        /// What was wanted of it.
        wanted: &'static str,
    },
    /// It was confirmed with another payment.
    #[error("the order was paid by payment {paid_by}, not by {presented}")]
    OtherPayment {
        /// The payment it has.
        paid_by: PaymentId,
        /// The payment it was shown.
        presented: PaymentId,
    },
    /// Its payment is not this one's business.
    #[error("the order is paid {how}, so it cannot be {wanted} this way")]
    PaidOtherwise {
        /// How it is paid.
        how: &'static str,
        /// What was wanted of it.
        wanted: &'static str,
    },
}

/// An order's state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    placed: Option<Arc<Placed>>,
    status: OrderStatus,
    payment_id: Option<PaymentId>,
    end_reason: Option<String>,
}

impl Order {
    /// The order as it was placed; none before that.
    pub fn placed(&self) -> Option<&Placed> {
        self.placed.as_deref()
    }

    /// How far it has come; `pending` also before it is placed.
    pub fn status(&self) -> OrderStatus {
        self.status
    }

    /// The payment that paid it.
    pub fn payment_id(&self) -> Option<&PaymentId> {
        self.payment_id.as_ref()
    }

    /// Why it was cancelled or failed.
    pub fn end_reason(&self) -> Option<&str> {
        self.end_reason.as_deref()
    }

    fn placed_or_refuse(&self) -> Result<&Placed, OrderRefusal> {
        self.placed().ok_or(OrderRefusal::NotPlaced)
    }

    fn place(
        &self,
        order: PlaceOrder,
        locks: LockPolicy,
        now_us: u64,
    ) -> Result<OrderEvent, OrderRefusal> {
        if self.placed.is_some() {
            return Err(OrderRefusal::AlreadyPlaced);
        }
        let PlaceOrder { user_id, details, idempotency_key } = order;
        let request_digest = details.digest();
        let product_locks = ProductLock::of_order(locks.scope, user_id, &details.items);
        let shared_by = if planted("lock-window-halved") { 2 } else { 1 };
        Ok(OrderEvent::OrderPlaced(Placed {
            user_id,
            payment_kind: details.payment_method.kind(),
            items: details.items,
            shipping_address: details.shipping_address,
            currency: details.currency,
            total: details.total,
            idempotency_key,
            request_digest,
            product_locks: product_locks.into(),
            locked_until_us: now_us.saturating_add(locks.window_us / shared_by),
        }))
    }

    fn confirm(
        &self,
        by: PaymentKind,
        presented: PaymentId,
    ) -> Result<Vec<OrderEvent>, OrderRefusal> {
        let placed = self.placed_or_refuse()?;
        self.check_kind(by, "confirmed")?;
        if let Some(paid_by) = self.payment_id.clone() {
            let same = paid_by == presented && self.status == OrderStatus::Paid;
            return if same {
                Ok(vec![])
            } else {
                Err(self.not_confirmed_again(paid_by, presented))
            };
        }
        self.check_status(OrderStatus::Pending, "confirmed")?;
        let paid = match placed.items.first() {
            Some(item) if planted("confirmed-at-the-price-of-one") => item.price,
            _ => placed.total,
        };
        Ok(vec![OrderEvent::OrderConfirmed { paid, payment_id: presented }])
    }

    fn not_confirmed_again(&self, paid_by: PaymentId, presented: PaymentId) -> OrderRefusal {
        if paid_by == presented {
            return OrderRefusal::WrongStatus { status: self.status, wanted: "confirmed" };
        }
        OrderRefusal::OtherPayment { paid_by, presented }
    }

    /// From `from` to cancelled; once cancelled, again nothing.
    fn cancel(&self, from: OrderStatus, reason: String) -> Result<Vec<OrderEvent>, OrderRefusal> {
        self.placed_or_refuse()?;
        if self.status == OrderStatus::Cancelled {
            return Ok(vec![]);
        }
        self.check_status(from, "cancelled")?;
        Ok(vec![OrderEvent::OrderCancelled { reason }])
    }

    /// The money is back: it may have been shipped in the meantime, or before.
    fn cancel_refunded(&self, reason: String) -> Result<Vec<OrderEvent>, OrderRefusal> {
        let from = match self.status {
            OrderStatus::Delivered if planted("delivered-order-stays-when-refunded") => {
                OrderStatus::Paid
            }
            OrderStatus::Shipped | OrderStatus::Delivered => self.status,
            _ => OrderStatus::Paid,
        };
        self.cancel(from, reason)
    }

    fn advance(
        &self,
        from: OrderStatus,
        wanted: &'static str,
        event: OrderEvent,
    ) -> Result<Vec<OrderEvent>, OrderRefusal> {
        self.placed_or_refuse()?;
        if !planted("shipped-whatever-the-status") {
            self.check_status(from, wanted)?;
        }
        Ok(vec![event])
    }

    fn check_kind(&self, by: PaymentKind, wanted: &'static str) -> Result<(), OrderRefusal> {
        match (self.placed_or_refuse()?.payment_kind, by) {
            (PaymentKind::Card, PaymentKind::Card)
            | (PaymentKind::External, PaymentKind::External) => Ok(()),
            (PaymentKind::Card, PaymentKind::External)
                if planted("card-order-confirmed-by-hand") =>
            {
                Ok(())
            }
            (PaymentKind::Card, PaymentKind::External) => {
                Err(OrderRefusal::PaidOtherwise { how: "by card through its saga", wanted })
            }
            (PaymentKind::External, PaymentKind::Card) => {
                Err(OrderRefusal::PaidOtherwise { how: "elsewhere", wanted })
            }
        }
    }

    fn check_status(&self, wants: OrderStatus, wanted: &'static str) -> Result<(), OrderRefusal> {
        if self.status == wants {
            return Ok(());
        }
        Err(OrderRefusal::WrongStatus { status: self.status, wanted })
    }

    /// What the order takes when it is placed. The key comes first: a repeat of a request is told as
    /// such, and not as another order for its own products.
    fn claims_taken(placed: &Placed) -> Vec<ClaimIntent> {
        let key = placed.idempotency_key.as_ref().map(|key| ClaimIntent::Take {
            kind: ORDER_KEY_CLAIM_KIND.to_owned(),
            key: PlaceOrder::key_claim(placed.user_id, key),
        });
        let lock = |lock: &ProductLock| ClaimIntent::Take {
            kind: ProductLock::CLAIM_KIND.to_owned(),
            key: lock.as_str().to_owned(),
        };
        // The lock service was asked before.
        let locks = if planted("lock-without-claim") { &[][..] } else { &placed.product_locks[..] };
        if planted("repeat-told-of-its-own-products") {
            return locks.iter().map(lock).chain(key).collect();
        }
        key.into_iter().chain(locks.iter().map(lock)).collect()
    }

    /// What a pending order gives up at its end: the products, though not before their time; never the
    /// idempotency key, which goes on standing for this order.
    fn claims_given_up(&self) -> Vec<ClaimIntent> {
        let holds = self.status == OrderStatus::Pending || planted("claim-released-twice");
        let Some(placed) = self.placed().filter(|_| holds && !planted("lock-without-claim")) else {
            return Vec::new();
        };
        let at_once = planted("product-lock-released-at-once");
        let free = |lock: &ProductLock| ClaimIntent::ReleaseAt {
            kind: ProductLock::CLAIM_KIND.to_owned(),
            key: lock.as_str().to_owned(),
            at_us: if at_once {
                0
            } else if planted("product-lock-kept") {
                placed.locked_until_us + 3_600_000_000
            } else {
                placed.locked_until_us
            },
        };
        placed.product_locks.iter().map(free).collect()
    }
}

impl Aggregate for Order {
    const CATEGORY: &'static str = "order";
    const PERSONAL: &'static [(&'static str, Personal)] = &[("OrderPlaced", Placed::PERSONAL)];

    type Command = OrderCommand;
    type Event = OrderEvent;
    type Refusal = OrderRefusal;

    fn decide(&self, command: OrderCommand) -> Result<Vec<OrderEvent>, OrderRefusal> {
        match command {
            OrderCommand::Place { order, locks, now_us } => {
                Ok(vec![self.place(*order, locks, now_us)?])
            }
            OrderCommand::Confirm { payment_id } => self.confirm(PaymentKind::Card, payment_id),
            OrderCommand::ConfirmExternal { payment_id } => {
                self.confirm(PaymentKind::External, payment_id)
            }
            OrderCommand::Cancel { reason } => self.cancel(OrderStatus::Pending, reason),
            OrderCommand::Withdraw { reason } => {
                self.check_kind(PaymentKind::External, "cancelled")?;
                self.cancel(OrderStatus::Pending, reason)
            }
            OrderCommand::CancelRefunded { reason } => self.cancel_refunded(reason),
            OrderCommand::GiveUp { reason } => {
                self.check_kind(PaymentKind::External, "given up")?;
                self.advance(OrderStatus::Pending, "given up", OrderEvent::OrderFailed { reason })
            }
            OrderCommand::Ship { by } => {
                let by = match self.placed() {
                    Some(placed) if planted("shipped-by-the-customer") => placed.user_id,
                    _ => by,
                };
                let shipped = OrderEvent::OrderShipped { by: Some(by) };
                self.advance(OrderStatus::Paid, "shipped", shipped)
            }
            OrderCommand::Deliver { by } => {
                let delivered = OrderEvent::OrderDelivered { by: Some(by) };
                self.advance(OrderStatus::Shipped, "delivered", delivered)
            }
        }
    }

    fn evolve(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::OrderPlaced(placed) => self.placed = Some(Arc::new(placed.clone())),
            OrderEvent::OrderConfirmed { payment_id, .. } => {
                self.status = OrderStatus::Paid;
                self.payment_id = Some(payment_id.clone());
            }
            OrderEvent::OrderCancelled { reason } => {
                self.status = OrderStatus::Cancelled;
                self.end_reason = Some(reason.clone());
            }
            OrderEvent::OrderFailed { reason } => {
                self.status = OrderStatus::Failed;
                self.end_reason = Some(reason.clone());
            }
            OrderEvent::OrderShipped { .. } => self.status = OrderStatus::Shipped,
            OrderEvent::OrderDelivered { .. } => self.status = OrderStatus::Delivered,
        }
    }

    fn claims(&self, event: &OrderEvent) -> Vec<ClaimIntent> {
        match event {
            OrderEvent::OrderPlaced(placed) => Self::claims_taken(placed),
            OrderEvent::OrderConfirmed { .. }
            | OrderEvent::OrderCancelled { .. }
            | OrderEvent::OrderFailed { .. } => self.claims_given_up(),
            OrderEvent::OrderShipped { .. } | OrderEvent::OrderDelivered { .. } => Vec::new(),
        }
    }

    fn schema_version(event_type: &str) -> u16 {
        OrderEvent::schema_version(event_type)
    }

    fn upcast(event_type: &str, version: u16, payload: Value) -> Value {
        OrderEvent::upcast(event_type, version, payload)
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
