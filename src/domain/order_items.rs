//! What is ordered, and what it costs together.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::decimal::Decimal;
use super::ids::ProductId;
use super::invalid::{FieldErrors, Invalid};
use super::money::{Money, MoneyError};
use super::text::text_type;
use crate::canary::planted;

text_type!(
    /// What a product is called on the bill.
    ProductName, 200, Line
);

/// How many pieces: 1 to [`Quantity::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl utoipa::PartialSchema for Quantity {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        super::schema::whole(1, Self::MAX)
    }
}

impl utoipa::ToSchema for Quantity {}

impl Quantity {
    /// More than this is a slip of the hand.
    pub const MAX: u32 = 1_000_000;

    /// Reads the text of a JSON number.
    pub fn parse_json(json: &str) -> Result<Self, Invalid> {
        let digits = !json.is_empty() && json.bytes().all(|b| b.is_ascii_digit());
        let pieces = digits.then(|| json.parse::<u32>().ok()).flatten();
        pieces
            .and_then(|pieces| Self::try_from(pieces).ok())
            .ok_or_else(|| Invalid::literal(json, Self::wants()))
    }

    /// The number of pieces.
    pub const fn pieces(self) -> u32 {
        self.0
    }

    fn wants() -> String {
        format!("a whole number from 1 to {}", Self::MAX)
    }
}

impl TryFrom<u32> for Quantity {
    type Error = Invalid;

