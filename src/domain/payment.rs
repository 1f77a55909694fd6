//! The payment of one order, as its gateway's answers tell it. The gateway is the truth about the money;
//! this is what we know of it.
//!
//! ```text
//! pending ─authorize─> processing ─capture─> completed ─refund─> refunded
//!    └─decline─> failed <─decline, void─┘
//! ```

use serde::{Deserialize, Serialize};

use super::Aggregate;
use super::ids::{OrderId, PaymentId};
use super::invalid::Invalid;
use super::money::{Currency, Money};
use crate::canary::planted;

/// A payment's status, in the words of the API.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum PaymentStatus {
    /// Nothing is known of it.
    #[default]
    Pending,
    /// Authorised: the money is set aside.
    Processing,
    /// Captured: the money has moved.
    Completed,
    /// Declined or voided: the money never moved.
    Failed,
    /// The money was given back.
    Refunded,
}

impl PaymentStatus {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
        }
    }
}

impl PaymentStatus {
    const ALL: [Self; 5] =
        [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Refunded];

    /// Reads its word.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == word);
        known.ok_or_else(|| {
            Invalid::text(word, format!("one of {}", Self::ALL.map(Self::as_str).join(", ")))
        })
    }
}

impl std::fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentTerms {
    /// For which order.
    pub order_id: OrderId,
    /// How much.
    #[serde(rename = "amountMinor")]
    pub amount: Money,
    /// Of what.
    pub currency: Currency,
}

/// What the gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentCommand {
    /// It set the money aside.
    Authorize {
        /// What is paid.
        terms: PaymentTerms,
        /// The gateway's name for it.
        reference: String,
    },
    /// It said no, to the authorisation or to the capture.
    Decline {
        /// What is paid.
        terms: PaymentTerms,
        /// The gateway's code.
        code: String,
        /// The gateway's words.
        reason: String,
    },
    /// It moved the money.
    Capture {
        /// What is paid.
        terms: PaymentTerms,
        /// The gateway's name for it.
        reference: String,
    },
    /// It let the money go, or will never set it aside.
    Void,
    /// It gave the money back.
    Refund {
        /// The gateway's name for it.
        reference: String,
    },
}

/// What can happen to a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum PaymentEvent {
    /// The money is set aside.
    PaymentAuthorized {
        /// For which order.
        order_id: OrderId,
        /// How much.
        #[serde(rename = "amountMinor")]
        amount: Money,
        /// Of what.
        currency: Currency,
        /// The gateway's name for it.
        reference: String,
    },
    /// The gateway said no.
    PaymentDeclined {
        /// For which order.
        order_id: OrderId,
        /// How much.
        #[serde(rename = "amountMinor")]
        amount: Money,
        /// Of what.
        currency: Currency,
        /// The gateway's code.
        code: String,
        /// The gateway's words.
        reason: String,
    },
    /// The money has moved.
    PaymentCaptured {
        /// For which order.
        order_id: OrderId,
        /// How much.
        #[serde(rename = "amountMinor")]
        amount: Money,
        /// Of what.
        currency: Currency,
        /// The gateway's name for it.
        reference: String,
    },
    /// The money is no longer set aside.
    PaymentVoided {},
    /// The money was given back.
    PaymentRefunded {
        /// How much.
        #[serde(rename = "amountMinor")]
        amount: Money,
        /// The gateway's name for it.
        reference: String,
    },
}

/// Why an answer does not fit what is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a payment that is {status} cannot be {wanted}")]
pub struct PaymentRefusal {
    /// What it is.
    pub status: PaymentStatus,
    /// What was wanted of it.
    pub wanted: &'static str,
}

/// A payment's state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    status: PaymentStatus,
    /// The money that is set aside at the gateway.
    #[serde(rename = "heldMinor")]
    held: Option<Money>,
    /// The money that has moved.
    #[serde(rename = "capturedMinor")]
    captured: Money,
    /// The money that was given back; never more than was captured.
    #[serde(rename = "refundedMinor")]
    refunded: Money,
}

impl Payment {
    /// Its stream's key.
    pub fn key(order: OrderId) -> PaymentId {
        PaymentId::of_order(order)
    }

    /// Its status.
    pub fn status(&self) -> PaymentStatus {
        self.status
    }

    /// What was captured and not given back.
    pub fn net(&self) -> Money {
        self.captured.checked_sub(self.refunded).unwrap_or(Money::ZERO)
    }

    fn refuse(&self, wanted: &'static str) -> Result<Vec<PaymentEvent>, PaymentRefusal> {
        Err(PaymentRefusal { status: self.status, wanted })
    }

