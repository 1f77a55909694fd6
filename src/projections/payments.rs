//! The view `payments`: what is known of every payment. Its key is the payment's id, which is the order's.
//!
//! | index | partition | order |
//! |---|---|---|
//! | `all` | [`ALL`] | creation |
//! | `by_order` | order id | creation |
//! | `by_status` | status | creation |

use sagaline_storage::CorrelationId;
use serde::{Deserialize, Serialize};

use crate::codec::CodecError;
use crate::domain::{
    Aggregate, Currency, Decimal, Money, OrderId, Payment, PaymentEvent, PaymentStatus, WallTime,
};
use crate::engine::{IndexKey, Projection, Recorded, View};

use super::{ALL, by_age, partition};

/// The projection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Payments;

/// A payment as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentDocument {
    /// The payment.
    pub id: String,
    /// Its order.
    pub order_id: OrderId,
    /// Where its money is.
    pub status: PaymentStatus,
    /// How much it is about.
    pub amount: Decimal,
    /// Of what.
    pub currency: Currency,
    /// How much has moved.
    pub captured_amount: Decimal,
    /// How much was given back.
    pub refunded_amount: Decimal,
    /// The gateway's name for the last thing it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The gateway's code, when it said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// The gateway's words, when it said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<String>,
    /// What ties it to its order's request.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
    /// When the gateway answered first.
    pub created_at: WallTime,
    /// When it answered last.
    pub updated_at: WallTime,
}

impl PaymentDocument {
    /// A payment that an event brings into being; none when the event only changes one.
    fn new(
        key: &str,
        event: &PaymentEvent,
        correlation_id: &CorrelationId,
        at: WallTime,
    ) -> Option<Self> {
        let (order_id, amount, currency) = match event {
            PaymentEvent::PaymentAuthorized { order_id, amount, currency, .. }
            | PaymentEvent::PaymentDeclined { order_id, amount, currency, .. }
            | PaymentEvent::PaymentCaptured { order_id, amount, currency, .. } => {
                (*order_id, *amount, *currency)
            }
            PaymentEvent::PaymentVoided {} | PaymentEvent::PaymentRefunded { .. } => return None,
        };
        Some(Self {
            id: key.to_owned(),
            order_id,
            status: PaymentStatus::Pending,
            amount: Decimal(amount),
            currency,
            captured_amount: Decimal(Money::ZERO),
            refunded_amount: Decimal(Money::ZERO),
            reference: None,
            decline_code: None,
            decline_reason: None,
            correlation_id: correlation_id.clone(),
            created_at: at,
            updated_at: at,
        })
    }

    fn apply(&mut self, event: PaymentEvent) {
        match event {
            PaymentEvent::PaymentAuthorized { reference, .. } => {
                self.status = PaymentStatus::Processing;
                self.reference = Some(reference);
            }
            PaymentEvent::PaymentDeclined { code, reason, .. } => {
                self.status = PaymentStatus::Failed;
                self.decline_code = Some(code);
                self.decline_reason = Some(reason);
            }
            PaymentEvent::PaymentCaptured { amount, reference, .. } => {
                self.status = PaymentStatus::Completed;
                self.captured_amount = Decimal(amount);
                self.reference = Some(reference);
            }
            PaymentEvent::PaymentVoided {} => self.status = PaymentStatus::Failed,
            PaymentEvent::PaymentRefunded { amount, reference } => {
                self.status = PaymentStatus::Refunded;
                self.refunded_amount = Decimal(amount);
                self.reference = Some(reference);
            }
        }
    }
}

impl Projection for Payments {
    const NAME: &'static str = "payments";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &[Payment::CATEGORY];

    type Document = PaymentDocument;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        vec![event.envelope().stream.key().to_owned()]
    }

    fn apply(
        &self,
        view: &mut View<PaymentDocument>,
        event: &Recorded<'_>,
    ) -> Result<(), CodecError> {
        let envelope = event.envelope();
        let (key, at) = (envelope.stream.key(), WallTime(envelope.recorded_at.0));
        let Some(payment_event) = event.of::<Payment>()? else { return Ok(()) };
        if view.get(key).is_none() {
            let new = PaymentDocument::new(key, &payment_event, &envelope.correlation_id, at);
            let Some(new) = new else { return Ok(()) };
            view.put(key, new);
        }
        if let Some(payment) = view.get_mut(key) {
            payment.apply(payment_event);
            payment.updated_at = at;
        }
        Ok(())
    }

    fn index(&self, key: &str, payment: &PaymentDocument) -> Vec<IndexKey> {
        let sort = by_age(payment.created_at, key);
        let order = payment.order_id.to_string();
        vec![
            IndexKey::new("all", ALL, sort.clone()),
            IndexKey::new("by_order", partition(&[&order]), sort.clone()),
            IndexKey::new("by_status", partition(&[payment.status.as_str()]), sort),
        ]
    }
}

#[cfg(test)]
#[path = "payments_tests.rs"]
mod tests;