    fn try_from(pieces: u32) -> Result<Self, Invalid> {
        if (1..=Self::MAX).contains(&pieces) {
            return Ok(Self(pieces));
        }
        Err(Invalid::literal(pieces, Self::wants()))
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> u32 {
        quantity.0
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// What.
    pub product_id: ProductId,
    /// What it is called.
    pub product_name: ProductName,
    /// How many.
    pub quantity: Quantity,
    /// What one costs.
    #[serde(rename = "priceMinor")]
    pub price: Money,
}

/// How many lines an order may have: it must fit an event, and a page.
pub const ITEMS_MAX: usize = 100;

/// What `items` cost together, when there is such an amount.
pub fn total(items: &[OrderItem]) -> Option<Money> {
    items.iter().try_fold(Money::ZERO, |sum, item| {
        sum.checked_add(item.price.checked_mul(if planted("total-without-quantities") {
            1
        } else {
            u64::from(item.quantity.pieces())
        })?)
    })
}

/// A line as a client sends it. Numbers are kept as their text, so that nothing is lost before it is
/// looked at.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ItemDraft {
    /// What.
    #[schema(value_type = ProductId)]
    pub product_id: String,
    /// What it is called on the bill.
    #[schema(value_type = ProductName)]
    pub product_name: String,
    /// How many: a whole JSON number.
    #[schema(value_type = Quantity)]
    pub quantity: Box<RawValue>,
    /// What one costs: a JSON number or a string like `12.34`.
    #[schema(value_type = Decimal)]
    pub price: Box<RawValue>,
}

impl ItemDraft {
    fn check(&self, field: &str, errors: &mut FieldErrors) -> Option<OrderItem> {
        let at = |name: &str| format!("{field}.{name}");
        let product_id = errors.keep(&at("productId"), ProductId::parse(&self.product_id));
        let product_name = errors.keep(&at("productName"), ProductName::parse(&self.product_name));
        let quantity = errors.keep(&at("quantity"), Quantity::parse_json(self.quantity.get()));
        let price = errors.keep(&at("price"), Decimal::parse_json(self.price.get()));
        Some(OrderItem {
            product_id: product_id?,
            product_name: product_name?,
            quantity: quantity?,
            price: price?.0,
        })
    }
}

/// The lines and their total, or `None` with everything that is wrong noted under `field`.
pub(super) fn check_items(
    drafts: &[ItemDraft],
    field: &str,
    errors: &mut FieldErrors,
) -> Option<(Vec<OrderItem>, Money)> {
    if drafts.is_empty() || drafts.len() > ITEMS_MAX {
        errors.add(field, format!("has {} items: wants 1 to {ITEMS_MAX}", drafts.len()));
        return None;
    }
    let checked = drafts.iter().enumerate();
    let checked = checked.map(|(place, draft)| draft.check(&format!("{field}[{place}]"), errors));
    // Every line is looked at before the first wrong one ends it.
    let items = checked.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>()?;
    let Some(total) = total(&items) else {
        errors.add(field, MoneyError::TooMuch { text: "the total".to_owned() });
        return None;
    };
    Some((items, total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drafts(json: &str) -> Vec<ItemDraft> {
        serde_json::from_str(json).unwrap()
    }

    fn check(json: &str) -> Result<(Vec<OrderItem>, Money), FieldErrors> {
        let mut errors = FieldErrors::default();
        check_items(&drafts(json), "items", &mut errors).ok_or(errors)
    }

    fn one(quantity: &str, price: &str) -> String {
        format!(
            r#"[{{"productId":"sku-1","productName":"Lamp","quantity":{quantity},"price":{price}}}]"#
        )
    }

    #[test]
    fn the_total_is_exact() {
        let json = r#"[{"productId":"a","productName":"A","quantity":3,"price":0.1},
                       {"productId":"b","productName":"B","quantity":7,"price":"19.99"}]"#;
        assert_eq!(check(json).unwrap().1.to_string(), "140.23");
    }

    #[test]
    fn quantities_are_whole_and_bounded() {
        for bad in [
            "0",
            "-1",
            "1.0",
            "1.5",
            "1e2",
            "1000001",
            "99999999999999999999",
            "\"1\"",
            "null",
            "{}",
        ] {
            let errors = check(&one(bad, "1")).unwrap_err();
            assert_eq!(errors.as_slice().len(), 1, "{bad}");
            assert_eq!(errors.as_slice()[0].field, "items[0].quantity");
            assert!(errors.as_slice()[0].message.contains("from 1 to 1000000"), "{errors}");
        }
        assert!(check(&one("1000000", "1")).is_ok());
    }

    #[test]
    fn prices_are_named_when_wrong() {
        for bad in ["-0.01", "1.001", "1e3", "true", "\"\"", "[]", "99999999999999"] {
            let errors = check(&one("1", bad)).unwrap_err();
            assert_eq!(errors.as_slice()[0].field, "items[0].price", "{bad}");
        }
    }

    #[test]
    fn a_total_that_overflows_is_refused() {
        let errors = check(&one("1000000", "9999999999999.99")).unwrap_err();
        assert_eq!(errors.as_slice()[0].field, "items");
        assert!(errors.to_string().contains("too much"), "{errors}");
    }

    #[test]
    fn an_order_has_between_one_and_a_hundred_lines() {
        assert!(check("[]").unwrap_err().to_string().contains("1 to 100"));
        let line = one("1", "1");
        let line = line.trim_matches(['[', ']']);
        assert!(check(&format!("[{}]", vec![line; 100].join(","))).is_ok());
        assert!(check(&format!("[{}]", vec![line; 101].join(","))).is_err());
    }

    #[test]
    fn all_wrong_lines_are_reported_at_once() {
        let json = r#"[{"productId":"","productName":"A","quantity":0,"price":1},
                       {"productId":"b","productName":"B","quantity":1,"price":1},
                       {"productId":"c","productName":"","quantity":1,"price":-1}]"#;
        let errors = check(json).unwrap_err();
        let fields: Vec<_> = errors.as_slice().iter().map(|error| &*error.field).collect();
        let wants =
            ["items[0].productId", "items[0].quantity", "items[2].productName", "items[2].price"];
        assert_eq!(fields, wants);
    }

    proptest! {
        #[test]
        fn totals_agree_with_wide_integers(
            lines in prop::collection::vec((1..=Quantity::MAX, 0..=Money::MAX.minor()), 1..10)
        ) {
            let items: Vec<_> = lines.iter().map(|(pieces, minor)| OrderItem {
                product_id: ProductId::parse("sku").unwrap(),
                product_name: ProductName::parse("Thing").unwrap(),
                quantity: Quantity::try_from(*pieces).unwrap(),
                price: Money::from_minor(*minor).unwrap(),
            }).collect();
            let wide: u128 = lines.iter().map(|(p, m)| u128::from(*p) * u128::from(*m)).sum();
            let wants = u64::try_from(wide).ok().and_then(|minor| Money::from_minor(minor).ok());
            prop_assert_eq!(total(&items), wants);
        }
    }
}
