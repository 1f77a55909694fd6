//! An order as a client asks for it, before and after it was looked at.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::canary::planted;

use super::address::{Address, AddressDraft};
use super::ids::IdempotencyKey;
use super::invalid::FieldErrors;
use super::money::{Currency, Money};
use super::order_items::{ItemDraft, OrderItem, check_items};
use super::text::text_type;

text_type!(
    /// What the payment gateway knows a card by. Kept with the saga that pays, never with the order.
    PaymentToken, 128, Ascii
);

/// How an order is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum PaymentMethod {
    /// By this node, through its gateway. Without a token the gateway takes its default.
    Card {
        /// What the gateway knows the card by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<PaymentToken>,
    },
    /// Elsewhere: the order waits until a merchant confirms it with the payment's id.
    External,
}

/// The kind of a payment method: what an order remembers of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PaymentKind {
    /// By this node, through its gateway.
    Card,
    /// Elsewhere.
    External,
}

impl PaymentMethod {
    /// Its kind.
    pub fn kind(&self) -> PaymentKind {
        match self {
            Self::Card { .. } => PaymentKind::Card,
            Self::External => PaymentKind::External,
        }
    }

    /// The token, when it has one.
    pub fn token(&self) -> Option<&PaymentToken> {
        match self {
            Self::Card { token } => token.as_ref(),
            Self::External => None,
        }
    }
}

/// What is ordered, checked. The same order always has the same digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDetails {
    /// The lines, as given.
    pub items: Arc<[OrderItem]>,
    /// Where it goes.
    pub shipping_address: Arc<Address>,
    /// What the amounts are in.
    pub currency: Currency,
    /// What the items cost together.
    #[serde(rename = "totalMinor")]
    pub total: Money,
    /// How it is paid.
    pub payment_method: PaymentMethod,
}

impl OrderDetails {
    /// Tells two requests apart that carry one idempotency key.
    pub fn digest(&self) -> RequestDigest {
        let mut hasher = blake3::Hasher::new();
        if planted("digest-of-the-products-alone") {
            for item in self.items.iter() {
                hasher.update(item.product_id.as_str().as_bytes());
            }
            return RequestDigest(hasher.finalize().to_hex().as_str().into());
        }
        // Writing into a hasher cannot fail, and neither can these types.
        serde_json::to_writer(&mut hasher, self).expect("order details are plain data");
        RequestDigest(hasher.finalize().to_hex().as_str().into())
    }
}

/// The BLAKE3 hash of a checked request, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestDigest(Arc<str>);

impl fmt::Display for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The body of `POST /orders`.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "items": [{"productId": "lamp-17", "productName": "Lamp", "quantity": 2, "price": 19.99}],
    "shippingAddress": {"street": "12 Square", "city": "London", "zipCode": "SW1Y", "country": "GB"},
    "paymentMethod": {"type": "card", "token": "tok_ok"},
}))]
pub struct OrderDraft {
    /// What is ordered.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<ItemDraft>,
    /// Where it goes.
    pub shipping_address: AddressDraft,
    /// What the amounts are in; USD when none is given.
    #[serde(default)]
    #[schema(value_type = Option<Currency>)]
    pub currency: Option<String>,
    /// The request's name, when it is not in the header.
    #[serde(default)]
    #[schema(value_type = Option<IdempotencyKey>)]
    pub idempotency_key: Option<String>,
    /// How it is paid; a card without a token when none is given.
    #[serde(default)]
    pub payment_method: Option<PaymentMethodDraft>,
}

/// A payment method as a client sends it.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentMethodDraft {
    /// `card` or `external`.
    #[serde(rename = "type")]
    #[schema(value_type = PaymentKind)]
    pub kind: String,
    /// For a card only: what the gateway knows it by.
    #[serde(default)]
    #[schema(value_type = Option<PaymentToken>)]
    pub token: Option<String>,
}