    fn authorize(
        &self,
        terms: PaymentTerms,
        reference: String,
    ) -> Result<Vec<PaymentEvent>, PaymentRefusal> {
        let PaymentTerms { order_id, amount, currency } = terms;
        match self.status {
            PaymentStatus::Pending => {
                Ok(vec![PaymentEvent::PaymentAuthorized { order_id, amount, currency, reference }])
            }
            PaymentStatus::Processing => Ok(vec![]),
            PaymentStatus::Completed | PaymentStatus::Failed | PaymentStatus::Refunded => {
                self.refuse("authorised")
            }
        }
    }

    fn decline(
        &self,
        terms: PaymentTerms,
        code: String,
        reason: String,
    ) -> Result<Vec<PaymentEvent>, PaymentRefusal> {
        let PaymentTerms { order_id, amount, currency } = terms;
        match self.status {
            PaymentStatus::Pending | PaymentStatus::Processing => {
                Ok(vec![PaymentEvent::PaymentDeclined { order_id, amount, currency, code, reason }])
            }
            PaymentStatus::Failed => Ok(vec![]),
            PaymentStatus::Completed | PaymentStatus::Refunded => self.refuse("declined"),
        }
    }

    /// Also a payment whose authorisation we never heard of: an operator may have resolved that step.
    fn capture(
        &self,
        terms: PaymentTerms,
        reference: String,
    ) -> Result<Vec<PaymentEvent>, PaymentRefusal> {
        let PaymentTerms { order_id, amount, currency } = terms;
        match self.status {
            PaymentStatus::Pending | PaymentStatus::Processing => {
                Ok(vec![PaymentEvent::PaymentCaptured { order_id, amount, currency, reference }])
            }
            PaymentStatus::Completed => Ok(vec![]),
            PaymentStatus::Failed | PaymentStatus::Refunded => self.refuse("captured"),
        }
    }

    fn void(&self) -> Result<Vec<PaymentEvent>, PaymentRefusal> {
        match self.status {
            PaymentStatus::Completed | PaymentStatus::Refunded => self.refuse("voided"),
            // Without money set aside, as far as we know, there is nothing to tell.
            PaymentStatus::Pending | PaymentStatus::Processing | PaymentStatus::Failed => {
                Ok(self.held.map(|_| PaymentEvent::PaymentVoided {}).into_iter().collect())
            }
        }
    }

    fn refund(&self, reference: String) -> Result<Vec<PaymentEvent>, PaymentRefusal> {
        match self.status {
            PaymentStatus::Completed => {
                Ok(vec![PaymentEvent::PaymentRefunded { amount: self.net(), reference }])
            }
            PaymentStatus::Refunded => Ok(vec![]),
            PaymentStatus::Pending | PaymentStatus::Processing | PaymentStatus::Failed => {
                self.refuse("refunded")
            }
        }
    }
}

impl Aggregate for Payment {
    const CATEGORY: &'static str = "payment";

    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Refusal = PaymentRefusal;

    fn decide(&self, command: PaymentCommand) -> Result<Vec<PaymentEvent>, PaymentRefusal> {
        match command {
            PaymentCommand::Authorize { terms, reference } => self.authorize(terms, reference),
            PaymentCommand::Decline { terms, code, reason } => self.decline(terms, code, reason),
            PaymentCommand::Capture { terms, reference } => self.capture(terms, reference),
            PaymentCommand::Void => self.void(),
            PaymentCommand::Refund { reference } => self.refund(reference),
        }
    }

    fn evolve(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::PaymentAuthorized { amount, .. } => {
                self.status = PaymentStatus::Processing;
                self.held = Some(*amount);
            }
            // What was set aside before the capture was declined stays so until it is voided.
            PaymentEvent::PaymentDeclined { .. } => {
                self.status = PaymentStatus::Failed;
                self.held = self.held.filter(|_| !planted("void-behind-a-decline-unrecorded"));
            }
            PaymentEvent::PaymentCaptured { amount, .. } => {
                self.status = PaymentStatus::Completed;
                self.held = None;
                self.captured = *amount;
            }
            PaymentEvent::PaymentVoided {} => {
                self.status = PaymentStatus::Failed;
                self.held = None;
            }
            PaymentEvent::PaymentRefunded { amount, .. } => {
                self.status = PaymentStatus::Refunded;
                self.refunded = *amount;
            }
        }
    }
}

#[cfg(test)]
#[path = "payment_tests.rs"]
mod tests;
