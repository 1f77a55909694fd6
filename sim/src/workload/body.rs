//! The bodies of orders, by shape. Whatever they say is drawn from the plan, so that the same operation
//! sends the same bytes in every run.

use serde_json::{Value, json};

use crate::plan::{OrderShape, Otherwise};

use super::alphabet::EXTERNAL;

/// More lines than an order may have.
const LINES_TOO_MANY: u32 = 101;

/// The body of an order of these products.
pub fn order(products: &[u32], token: &str, shape: OrderShape) -> Value {
    let items: Vec<_> = match shape {
        OrderShape::Oversize => (0..LINES_TOO_MANY).map(|line| item(line, shape)).collect(),
        OrderShape::Plain
        | OrderShape::Zero
        | OrderShape::Maximum
        | OrderShape::Unicode
        | OrderShape::Malformed => products.iter().map(|product| item(*product, shape)).collect(),
    };
    let payment = if token == EXTERNAL {
        json!({ "type": "external" })
    } else {
        json!({ "type": "card", "token": token })
    };
    match shape {
        OrderShape::Malformed => json!({ "items": items, "paymentMethod": payment }),
        OrderShape::Plain
        | OrderShape::Zero
        | OrderShape::Maximum
        | OrderShape::Unicode
        | OrderShape::Oversize => {
            json!({ "items": items, "shippingAddress": address(shape), "paymentMethod": payment })
        }
    }
}

/// Says one thing otherwise, and nothing else. An order that would be accepted still would be.
pub fn say(order: &mut Value, otherwise: Otherwise) {
    let (at, new) = match otherwise {
        Otherwise::Pieces => {
            let pieces = order.pointer("/items/0/quantity").and_then(Value::as_u64);
            ("/items/0/quantity", json!(pieces.filter(|pieces| *pieces > 1).map_or(2, |it| it - 1)))
        }
        // Nothing costs so much: either more, or nothing.
        Otherwise::Price => ("/items/0/price", json!("0.05")),
        Otherwise::Street => ("/shippingAddress/street", json!("2 Main Street")),
        Otherwise::Currency => {
            order["currency"] = json!("EUR");
            return;
        }
        Otherwise::Card => {
            let token = order.pointer("/paymentMethod/token").and_then(Value::as_str);
            let other = if token == Some("tok_ok") { "tok_slow" } else { "tok_ok" };
            ("/paymentMethod", json!({ "type": "card", "token": other }))
        }
        Otherwise::PaidBy => {
            let other = match order.pointer("/paymentMethod/type").and_then(Value::as_str) {
                Some("card") => json!({ "type": EXTERNAL }),
                _ => json!({ "type": "card", "token": "tok_ok" }),
            };
            ("/paymentMethod", other)
        }
    };
    if let Some(old) = order.pointer_mut(at) {
        *old = new;
    }
}

fn item(product: u32, shape: OrderShape) -> Value {
    let name = if shape == OrderShape::Unicode { "Ünïcode 書 𝄞 ضوء" } else { "Thing" };
    // The most money there is, divided by the most pieces and lines that a plan gives an order.
    let (quantity, price) = match shape {
        OrderShape::Zero => (1, "0.00".to_owned()),
        OrderShape::Maximum => (1_000_000, "999999.99".to_owned()),
        OrderShape::Plain | OrderShape::Unicode | OrderShape::Oversize | OrderShape::Malformed => {
            (1 + product % 3, format!("{}.{:02}", 1 + product % 90, product % 100))
        }
    };
    json!({
        "productId": format!("product-{product}"),
        "productName": name,
        "quantity": quantity,
        "price": price,
    })
}

fn address(shape: OrderShape) -> Value {
    let (street, city) = if shape == OrderShape::Unicode {
        ("Straße der Ärzte 1 ½", "東京 Łódź")
    } else {
        ("1 Main Street", "Springfield")
    };
    json!({ "street": street, "city": city, "zipCode": "12345", "country": "US" })
}

#[cfg(test)]
mod tests {
    use sagaline::domain::OrderDraft;

    use super::*;

    fn is_an_order(shape: OrderShape, products: &[u32]) -> bool {
        let body = order(products, "tok_ok", shape).to_string();
        serde_json::from_str::<OrderDraft>(&body).is_ok_and(|draft| draft.check().is_ok())
    }

    #[test]
    fn shapes_are_accepted_and_refused_as_they_say() {
        for shape in [OrderShape::Plain, OrderShape::Zero, OrderShape::Unicode] {
            assert!(is_an_order(shape, &[1, 1_007]), "{shape:?}");
        }
        assert!(is_an_order(OrderShape::Maximum, &[3]));
        for shape in [OrderShape::Oversize, OrderShape::Malformed] {
            assert!(!is_an_order(shape, &[1]), "{shape:?}");
        }
    }

    #[test]
    fn an_order_that_says_one_thing_otherwise_is_another_order() {
        let digest = |body: &Value| {
            let draft: OrderDraft = serde_json::from_str(&body.to_string()).unwrap();
            draft.check().unwrap().details.digest()
        };
        let shapes =
            [OrderShape::Plain, OrderShape::Zero, OrderShape::Maximum, OrderShape::Unicode];
        for (shape, token) in shapes.into_iter().flat_map(|it| [(it, "tok_ok"), (it, EXTERNAL)]) {
            for otherwise in Otherwise::ALL {
                let first = order(&[3], token, shape);
                let mut other = first.clone();
                say(&mut other, otherwise);
                assert_ne!(digest(&first), digest(&other), "{shape:?} {token} {otherwise:?}");
            }
        }
    }

    #[test]
    fn an_external_payment_has_no_card() {
        assert_eq!(order(&[1], EXTERNAL, OrderShape::Plain)["paymentMethod"]["type"], "external");
    }
}