/// A request for an order, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// What is ordered.
    pub details: OrderDetails,
    /// The name that the body gave to the request.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl OrderDraft {
    /// Checks everything and reports everything that is wrong.
    pub fn check(&self) -> Result<OrderRequest, FieldErrors> {
        let mut errors = FieldErrors::default();
        self.keep(&mut errors).ok_or(errors)
    }

    fn keep(&self, errors: &mut FieldErrors) -> Option<OrderRequest> {
        let items = check_items(&self.items, "items", errors);
        let shipping_address = self.shipping_address.check("shippingAddress", errors);
        let currency = self.currency.as_deref().map_or(Ok(Currency::Usd), Currency::parse);
        let currency = errors.keep("currency", currency);
        let key = self.idempotency_key.as_deref().map(IdempotencyKey::parse).transpose();
        let idempotency_key = errors.keep("idempotencyKey", key);
        let payment_method = self.keep_payment_method(errors);
        let (items, total) = items?;
        let details = OrderDetails {
            items: items.into(),
            shipping_address: Arc::new(shipping_address?),
            currency: currency?,
            total,
            payment_method: payment_method?,
        };
        Some(OrderRequest { details, idempotency_key: idempotency_key? })
    }

    fn keep_payment_method(&self, errors: &mut FieldErrors) -> Option<PaymentMethod> {
        let Some(draft) = &self.payment_method else {
            return Some(PaymentMethod::Card { token: None });
        };
        match (draft.kind.as_str(), draft.token.as_deref()) {
            ("card", token) => {
                let token = token.map(PaymentToken::parse).transpose();
                let token = errors.keep("paymentMethod.token", token)?;
                Some(PaymentMethod::Card { token })
            }
            ("external", None) => Some(PaymentMethod::External),
            ("external", Some(_)) => {
                errors.add("paymentMethod.token", "is given: only a card has a token");
                None
            }
            (kind, _) => {
                let error = super::Invalid::text(kind, "card or external");
                errors.add("paymentMethod.type", error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{"productId":"sku-1","productName":"Lamp","quantity":2,"price":19.99}"#;
    const ADDRESS: &str =
        r#"{"street":"1 Main St","city":"Springfield","zipCode":"12345","country":"US"}"#;

    fn check(more: &str) -> Result<OrderRequest, FieldErrors> {
        let json = format!(r#"{{"items":[{ITEM}],"shippingAddress":{ADDRESS}{more}}}"#);
        serde_json::from_str::<OrderDraft>(&json).unwrap().check()
    }

    #[test]
    fn the_shortest_order_is_paid_by_card_in_dollars() {
        let request = check("").unwrap();
        assert_eq!(request.details.total.to_string(), "39.98");
        assert_eq!(request.details.currency, Currency::Usd);
        assert_eq!(request.details.payment_method, PaymentMethod::Card { token: None });
        assert_eq!(request.idempotency_key, None);
    }

    #[test]
    fn the_digest_is_of_the_meaning_and_not_of_the_spelling() {
        let digest = |more| check(more).unwrap().details.digest();
        assert_eq!(digest(""), digest(r#", "currency": "USD", "paymentMethod": {"type": "card"}"#));
        assert_eq!(digest(""), digest(r#","idempotencyKey":"k1""#));
        assert_ne!(digest(""), digest(r#","currency":"EUR""#));
        assert_ne!(digest(""), digest(r#","paymentMethod":{"type":"card","token":"tok_ok"}"#));
    }

    #[test]
    fn wrong_fields_are_reported_together() {
        let wrong = r#","currency":"XXX","idempotencyKey":"","paymentMethod":{"type":"cash"}"#;
        let errors = check(wrong).unwrap_err();
        let fields: Vec<_> = errors.as_slice().iter().map(|error| &*error.field).collect();
        assert_eq!(fields, ["currency", "idempotencyKey", "paymentMethod.type"]);
    }

    #[test]
    fn only_a_card_has_a_token() {
        let error = check(r#","paymentMethod":{"type":"external","token":"t"}"#).unwrap_err();
        assert_eq!(error.as_slice()[0].field, "paymentMethod.token");
        let request = check(r#","paymentMethod":{"type":"external"}"#).unwrap();
        assert_eq!(request.details.payment_method, PaymentMethod::External);
    }

    #[test]
    fn unknown_fields_are_refused() {
        for json in [r#"{"items":[],"shippingAddress":null}"#, r#"{"items":[]}"#, r#"{"total":1}"#]
        {
            assert!(serde_json::from_str::<OrderDraft>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn details_survive_storing() {
        let details =
            check(r#","paymentMethod":{"type":"card","token":"tok_ok"}"#).unwrap().details;
        let stored = serde_json::to_string(&details).unwrap();
        assert_eq!(serde_json::from_str::<OrderDetails>(&stored).unwrap(), details);
    }
}
