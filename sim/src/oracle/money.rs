//! The bank's own ledger against the sagas (I1 to I4): at every entry the money is moved whole or not at
//! all and given back at most once; nothing takes effect after its undo; undos come in reverse; and at the
//! end the ledger says of every order what its saga and its payment say. Nor does any event of a payment say
//! otherwise.

mod recorded;
mod told;

use std::collections::BTreeMap;

use crate::evidence::{BankEffect, BankEntry};

use super::case::Case;
use super::naive::ledger::Account;
use super::naive::order::Order;
use super::naive::saga::{End, Saga};
use super::naive::steps::{self, Key};
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Money;

impl Oracle for Money {
    fn name(&self) -> &'static str {
        "money"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.places_orders()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        let mut accounts: BTreeMap<&str, Account> = BTreeMap::new();
        let mut book = Book::default();
        for entry in &case.evidence.bank {
            finding.look();
            let account = accounts.entry(&entry.order).or_default();
            if let Some(what) = account.apply(entry) {
                finding.break_promise(what, shown(entry));
            }
            book.examine(case, entry, &mut finding);
            examine_amount(case, entry, &mut finding);
        }
        for order in case.orders.values() {
            let account = accounts.get(order.id).cloned().unwrap_or_default();
            examine_end(case, order, &account, &mut finding);
        }
        told::examine(case, &mut finding);
        finding
    }
}

fn shown(entry: &BankEntry) -> String {
    format!(
        "entry {}: {} {} of order {} under {} (epoch {}) by {}",
        entry.seq,
        entry.operation,
        entry.amount_minor,
        entry.order,
        entry.key,
        entry.epoch,
        entry.by
    )
}

/// Keys as they took effect.
#[derive(Default)]
struct Book<'a> {
    /// Keys that took effect; the undo of a participant that is no bank has its action's key.
    done: BTreeMap<(&'a str, bool), u64>,
    /// Steps that are undone: saga, step.
    undone: BTreeMap<(&'a str, &'a str), u64>,
    /// The first step, from the front, that is undone of each saga.
    undone_to: BTreeMap<&'a str, usize>,
}

impl<'a> Book<'a> {
    fn examine(&mut self, case: &Case<'_>, entry: &'a BankEntry, finding: &mut Finding) {
        if !matches!(entry.effect, BankEffect::Done | BankEffect::Tombstone) {
            return;
        }
        let is_undo = entry.operation.ends_with("/undo");
        if let Some(before) = self.done.insert((&entry.key, is_undo), entry.seq) {
            let detail = format!("{}, and before in {before}", shown(entry));
            finding.break_promise("one key took effect twice", detail);
        }
        let Some(mut key) = Key::parse(&entry.key) else { return };
        key.undoes |= is_undo;
        examine_intent(case, &key, entry, finding);
        if key.undoes {
            self.undo(case, key, entry, finding);
        } else if let Some(undo) = self.undone.get(&(key.saga, key.step)) {
            let detail = format!("{}, undone in {undo}", shown(entry));
            finding.break_promise("a step took effect after its undo", detail);
        }
    }

    /// Undos go from the last step to the first, once each.
    fn undo(&mut self, case: &Case<'_>, key: Key<'a>, entry: &BankEntry, finding: &mut Finding) {
        if let Some(before) = self.undone.insert((key.saga, key.step), entry.seq) {
            let detail = format!("{}, and before in {before}", shown(entry));
            finding.break_promise("a step was undone twice", detail);
        }
        let Some(saga) = case.sagas.get(key.saga) else { return };
        let names = steps::of(saga.saga_type).unwrap_or(&[]);
        let Some(place) = names.iter().position(|name| *name == key.step) else { return };
        if saga.pivot.is_some_and(|pivot| place > pivot) {
            finding.break_promise("a step behind the pivot was undone", shown(entry));
        }
        let earlier = self.undone_to.insert(key.saga, place);
        if earlier.is_some_and(|earlier| earlier < place) {
            finding.break_promise("undos did not come in reverse order", shown(entry));
        }
    }
}

/// What took effect was announced in the log before the call left: it is there.
fn examine_intent(case: &Case<'_>, key: &Key<'_>, entry: &BankEntry, finding: &mut Finding) {
    let Some(saga) = case.sagas.get(key.saga) else {
        finding
            .break_promise("something took effect for a saga that is not in the log", shown(entry));
        return;
    };
    let names = steps::of(saga.saga_type);
    let Some(place) = names.and_then(|names| names.iter().position(|name| *name == key.step))
    else {
        return;
    };
    let announced = saga.steps.get(place).map(|step| step.attempt[usize::from(key.undoes)]);
    if announced.unwrap_or(0) == 0 {
        finding.break_promise("something took effect that the log never announced", shown(entry));
    }
}

