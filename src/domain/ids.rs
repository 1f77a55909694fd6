//! Who is who: identities that cannot be mistaken for one another. Drawn by the shell, parsed here.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::invalid::Invalid;
use super::text::text_type;

macro_rules! uuid_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes a UUID that the shell has drawn.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// Reads the form with hyphens, in either case, and no other: an id has one spelling in
            /// stream names and addresses.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let refuse = || Invalid::text(text, "a UUID like 0192f3a4-5b6c-7d8e-9f01-23456789abcd");
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Err(refuse());
                }
                Uuid::try_parse(text).map(Self).map_err(|_| refuse())
            }

            /// The UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let format = utoipa::openapi::schema::KnownFormat::Uuid;
                super::schema::formatted(format, "0192f3a4-5b6c-7d8e-9f01-23456789abcd")
            }
        }

        impl utoipa::ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    };
}

uuid_type!(
    /// An order. The saga that pays it has the same id.
    OrderId
);
uuid_type!(
    /// A person with an account.
    UserId
);

text_type!(
    /// A payment. Ours is named after its order; one that was authorised elsewhere has a name from
    /// there.
    PaymentId, 64, Name
);
text_type!(
    /// What is sold, as the shop names it. Two products are the same when this text is.
    ProductId, 64, Word
);
text_type!(
    /// A name that a client gives to a request, so that sending it again is no second request.
    IdempotencyKey, 128, Ascii
);

impl PaymentId {
    /// The payment that this node makes for an order.
    pub fn of_order(order: OrderId) -> Self {
        Self(order.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0192f3a4-5b6c-7d8e-9f01-23456789abcd";

    #[test]
    fn an_id_is_printed_as_it_is_parsed() {
        assert_eq!(OrderId::parse(TEXT).unwrap().to_string(), TEXT);
        assert_eq!(OrderId::parse(&TEXT.to_uppercase()).unwrap().to_string(), TEXT);
        let json = serde_json::to_string(&OrderId::parse(TEXT).unwrap()).unwrap();
        assert_eq!(json, format!("\"{TEXT}\""));
    }

    #[test]
    fn other_spellings_of_an_id_are_refused() {
        let simple = TEXT.replace('-', "");
        for bad in ["", "17", &simple, &format!("{{{TEXT}}}"), &format!("urn:uuid:{TEXT}"), "é"] {
            let error = OrderId::parse(bad).unwrap_err().to_string();
            assert!(error.contains("a UUID like"), "{error}");
        }
    }

    #[test]
    fn a_stored_text_comes_back_through_the_same_door() {
        let product: ProductId = serde_json::from_str("\"sku-1\"").unwrap();
        assert_eq!(product.as_str(), "sku-1");
        assert!(serde_json::from_str::<ProductId>("\"\"").is_err());
        assert!(ProductId::parse(&"x".repeat(65)).is_err());
        assert!(IdempotencyKey::parse("käse").is_err());
    }
}
