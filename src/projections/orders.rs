//! The view `orders`: every order as the API shows it.
//!
//! | index | partition | order |
//! |---|---|---|
//! | `all` | [`ALL`] | creation |
//! | `by_status` | status | creation |
//! | `by_user` | user id | creation |
//! | `by_user_status` | user id, status | creation |

use std::sync::Arc;

use sagaline_storage::CorrelationId;
use serde::{Deserialize, Serialize};

use crate::canary::planted;
use crate::codec::{CodecError, Sealed};
use crate::domain::{
    Address, Aggregate, Currency, Decimal, Order, OrderEvent, OrderId, OrderItem, OrderStatus,
    Payment, PaymentId, PaymentKind, Placed, ProductId, ProductName, Quantity, UserId, WallTime,
};
use crate::engine::{IndexKey, Projection, Recorded, View};

use super::{ALL, by_age, partition};

/// The projection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Orders;

/// An order as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderDocument {
    /// The order, and its saga.
    pub id: OrderId,
    /// Who ordered.
    pub user_id: UserId,
    /// How far it has come.
    pub status: OrderStatus,
    /// The lines.
    pub items: Vec<OrderItemDocument>,
    /// What they cost together.
    pub total_amount: Decimal,
    /// Of what.
    pub currency: Currency,
    /// Where it goes.
    #[schema(value_type = Address)]
    pub shipping_address: Arc<Address>,
    /// How it is paid.
    pub payment_method: PaymentMethodDocument,
    /// The payment that paid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// Why it was cancelled or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What ties together everything that followed from it.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
    /// When it was placed.
    pub created_at: WallTime,
    /// When something happened to it last.
    pub updated_at: WallTime,
    /// The address under its user's key; whoever is shown the order sees the address or its placeholder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub sealed: Option<Sealed>,
}

/// A line as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderItemDocument {
    /// What.
    pub product_id: ProductId,
    /// What it is called.
    pub product_name: ProductName,
    /// How many.
    pub quantity: Quantity,
    /// What one costs.
    pub price: Decimal,
}

/// A payment method as the API shows it: never with its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PaymentMethodDocument {
    /// `card` or `external`.
    #[serde(rename = "type")]
    pub kind: PaymentKind,
}

impl From<&OrderItem> for OrderItemDocument {
    fn from(item: &OrderItem) -> Self {
        let pieces = if planted("line-shown-at-its-sum") { item.quantity.pieces() } else { 1 };
        Self {
            product_id: item.product_id.clone(),
            product_name: item.product_name.clone(),
            quantity: item.quantity,
            price: Decimal(item.price.checked_mul(pieces.into()).unwrap_or(item.price)),
        }
    }
}

impl OrderDocument {
    fn placed(id: OrderId, placed: &Placed, correlation_id: CorrelationId, at: WallTime) -> Self {
        Self {
            id,
            user_id: placed.user_id,
            status: OrderStatus::Pending,
            items: placed.items.iter().map(OrderItemDocument::from).collect(),
            total_amount: Decimal(placed.total),
            currency: placed.currency,
            shipping_address: placed.shipping_address.clone(),
            payment_method: PaymentMethodDocument { kind: placed.payment_kind },
            payment_id: None,
            reason: None,
            correlation_id,
            created_at: at,
            updated_at: at,
            sealed: None,
        }
    }

    fn apply(&mut self, event: &OrderEvent) {
        match event {
            // A second one under one id cannot be: the aggregate refuses it.
            OrderEvent::OrderPlaced(_) => {}
            OrderEvent::OrderConfirmed { payment_id, .. } => {
                self.status = OrderStatus::Paid;
                self.payment_id = Some(payment_id.clone());
            }
            OrderEvent::OrderCancelled { reason } => self.end(OrderStatus::Cancelled, reason),
            OrderEvent::OrderFailed { reason } => self.end(OrderStatus::Failed, reason),
            OrderEvent::OrderShipped { .. } => self.status = OrderStatus::Shipped,
            OrderEvent::OrderDelivered { .. } => self.status = OrderStatus::Delivered,
        }
    }

    fn end(&mut self, status: OrderStatus, reason: &str) {
        self.status = status;
        self.reason = Some(reason.to_owned());
    }
}

/// The payment event by which an order is `processing`.
const PAYMENT_AUTHORIZED: &str = "PaymentAuthorized";

impl Projection for Orders {
    const NAME: &'static str = "orders";
    const VERSION: u32 = 2;
    const CATEGORIES: &'static [&'static str] = &[Order::CATEGORY, Payment::CATEGORY];

    type Document = OrderDocument;

    /// An order's payment has the order's key.
    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        let envelope = event.envelope();
        let touches = envelope.stream.category() == Order::CATEGORY
            || envelope.event_type.as_str() == PAYMENT_AUTHORIZED;
        if touches { vec![envelope.stream.key().to_owned()] } else { Vec::new() }
    }

    fn apply(
        &self,
        view: &mut View<OrderDocument>,
        event: &Recorded<'_>,
    ) -> Result<(), CodecError> {
        let envelope = event.envelope();
        let (key, at) = (envelope.stream.key(), WallTime(envelope.recorded_at.0));
        let Some(order_event) = event.of::<Order>()? else {
            if let Some(order) = view.get_mut(key)
                && order.status == OrderStatus::Pending
            {
                order.status = OrderStatus::Processing;
                order.updated_at = at;
            }
            return Ok(());
        };
        if let OrderEvent::OrderPlaced(placed) = &order_event {
            let id = OrderId::parse(key).map_err(|error| CodecError {
                event_type: envelope.event_type.to_string(),
                problem: error.to_string(),
            })?;
            let correlation_id = envelope.correlation_id.clone();
            let placed = OrderDocument::placed(id, placed, correlation_id, at);
            view.put(key, OrderDocument { sealed: event.sealed(), ..placed });
        } else if let Some(order) = view.get_mut(key) {
            order.apply(&order_event);
            order.updated_at = at;
        }
        Ok(())
    }

    fn index(&self, key: &str, order: &OrderDocument) -> Vec<IndexKey> {
        let sort = by_age(order.created_at, key);
        let (user, status) = (order.user_id.to_string(), order.status.as_str());
        vec![
            IndexKey::new("all", ALL, sort.clone()),
            IndexKey::new("by_status", partition(&[status]), sort.clone()),
            IndexKey::new("by_user", partition(&[&user]), sort.clone()),
            IndexKey::new("by_user_status", partition(&[&user, status]), sort),
        ]
    }
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
