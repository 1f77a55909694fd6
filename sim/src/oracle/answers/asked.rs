//! An order that was accepted is the one that was asked for: line by line, what it costs, and how
//! it is paid. Whenever it is shown later, it goes where its customer said.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::Call;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::{Asks, answered, id};
use crate::oracle::naive::json::{minor, text};
use crate::oracle::naive::line::{self, Line};

use super::{fresh, shown};

/// What an order is in, and how it is paid, when its request does not say.
const CURRENCY: &str = "USD";
const PAID_BY: &str = "card";
/// What stands for each part of the address of somebody who is forgotten.
const FORGOTTEN: &str = "forgotten";

/// Where the orders that were acknowledged are to go, as their requests said.
pub(super) struct Asked<'a> {
    addresses: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(case: &Case<'a>) -> Self {
        let placed = case.evidence.calls.iter().filter_map(|call| {
            let order = id(accepted(call)?)?;
            Some((order, call.body.get("shippingAddress")?))
        });
        Self { addresses: placed.collect() }
    }

    pub(super) fn examine(&self, call: &Call, finding: &mut Finding) {
        let accepted = accepted(call);
        if let Some(body) = accepted {
            examine_accepted(call, body, finding);
        }
        let Some(body) = accepted.or_else(|| fresh(call)) else { return };
        if let Some(same) = self.goes_where_asked(body) {
            finding.expect(same, "an order is shown with another address", || shown(call));
        }
    }

    /// Whether an order is shown with the address of its request, or with that of somebody who is forgotten.
    /// None: nobody was told that it was accepted.
    pub(super) fn goes_where_asked(&self, order: &Value) -> Option<bool> {
        let asked = *self.addresses.get(id(order)?)?;
        let address = order.get("shippingAddress");
        let is_forgotten = address.and_then(|address| text(address, "street")) == Some(FORGOTTEN);
        Some(is_forgotten || address == Some(asked))
    }
}

/// The order that was accepted, as it is shown to whoever placed it.
fn accepted(call: &Call) -> Option<&Value> {
    let answer = answered(call, 201).filter(|_| Asks::of(call) == Asks::PlaceOrder)?;
    Some(&answer.body)
}

fn examine_accepted(call: &Call, body: &Value, finding: &mut Finding) {
    let (asked, given) = (line::shown(&call.body), line::shown(body));
    let currency = text(&call.body, "currency").unwrap_or(CURRENCY);
    let paid_by = line::paid_by(&call.body).unwrap_or(PAID_BY);
    let same = asked == given
        && text(body, "currency") == Some(currency)
        && line::paid_by(body) == Some(paid_by);
    finding.expect(same, "another order was accepted than was asked for", || shown(call));
    let cost_minor: Option<u64> = asked.into_iter().map(Line::cost_minor).sum();
    let same = cost_minor == minor(body, "totalAmount");
    finding.expect(same, "an order does not cost what its lines say", || shown(call));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Answers;
    use crate::oracle::testing::{History, caught, clean};

    const OTHER: &str = "another order was accepted than was asked for";
    const ELSEWHERE: &str = "an order is shown with another address";

    /// What the last call was answered.
    fn told(history: &mut History) -> &mut Value {
        let last = history.evidence.calls.last_mut().expect("a call");
        &mut last.answer.as_mut().expect("an answer").body
    }

    /// A request, two pieces of something, and its answer.
    fn placed() -> History {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.place(1, "key-1", "product-1", &order, true);
        let items = json!([{"productId": "product-1", "productName": "Ünïcode 書",
            "quantity": 2, "price": "2.50"}]);
        history.evidence.calls.last_mut().expect("a call").body["items"] = items.clone();
        told(&mut history)["items"] = items;
        told(&mut history)["items"][0]["price"] = json!(2.5);
        history
    }

    #[test]
    fn an_order_that_is_the_one_that_was_asked_for_is_right() {
        clean(&Answers, &placed());
        let mut history = placed();
        let request = &mut history.evidence.calls.last_mut().expect("a call").body;
        request["currency"] = json!("USD");
        request["items"][0]["price"] = json!(2.5);
        clean(&Answers, &history);
    }

    #[test]
    fn a_line_that_is_not_as_it_was_asked_for_is_caught() {
        for (field, wrong) in [
            ("price", json!(5.0)),
            ("quantity", json!(1)),
            ("productName", json!("Ünïcode")),
            ("productId", json!("product-2")),
        ] {
            let mut history = placed();
            told(&mut history)["items"][0][field] = wrong;
            caught(&Answers, &history, OTHER);
        }
        let mut history = placed();
        let line = told(&mut history)["items"][0].clone();
        told(&mut history)["items"] = json!([line, line]);
        caught(&Answers, &history, OTHER);
    }

    #[test]
    fn another_currency_or_payment_is_caught() {
        let mut history = placed();
        told(&mut history)["currency"] = json!("EUR");
        caught(&Answers, &history, OTHER);
        let mut history = placed();
        told(&mut history)["paymentMethod"] = json!({"type": "external"});
        caught(&Answers, &history, OTHER);
    }

    #[test]
    fn an_order_that_is_looked_at_is_as_it_was_placed() {
        const WHAT: &str = "an answer shows another order than the log has";
        for (at, wrong) in [
            ("/items/0/price", json!(10.0)),
            ("/items/0/quantity", json!(2)),
            ("/items/0/productName", json!("Table")),
            ("/currency", json!("GBP")),
            ("/paymentMethod/type", json!("external")),
        ] {
            let mut history = History::good();
            let order = history.orders[0].clone();
            history.look(1, &order, "paid");
            clean(&Answers, &history);
            *told(&mut history).pointer_mut(at).expect("a field") = wrong;
            caught(&Answers, &history, WHAT);
        }
    }

    #[test]
    fn another_address_is_caught_and_a_forgotten_one_is_not() {
        let mut history = placed();
        told(&mut history)["shippingAddress"] = json!({"street": "2 Square", "city": "Paris"});
        caught(&Answers, &history, ELSEWHERE);
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.look(1, &order, "paid");
        told(&mut history)["shippingAddress"] = json!({"street": "2 Square", "city": "Paris"});
        caught(&Answers, &history, ELSEWHERE);
        let forgotten = json!({"street": "forgotten", "city": "forgotten"});
        told(&mut history)["shippingAddress"] = forgotten;
        clean(&Answers, &history);
    }
}
