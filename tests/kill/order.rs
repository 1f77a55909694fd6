//! What was asked for and what is known about it: the client's side of the truth.

use serde_json::{Value, json};

use super::dice::Dice;

/// The gateway's test tokens, how often each is drawn out of 100, and whether such an order is paid when
/// nobody cancels it.
const TOKENS: [(&str, u64, bool); 6] = [
    ("tok_ok", 70, true),
    ("tok_decline", 12, false),
    ("tok_capture_decline", 8, false),
    ("tok_flaky", 6, true),
    ("tok_timeout_charged", 2, true),
    ("tok_timeout_lost", 2, true),
];

/// What became of a request whose answer mattered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelling {
    NotAsked,
    Accepted,
    Refused,
    /// Asked, and the answer never came.
    Unknown,
}

/// One order a customer wants: the same request until it is answered.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) customer: String,
    pub(crate) key: String,
    pub(crate) product: String,
    pub(crate) token: &'static str,
    pub(crate) quantity: u64,
    pub(crate) price_cents: u64,
    /// The id of the 201.
    pub(crate) id: Option<String>,
    pub(crate) cancelling: Cancelling,
}

impl Order {
    pub(crate) fn drawn(customer: &str, dice: &mut Dice) -> Self {
        let name = dice.next();
        Self {
            customer: customer.to_owned(),
            key: format!("key-{name:016x}"),
            product: format!("product-{name:016x}"),
            token: token(dice.below(100)),
            quantity: 1 + dice.below(3),
            price_cents: 1 + dice.below(9_999),
            id: None,
            cancelling: Cancelling::NotAsked,
        }
    }

    pub(crate) fn total_cents(&self) -> u64 {
        self.quantity * self.price_cents
    }

    pub(crate) fn is_paid_unless_cancelled(&self) -> bool {
        TOKENS.iter().any(|(token, _, paid)| *token == self.token && *paid)
    }

    pub(crate) fn body(&self) -> Value {
        let price: Value = {
            let text = format!("{}.{:02}", self.price_cents / 100, self.price_cents % 100);
            serde_json::from_str(&text).unwrap()
        };
        json!({
            "items": [{
                "productId": self.product, "productName": "Thing",
                "quantity": self.quantity, "price": price,
            }],
            "shippingAddress": {
                "street": "1 Main Street", "city": "Springfield", "postalCode": "12345", "country": "US",
            },
            "paymentMethod": { "type": "card", "token": self.token },
        })
    }
}

fn token(mut drawn: u64) -> &'static str {
    for (token, weight, _) in TOKENS {
        if drawn < weight {
            return token;
        }
        drawn -= weight;
    }
    unreachable!("the weights add up to 100")
}

/// Everything that was asked for so far.
#[derive(Debug, Default)]
pub(crate) struct History {
    orders: Vec<Order>,
    unsettled: Vec<Order>,
    last: usize,
    cut_short: usize,
}

impl History {
    /// What a period of load left: acknowledged orders, and requests that were never answered.
    pub(crate) fn add(&mut self, orders: Vec<Order>) {
        let (acknowledged, unsettled): (Vec<_>, Vec<_>) =
            orders.into_iter().partition(|order| order.id.is_some());
        self.last = acknowledged.len();
        self.cut_short += unsettled.len();
        self.orders.extend(acknowledged);
        self.unsettled.extend(unsettled);
    }

    /// The requests that were never answered, to be sent again.
    pub(crate) fn take_unsettled(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.unsettled)
    }

    /// Every acknowledged order.
    pub(crate) fn orders(&self) -> &[Order] {
        assert!(self.unsettled.is_empty(), "some requests are still without an answer");
        &self.orders
    }

    /// The acknowledged orders of the last period of load.
    pub(crate) fn last(&self) -> &[Order] {
        &self.orders[self.orders.len() - self.last..]
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.orders.len() as u64
    }

    /// How often a kill left an order without an answer.
    pub(crate) fn cut_short(&self) -> usize {
        self.cut_short
    }

    pub(crate) fn summary(&self) -> String {
        let cancels = |asked| self.orders.iter().filter(|order| order.cancelling == asked).count();
        format!(
            "{} orders acknowledged, {} times an answer was cut off, cancels: {} accepted, {} refused, {} unknown",
            self.orders.len(),
            self.cut_short,
            cancels(Cancelling::Accepted),
            cancels(Cancelling::Refused),
            cancels(Cancelling::Unknown),
        )
    }
}

#[test]
fn the_weights_of_the_tokens_add_up() {
    assert_eq!(TOKENS.iter().map(|(_, weight, _)| weight).sum::<u64>(), 100);
    assert_eq!(
        (token(0), token(69), token(70), token(99)),
        (TOKENS[0].0, TOKENS[0].0, TOKENS[1].0, TOKENS[5].0)
    );
}
