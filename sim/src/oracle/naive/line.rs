//! What is ordered, line by line: as a client asks for it and is shown it, and as the log has it.

use serde_json::Value;

use super::json::{list, minor, number, text};

/// A line of an order. What it does not say is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// What.
    pub product: Option<&'a str>,
    /// What it is called.
    pub name: Option<&'a str>,
    /// How many.
    pub pieces: Option<u64>,
    /// What one costs, in minor units.
    pub price_minor: Option<u64>,
}

impl<'a> Line<'a> {
    fn of(item: &'a Value, price_minor: Option<u64>) -> Self {
        Self {
            product: text(item, "productId"),
            name: text(item, "productName"),
            pieces: number(item, "quantity"),
            price_minor,
        }
    }

    /// What all its pieces cost together, in minor units.
    pub fn cost_minor(self) -> Option<u64> {
        self.price_minor?.checked_mul(self.pieces?)
    }
}

/// The lines of a request, or of an order as it is shown.
pub fn shown(order: &Value) -> Vec<Line<'_>> {
    list(order, "items").iter().map(|item| Line::of(item, minor(item, "price"))).collect()
}

/// The lines of the event that placed an order.
pub fn logged(placed: &Value) -> Vec<Line<'_>> {
    list(placed, "items").iter().map(|item| Line::of(item, number(item, "priceMinor"))).collect()
}

/// How an order is paid, as a request says it and an answer shows it: `card` or `external`.
pub fn paid_by(order: &Value) -> Option<&str> {
    text(order.get("paymentMethod")?, "type")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(price: &Value) -> Value {
        json!({"items": [{"productId": "a", "productName": "書", "quantity": 3, "price": price}]})
    }

    #[test]
    fn a_line_is_the_same_however_its_price_is_written() {
        let logged_as = json!({"items":
            [{"productId": "a", "productName": "書", "quantity": 3, "priceMinor": 1_230}]});
        for price in [json!(12.3), json!("12.30"), json!("12.3")] {
            assert_eq!(shown(&line(&price)), logged(&logged_as), "{price}");
        }
        assert_ne!(shown(&line(&json!(36.9))), logged(&logged_as));
        assert_eq!(logged(&logged_as)[0].cost_minor(), Some(3_690));
    }

    #[test]
    fn what_pays_is_found() {
        assert_eq!(paid_by(&json!({"paymentMethod": {"type": "external"}})), Some("external"));
        assert_eq!(paid_by(&json!({})), None);
    }
}
