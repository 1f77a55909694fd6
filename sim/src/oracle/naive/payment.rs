//! A payment, folded from its stream: what the product believes of the money.

use crate::evidence::LogEntry;

use super::json::number;

/// What is known of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// `processing`, `completed`, `failed` or `refunded`.
    pub status: &'static str,
    /// What it is about, in minor units.
    pub amount_minor: u64,
    /// What has moved.
    pub captured_minor: u64,
    /// What was given back.
    pub refunded_minor: u64,
    /// Where in the log it was first authorised.
    pub authorized_at: Option<u64>,
}

impl Payment {
    /// Folds a stream; none when nothing in it says what is paid.
    pub fn fold(entries: &[&LogEntry]) -> Option<Self> {
        let mut payment: Option<Self> = None;
        for entry in entries {
            let amount = number(&entry.payload, "amountMinor").unwrap_or(0);
            let is_first =
                !matches!(entry.event_type.as_str(), "PaymentVoided" | "PaymentRefunded");
            if payment.is_none() && !is_first {
                continue;
            }
            payment.get_or_insert_with(|| Self::new(amount)).apply(entry, amount);
        }
        payment
    }

    const fn new(amount_minor: u64) -> Self {
        Self {
            status: "pending",
            amount_minor,
            captured_minor: 0,
            refunded_minor: 0,
            authorized_at: None,
        }
    }

    fn apply(&mut self, entry: &LogEntry, amount: u64) {
        match entry.event_type.as_str() {
            "PaymentAuthorized" => {
                self.status = "processing";
                self.authorized_at.get_or_insert(entry.position);
            }
            "PaymentDeclined" | "PaymentVoided" => self.status = "failed",
            "PaymentCaptured" => {
                self.status = "completed";
                self.captured_minor = amount;
            }
            "PaymentRefunded" => {
                self.status = "refunded";
                self.refunded_minor = amount;
            }
            _ => {}
        }
    }
}
