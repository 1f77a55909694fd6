//! What the events of a payment and of a confirmed order say: of which order and how much, which is
//! what the order costs, whoever overruled its saga; the name that the bank gave to what it did, or the
//! code of its no; and the payment with which an order was confirmed.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{BankEffect, LogEntry};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::http::Asks;
use crate::oracle::naive::json::{number, text};
use crate::oracle::naive::order::Order;

pub(super) fn examine(case: &Case<'_>, finding: &mut Finding) {
    let (answers, presented) = (Answers::of(case), presented(case));
    for order in case.orders.values() {
        let payment = case.streams.get(format!("payment-{}", order.id).as_str());
        for entry in payment.into_iter().flatten() {
            examine_payment(order, entry, finding);
            answers.examine(order, entry, finding);
        }
        let own = case.streams.get(format!("order-{}", order.id).as_str());
        for entry in own.into_iter().flatten().filter(|it| it.event_type == "OrderConfirmed") {
            examine_confirmed(order, presented.get(order.id), entry, finding);
        }
    }
}

fn shown(entry: &LogEntry) -> String {
    format!("{} of {} at {}: {}", entry.event_type, entry.stream, entry.position, entry.payload)
}

/// A payment is of its order, and of what that costs.
fn examine_payment(order: &Order<'_>, entry: &LogEntry, finding: &mut Finding) {
    let (said, placed) = (&entry.payload, &order.placed.payload);
    let is_whole = number(said, "amountMinor") == Some(order.total_minor);
    let same = match entry.event_type.as_str() {
        "PaymentAuthorized" | "PaymentCaptured" | "PaymentDeclined" => {
            is_whole
                && text(said, "orderId") == Some(order.id)
                && text(said, "currency") == text(placed, "currency")
        }
        "PaymentRefunded" => is_whole,
        _ => return,
    };
    finding.expect(same, "a payment says something else than its order", || shown(entry));
}

/// A confirmed order was paid in full: by its own payment, or, elsewhere, by one that a merchant presented.
/// Of an order of which no such request is known nobody can say by which.
fn examine_confirmed(
    order: &Order<'_>,
    presented: Option<&BTreeSet<&str>>,
    entry: &LogEntry,
    finding: &mut Finding,
) {
    let is_whole = number(&entry.payload, "paidMinor") == Some(order.total_minor);
    let what = "an order was confirmed at another sum than it costs";
    finding.expect(is_whole, what, || shown(entry));
    let by = text(&entry.payload, "paymentId");
    let is_known = match (order.by_card, presented) {
        (true, _) => by == Some(order.id),
        (false, Some(presented)) => by.is_some_and(|by| presented.contains(by)),
        (false, None) => return,
    };
    finding.expect(is_known, "an order was confirmed by another payment", || shown(entry));
}

/// The payments that were presented for each order, whatever was answered.
fn presented<'a>(case: &Case<'a>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut presented: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for call in &case.evidence.calls {
        if let (Asks::Confirm(order), Some(payment)) =
            (Asks::of(call), text(&call.body, "paymentId"))
        {
            presented.entry(order).or_default().insert(payment);
        }
    }
    presented
}

/// What the bank called what it did, and its codes, by order.
#[derive(Default)]
struct Answers<'a> {
    names: BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
    codes: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Orders that have a no whose code nobody wrote down.
    refused: BTreeSet<&'a str>,
}

impl<'a> Answers<'a> {
    fn of(case: &Case<'a>) -> Self {
        let mut answers = Self::default();
        for entry in &case.evidence.bank {
            let order = entry.order.as_str();
            match (entry.effect, entry.said.as_deref()) {
                (BankEffect::Done, Some(name)) => {
                    let names = answers.names.entry((order, &entry.operation)).or_default();
                    names.insert(name);
                }
                (BankEffect::Declined | BankEffect::Refused, Some(code)) => {
                    answers.codes.entry(order).or_default().insert(code);
                }
                (BankEffect::Declined | BankEffect::Refused, None) => {
                    answers.refused.insert(order);
                }
                _ => {}
            }
        }
        answers
    }

