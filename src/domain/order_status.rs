//! How far an order has come, in the words of the API.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::invalid::Invalid;

/// An order's status.
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
pub enum OrderStatus {
    /// Placed, not paid.
    #[default]
    Pending,
    /// Its payment is authorised and not yet captured. Only views show this one.
    Processing,
    /// Paid.
    Paid,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
    /// Ended; no money was kept.
    Cancelled,
    /// Ended because nobody paid.
    Failed,
}

impl OrderStatus {
    /// All of them, in the order of an order's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Processing,
        Self::Paid,
        Self::Shipped,
        Self::Delivered,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == word);
        known.ok_or_else(|| {
            Invalid::text(word, format!("one of {}", Self::ALL.map(Self::as_str).join(", ")))
        })
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_is_what_json_shows() {
        for status in OrderStatus::ALL {
            assert_eq!(OrderStatus::parse(status.as_str()), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        let error = OrderStatus::parse("Paid").unwrap_err().to_string();
        assert!(error.contains("one of pending, processing"), "{error}");
    }
}
