//! A payment, folded from its stream: what the product believes of the money.

use crate::evidence::LogEntry;

use super::json::{number, text};

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
    /// Whether the bank's no is in it.
    pub is_declined: bool,
    /// Whether it says that the money was let go.
    pub is_voided: bool,
}

impl Payment {
    /// Folds a stream; none when nothing in it says what is paid.
    pub fn fold(entries: &[&LogEntry]) -> Option<Self> {
        let mut payment: Option<Self> = None;
        for entry in entries {
            let amount = number(&entry.payload, "amountMinor").unwrap_or(0);
            if payment.is_none() && !brings_into_being(entry) {
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
            is_declined: false,
            is_voided: false,
        }
    }

    fn apply(&mut self, entry: &LogEntry, amount: u64) {
        match entry.event_type.as_str() {
            "PaymentAuthorized" => {
                self.status = "processing";
                self.authorized_at.get_or_insert(entry.position);
            }
            "PaymentDeclined" => (self.status, self.is_declined) = ("failed", true),
            "PaymentVoided" => (self.status, self.is_voided) = ("failed", true),
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

/// Whether an event says what is paid: the others only change that.
fn brings_into_being(entry: &LogEntry) -> bool {
    !matches!(entry.event_type.as_str(), "PaymentVoided" | "PaymentRefunded")
}

/// What the bank said of a payment, in its own words, and when.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The event that brought the payment into being.
    pub first: &'a LogEntry,
    /// The last event of it.
    pub last: &'a LogEntry,
    /// The bank's name for the last thing that it did.
    pub reference: Option<&'a str>,
    /// The last event that is a no.
    pub declined: Option<&'a LogEntry>,
}

impl<'a> Said<'a> {
    /// Folds a stream; none when nothing in it says what is paid.
    pub fn fold(entries: &[&'a LogEntry]) -> Option<Self> {
        let place = entries.iter().position(|entry| brings_into_being(entry))?;
        let (first, entries) = (entries[place], &entries[place..]);
        let mut said = Self { first, last: first, reference: None, declined: None };
        for entry in entries.iter().copied() {
            said.last = entry;
            match entry.event_type.as_str() {
                "PaymentAuthorized" | "PaymentCaptured" | "PaymentRefunded" => {
                    said.reference = text(&entry.payload, "reference");
                }
                "PaymentDeclined" => said.declined = Some(entry),
                _ => {}
            }
        }
        Some(said)
    }
}