/// The bank is asked for what the order costs, whatever it answers.
fn examine_amount(case: &Case<'_>, entry: &BankEntry, finding: &mut Finding) {
    let is_asked = matches!(entry.operation.as_str(), "authorize" | "capture" | "refund");
    let is_new =
        matches!(entry.effect, BankEffect::Done | BankEffect::Declined | BankEffect::Refused);
    let order = case.orders.get(entry.order.as_str()).filter(|_| is_asked && is_new);
    let Some(order) = order else { return };
    let is_whole = entry.amount_minor == order.total_minor;
    let what = "the bank was asked for another amount than the order costs";
    finding.expect(is_whole, what, || shown(entry));
}

/// At its end the ledger agrees with the saga, unless an operator overruled the participants.
fn examine_end(case: &Case<'_>, order: &Order<'_>, account: &Account, finding: &mut Finding) {
    let Some(saga) = case.sagas.get(order.id).filter(|saga| !saga.is_overruled) else { return };
    let refunds: Vec<_> = case.refunds_of(order.id).collect();
    if refunds.iter().any(|refund| refund.is_overruled) {
        return;
    }
    let mut expect = |holds: bool, what: &str| {
        finding.expect(holds, what, || format!("order {}: {account:?}", order.id));
    };
    let whole = account.captured_minor == order.total_minor || account.captured == 0;
    expect(whole, "another amount moved than the order costs");
    let refunded = refunds.iter().any(|refund| refund.end == Some(End::Completed));
    expect(
        account.refunded == 0 || !refunds.is_empty(),
        "money was given back that nobody asked for",
    );
    match saga.end {
        Some(End::Completed) => {
            expect(account.captured == 1, "a completed saga whose money did not move");
            expect(
                (account.refunded == 1) || !refunded,
                "a completed refund that gave nothing back",
            );
            let wanted: &[&str] =
                if refunded { &["cancelled"] } else { &["paid", "shipped", "delivered"] };
            expect(wanted.contains(&order.status), "a completed saga with another order status");
        }
        Some(End::Compensated) => {
            expect(account.captured == 0, "an undone saga whose money moved");
            expect(account.held_minor.is_none(), "an undone saga whose money is still set aside");
            expect(order.status == "cancelled", "an undone saga with another order status");
        }
        None => {}
    }
    // Who gave the money back and has not heard so may wait for a person; who has heard it goes on.
    let goes_on = |refund: &&Saga<'_>| {
        refund.is_committed() && !refund.is_paused && !refund.parked.contains(&None)
    };
    let is_back = account.refunded > 0 && account.refunded_minor == account.captured_minor;
    if case.is_quiet() && is_back && refunds.iter().any(goes_on) {
        expect(
            order.status == "cancelled",
            "money was given back for an order that is not cancelled",
        );
    }
    recorded::examine(case, order, saga, account, finding);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    fn done(history: &mut History, order: &str, operation: &str, key: &str) {
        history.bank(order, operation, &format!("{order}/{key}"), 500, BankEffect::Done);
    }

    #[test]
    fn a_ledger_that_agrees_with_the_log_is_right() {
        let finding = clean(&Money, &History::good());
        assert!(finding.examined > 10, "{}", finding.examined);
    }

    #[test]
    fn another_amount_than_the_order_costs_is_caught_also_when_the_bank_refuses_it() {
        let mut history = History::good();
        let is_capture = |entry: &&mut BankEntry| entry.operation == "capture";
        let entry = history.evidence.bank.iter_mut().find(is_capture).expect("a capture");
        entry.amount_minor -= 1;
        entry.effect = BankEffect::Refused;
        caught(&Money, &history, "the bank was asked for another amount than the order costs");
    }

    #[test]
    fn an_unknown_outcome_taken_as_a_failure_is_caught() {
        let mut history = History::good();
        let order = history.compensated_order(5, "key-8", "product-8");
        // The capture whose reply was lost had happened.
        history
            .evidence
            .bank
            .retain(|entry| entry.order != order || entry.operation == "authorize");
        done(&mut history, &order, "capture", "capture_payment/action");
        caught(&Money, &history, "an undone saga whose money moved");
    }

    #[test]
    fn an_authorization_that_was_taken_as_failed_and_never_let_go_is_caught() {
        let mut history = History::good();
        let order = history.compensated_order(5, "key-8", "product-8");
        history
            .evidence
            .bank
            .retain(|entry| entry.order != order || entry.operation == "authorize");
        caught(&Money, &history, "an undone saga whose money is still set aside");
    }

    #[test]
    fn an_unknown_outcome_taken_as_a_success_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.evidence.bank.retain(|entry| entry.order != order || entry.operation != "capture");
        caught(&Money, &history, "a completed saga whose money did not move");
    }

    #[test]
    fn a_key_for_each_attempt_charges_twice_and_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        done(&mut history, &order, "capture", "capture_payment/action/2");
        caught(&Money, &history, "money moved twice");
    }

    #[test]
    fn a_late_action_without_a_tombstone_is_caught() {
        let mut history = History::good();
        let order = history.compensated_order(5, "key-8", "product-8");
        history.evidence.bank.retain(|entry| entry.order != order);
        history.bank(
            &order,
            "void",
            &format!("{order}/authorize_payment/compensation"),
            0,
            BankEffect::Tombstone,
        );
        clean(&Money, &history);
        done(&mut history, &order, "authorize", "authorize_payment/action");
        caught(&Money, &history, "money was set aside after the undo");
    }

    #[test]
    fn an_undo_behind_the_pivot_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        done(&mut history, &order, "void", "authorize_payment/compensation");
        caught(&Money, &history, "a payment was undone behind its pivot");
    }

    #[test]
    fn a_compensation_that_is_made_twice_is_caught() {
        let mut history = History::good();
        let order = history.compensated_order(5, "key-8", "product-8");
        done(&mut history, &order, "void", "authorize_payment/compensation");
        caught(&Money, &history, "one key took effect twice");
    }

    #[test]
    fn an_undo_of_what_never_happened_is_caught() {
        let mut history = History::good();
        let order = history.start_order(5, "key-8", "product-8");
        done(&mut history, &order, "void", "authorize_payment/compensation");
        caught(&Money, &history, "something took effect that the log never announced");
    }

    #[test]
    fn compensations_in_forward_order_are_caught() {
        let mut history = History::good();
        let order = history.compensated_order(5, "key-8", "product-8");
        done(&mut history, &order, "/seats", "capture_payment/compensation");
        caught(&Money, &history, "undos did not come in reverse order");
    }

    /// An order that has arrived and whose money is back; its refund waits for a person at this step.
    fn given_back(step: u32) -> History {
        let mut history = History::good();
        let order = history.orders[0].clone();
        for event in ["OrderShipped", "OrderDelivered"] {
            history.say(&format!("order-{order}"), event, json!({}));
        }
        history.bank(&order, "refund", "r1/refund_payment/action", 500, BankEffect::Done);
        if step > 0 {
            let given = json!({"amountMinor": 500, "reference": "r"});
            history.say(&format!("payment-{order}"), "PaymentRefunded", given);
        }
        history.parked_refund(step, 24);
        history
    }

    #[test]
    fn an_order_that_stays_as_it_was_when_its_money_is_back_is_caught() {
        let what = "money was given back for an order that is not cancelled";
        caught(&Money, &given_back(1), what);
        let mut history = given_back(1);
        let order = format!("order-{}", history.orders[0]);
        history.say(&order, "OrderCancelled", json!({"reason": "back"}));
        history.say("saga-r1", "StepSucceeded", json!({"step": 1, "result": null, "atUs": 10}));
        history.say("saga-r1", "SagaCompleted", json!({"atUs": 10}));
        clean(&Money, &history);
    }

    #[test]
    fn money_that_nobody_knows_to_be_back_and_what_an_operator_decided_is_left_out() {
        clean(&Money, &given_back(0));
        let mut history = given_back(1);
        history.evidence.phases.quiet_at_us = None;
        clean(&Money, &history);
        let mut history = given_back(1);
        let by = json!({"step": 1, "direction": "action", "reason": "r", "actor": "a"});
        history.say("saga-r1", "StepSkipped", by);
        history.say("saga-r1", "SagaCompleted", json!({"atUs": 11}));
        clean(&Money, &history);
    }

    #[test]
    fn money_that_is_given_back_unasked_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        history.bank(&order, "refund", "other/refund_payment/action", 1_000, BankEffect::Done);
        caught(&Money, &history, "money was given back that nobody asked for");
    }
}