    /// Where nothing is known of what the bank called it, nothing is looked at.
    fn examine(&self, order: &Order<'_>, entry: &LogEntry, finding: &mut Finding) {
        let names = |operation| (self.names.get(&(order.id, operation)), "reference");
        let (known, field) = match entry.event_type.as_str() {
            "PaymentAuthorized" => names("authorize"),
            "PaymentCaptured" => names("capture"),
            "PaymentRefunded" => names("refund"),
            "PaymentDeclined" if !self.refused.contains(order.id) => {
                (self.codes.get(order.id), "code")
            }
            _ => return,
        };
        let Some(known) = known else { return };
        let same = text(&entry.payload, field).is_some_and(|said| known.contains(said));
        let what = "a payment is recorded under another name than the bank gave it";
        finding.expect(same, what, || format!("{}; the bank said {known:?}", shown(entry)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oracle::money::Money;
    use crate::oracle::testing::{History, caught, clean};

    /// The good history with one field of the first such event changed.
    fn changed(event_type: &str, field: &str, wrong: Value) -> History {
        let mut history = History::good();
        let mut log = history.evidence.log.iter_mut();
        let entry = log.find(|entry| entry.event_type == event_type);
        entry.expect("there is one").payload[field] = wrong;
        history
    }

    /// The bank has called everything by these names.
    fn named(history: &mut History, name: &str, code: &str) {
        for entry in &mut history.evidence.bank {
            let said = if entry.effect == BankEffect::Declined { code } else { name };
            entry.said = Some(said.to_owned());
        }
    }

    #[test]
    fn a_payment_that_is_not_its_orders_is_caught() {
        const WHAT: &str = "a payment says something else than its order";
        for event_type in ["PaymentAuthorized", "PaymentCaptured", "PaymentDeclined"] {
            for (field, wrong) in
                [("amountMinor", json!(501)), ("currency", json!("EUR")), ("orderId", json!("o"))]
            {
                caught(&Money, &changed(event_type, field, wrong), WHAT);
            }
        }
        let mut history = History::good();
        let stream = format!("payment-{}", history.orders[0]);
        history.say(&stream, "PaymentRefunded", json!({"amountMinor": 499, "reference": "r"}));
        caught(&Money, &history, WHAT);
    }

    #[test]
    fn an_order_that_is_confirmed_at_another_sum_or_by_another_payment_is_caught() {
        let sum = changed("OrderConfirmed", "paidMinor", json!(499));
        caught(&Money, &sum, "an order was confirmed at another sum than it costs");
        let payment = changed("OrderConfirmed", "paymentId", json!("p"));
        caught(&Money, &payment, "an order was confirmed by another payment");
    }

    #[test]
    fn a_payment_elsewhere_is_one_that_was_presented() {
        let mut history = changed("OrderPlaced", "paymentKind", json!("external"));
        let order = history.orders[0].clone();
        clean(&Money, &history);
        let request = format!("PUT /orders/{order}/confirm");
        let body = json!({ "paymentId": order });
        history.call(0, &request, None, body, None);
        clean(&Money, &history);
        let call = history.evidence.calls.last_mut().expect("it was asked");
        call.body["paymentId"] = json!("p");
        caught(&Money, &history, "an order was confirmed by another payment");
    }

    #[test]
    fn what_the_bank_called_otherwise_is_caught() {
        const WHAT: &str = "a payment is recorded under another name than the bank gave it";
        let mut history = History::good();
        let declined = history.evidence.log.iter_mut();
        let mut declined = declined.filter(|entry| entry.event_type == "PaymentDeclined");
        declined.next().expect("there is one").payload["code"] = json!("NO");
        named(&mut history, "r", "NO");
        clean(&Money, &history);
        named(&mut history, "r", "WHY");
        caught(&Money, &history, WHAT);
        named(&mut history, "s", "NO");
        caught(&Money, &history, WHAT);
        let refused = &mut history.evidence.bank;
        refused.iter_mut().for_each(|entry| entry.said = None);
        clean(&Money, &history);
    }
}
