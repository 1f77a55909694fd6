//! What a ledger keeps of every answer a gateway gave for the first time. Its JSON is stored, one line
//! an entry, and is what `GET /gateway/ledger` shows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{Decimal, OrderId, WallTime};

use super::Operation;

/// What happened to the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum EntryKind {
    /// Set aside.
    Authorize,
    /// Moved.
    Capture,
    /// Let go; an amount of 0.00 is a tombstone: there was nothing to let go.
    Void,
    /// Given back.
    Refund,
    /// Nothing: the gateway said no.
    Refused,
}

impl EntryKind {
    /// What an operation is recorded as when it took effect.
    pub(super) fn of(operation: Operation) -> Self {
        match operation {
            Operation::Authorize => Self::Authorize,
            Operation::Capture => Self::Capture,
            Operation::Void => Self::Void,
            Operation::Refund => Self::Refund,
        }
    }
}

/// One first answer. Entries are never changed and never taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// 1 is the first; dense.
    pub seq: u64,
    /// When.
    pub at: WallTime,
    /// The idempotency key that was answered.
    pub key: String,
    /// The payment's order.
    pub order_id: OrderId,
    /// What happened to the money.
    pub kind: EntryKind,
    /// How much of it.
    pub amount: Decimal,
    /// What was asked for.
    pub operation: Operation,
    /// The caller's fencing epoch.
    pub epoch: u64,
    /// Why the gateway said no; none when it said yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<RefusalCode>,
}

/// Why a gateway says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalCode {
    /// The card's bank does not set the money aside.
    CardDeclined,
    /// The gateway does not know the token.
    InvalidToken,
    /// The card's bank does not let the money be moved.
    CaptureDeclined,
    /// The payment was let go, perhaps before it was asked for.
    Voided,
    /// The money is set aside already, under another key.
    AlreadyAuthorized,
    /// The money was moved already, so it can neither be moved again nor let go.
    AlreadyCaptured,
    /// The money was given back already.
    AlreadyRefunded,
    /// No money is set aside.
    NotAuthorized,
    /// No money was moved.
    NotCaptured,
    /// The amount is not the one that was set aside.
    AmountMismatch,
}

impl RefusalCode {
    /// Its word, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CardDeclined => "CARD_DECLINED",
            Self::InvalidToken => "INVALID_TOKEN",
            Self::CaptureDeclined => "CAPTURE_DECLINED",
            Self::Voided => "VOIDED",
            Self::AlreadyAuthorized => "ALREADY_AUTHORIZED",
            Self::AlreadyCaptured => "ALREADY_CAPTURED",
            Self::AlreadyRefunded => "ALREADY_REFUNDED",
            Self::NotAuthorized => "NOT_AUTHORIZED",
            Self::NotCaptured => "NOT_CAPTURED",
            Self::AmountMismatch => "AMOUNT_MISMATCH",
        }
    }

    /// Its words, for people.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::CardDeclined => "the card was declined",
            Self::InvalidToken => "the payment token is not known",
            Self::CaptureDeclined => "the bank does not let the money be captured",
            Self::Voided => "the payment was voided",
            Self::AlreadyAuthorized => "the payment is authorised already, under another key",
            Self::AlreadyCaptured => "the payment was captured already",
            Self::AlreadyRefunded => "the payment was refunded already",
            Self::NotAuthorized => "the payment is not authorised",
            Self::NotCaptured => "the payment was not captured",
            Self::AmountMismatch => "the amount is not the authorised one",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_shape_of_an_entry_does_not_change() {
        let line = concat!(
            r#"{"seq":1,"at":"2026-01-02T03:04:05.000006Z","key":"k","#,
            r#""orderId":"00000000-0000-0000-0000-000000000000","kind":"refused","amount":12.30,"#,
            r#""operation":"authorize","epoch":3,"code":"CARD_DECLINED"}"#,
        );
        let entry: LedgerEntry = serde_json::from_str(line).unwrap();
        assert_eq!((entry.kind, entry.amount.0.minor()), (EntryKind::Refused, 1_230));
        assert_eq!(serde_json::to_string(&entry).unwrap(), line);
    }

    #[test]
    fn a_code_prints_as_it_is_stored() {
        for code in [RefusalCode::CardDeclined, RefusalCode::AlreadyRefunded, RefusalCode::Voided] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
