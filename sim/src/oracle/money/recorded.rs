//! What is recorded of a payment against the bank's ledger. What the bank said of a step stands in
//! the append that says how the step ended: so behind the end of a saga the payment's own stream has
//! an event of everything that the saga knows to have happened there, whether the bank was heard at once
//! or had to be asked: money set aside, moved, let go and given back, and the bank's no. Of what nobody
//! ever heard there is nothing to say: money that was set aside and let go again behind a lost answer.

use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::ledger::Account;
use crate::oracle::naive::order::Order;
use crate::oracle::naive::payment::Payment;
use crate::oracle::naive::saga::{End, Progress, Saga};
use crate::oracle::naive::steps;

const SAGA: &str = "order-processing";
const AUTHORIZE: &str = "authorize_payment";
const CAPTURE: &str = "capture_payment";

/// The payment of an order whose saga nobody overruled, and none of its refunds either.
pub(super) fn examine(
    case: &Case<'_>,
    order: &Order<'_>,
    saga: &Saga<'_>,
    account: &Account,
    finding: &mut Finding,
) {
    let Some(end) = saga.end.filter(|_| saga.saga_type == SAGA) else { return };
    let payment = case.payments.get(order.id);
    let mut expect = |holds: bool, what: &str| {
        let detail = || format!("order {}: {payment:?}, the bank has {account:?}", order.id);
        finding.expect(holds, what, detail);
    };
    let authorized = payment.is_some_and(|payment| payment.authorized_at.is_some());
    let what = "a payment does not say that its money was set aside";
    expect(authorized || !was_authorized(saga), what);
    if was_declined(saga) {
        let declined = payment.is_some_and(|payment| payment.is_declined);
        expect(declined, "a payment does not say that the bank said no");
    }
    match end {
        End::Completed => {
            let moved = payment.is_some_and(|payment| says_moved(payment, account));
            let what = "a payment does not say that its money moved";
            expect(moved || account.captured != 1, what);
            let is_refunded = payment.is_some_and(|payment| payment.status == "refunded");
            let what = "a payment says that money was given back which the bank has";
            expect(account.refunded > 0 || !is_refunded, what);
            let mut refunds = case.refunds_of(order.id);
            let is_due = refunds.any(|refund| refund.end == Some(End::Completed));
            let given_back = payment.is_some_and(|payment| says_given_back(payment, account));
            let what = "a payment does not say that its money was given back";
            expect(given_back || !is_due || account.refunded != 1, what);
        }
        // Of money that was never set aside, as far as anybody knew, there is nothing to say.
        End::Compensated => {
            let is_failed = payment.is_none_or(|payment| payment.status == "failed");
            expect(is_failed, "an undone saga whose payment does not say that it failed");
            if authorized && account.voided {
                let let_go = payment.is_some_and(|payment| payment.is_voided);
                expect(let_go, "a payment does not say that its money was let go");
            }
        }
    }
}

/// Whether the saga knew that the money was set aside.
fn was_authorized(saga: &Saga<'_>) -> bool {
    has_come_to(saga, AUTHORIZE, Progress::Done)
}

/// Whether the saga heard the bank's no.
fn was_declined(saga: &Saga<'_>) -> bool {
    [AUTHORIZE, CAPTURE].into_iter().any(|step| has_come_to(saga, step, Progress::Rejected))
}

fn has_come_to(saga: &Saga<'_>, step: &str, progress: Progress) -> bool {
    let names = steps::of(SAGA).unwrap_or(&[]);
    let place = names.iter().position(|name| *name == step);
    place.is_some_and(|place| saga.progress(place, 0) == progress)
}

fn says_moved(payment: &Payment, account: &Account) -> bool {
    matches!(payment.status, "completed" | "refunded")
        && payment.captured_minor == account.captured_minor
}

fn says_given_back(payment: &Payment, account: &Account) -> bool {
    payment.status == "refunded" && payment.refunded_minor == account.refunded_minor
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::evidence::{BankEffect, LogEntry};
    use crate::oracle::money::Money;
    use crate::oracle::testing::{History, caught, clean};

    /// An order that was paid and whose money was given back; its id.
    fn refunded(history: &mut History) -> String {
        let order = history.orders[0].clone();
        let input = json!({"terms": {"orderId": order}});
        let started = json!({"sagaType": "order-refund", "steps": 2, "pivot": 0, "input": input,
            "epoch": 1});
        history.say("saga-r1", "SagaStarted", started);
        for step in 0..2 {
            history.say("saga-r1", "StepStarted", json!({"step": step, "atUs": 1, "epoch": 1}));
            let succeeded = json!({"step": step, "result": null, "atUs": 1});
            history.say("saga-r1", "StepSucceeded", succeeded);
        }
        history.bank(&order, "refund", "r1/refund_payment/action", 500, BankEffect::Done);
        let given = json!({"amountMinor": 500, "reference": "r"});
        history.say(&format!("payment-{order}"), "PaymentRefunded", given);
        history.say(&format!("order-{order}"), "OrderCancelled", json!({"reason": "no"}));
        history.say("saga-r1", "SagaCompleted", json!({"atUs": 2}));
        order
    }

    fn event<'a>(history: &'a mut History, order: &str, event_type: &str) -> &'a mut LogEntry {
        let stream = format!("payment-{order}");
        let mut log = history.evidence.log.iter_mut();
        let found = log.find(|entry| entry.stream == stream && entry.event_type == event_type);
        found.expect("the payment has such an event")
    }

    fn forget(history: &mut History, order: &str, event_type: &str) {
        let id = event(history, order, event_type).id.clone();
        history.evidence.log.retain(|entry| entry.id != id);
    }

    #[test]
    fn a_capture_that_was_found_and_not_recorded_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        forget(&mut history, &order, "PaymentCaptured");
        caught(&Money, &history, "a payment does not say that its money moved");
    }

    #[test]
    fn a_payment_of_which_nothing_is_recorded_is_caught() {
        let mut history = History::good();
        let stream = format!("payment-{}", history.orders[0]);
        history.evidence.log.retain(|entry| entry.stream != stream);
        caught(&Money, &history, "a payment does not say that its money moved");
    }

    #[test]
    fn another_amount_than_moved_is_caught() {
        let mut history = History::good();
        let order = history.orders[0].clone();
        event(&mut history, &order, "PaymentCaptured").payload["amountMinor"] = json!(499);
        caught(&Money, &history, "a payment does not say that its money moved");
    }

    #[test]
    fn an_authorization_that_was_found_and_not_recorded_is_caught() {
        for place in [0, 2] {
            let mut history = History::good();
            let order = history.orders[place].clone();
            forget(&mut history, &order, "PaymentAuthorized");
            caught(&Money, &history, "a payment does not say that its money was set aside");
        }
    }

    #[test]
    fn nobody_has_to_know_before_the_saga_has_ended() {
        let mut history = History::good();
        let order = history.start_order(5, "key-8", "product-8");
        let key = format!("{order}/authorize_payment/action");
        history.bank(&order, "authorize", &key, 500, BankEffect::Done);
        clean(&Money, &history);
    }

    #[test]
    fn a_refund_that_was_found_and_not_recorded_is_caught() {
        let mut history = History::good();
        let order = refunded(&mut history);
        clean(&Money, &history);
        forget(&mut history, &order, "PaymentRefunded");
        caught(&Money, &history, "a payment does not say that its money was given back");
    }

    #[test]
    fn a_refund_that_never_was_is_caught() {
        let mut history = History::good();
        let stream = format!("payment-{}", history.orders[0]);
        let given = json!({"amountMinor": 500, "reference": "r"});
        history.say(&stream, "PaymentRefunded", given);
        let what = "a payment says that money was given back which the bank has";
        caught(&Money, &history, what);
    }

    #[test]
    fn an_undone_order_whose_payment_still_waits_is_caught() {
        let mut history = History::good();
        let order = history.orders[2].clone();
        forget(&mut history, &order, "PaymentDeclined");
        forget(&mut history, &order, "PaymentVoided");
        let what = "an undone saga whose payment does not say that it failed";
        caught(&Money, &history, what);
    }

    #[test]
    fn a_no_of_the_bank_that_is_not_recorded_is_caught() {
        let mut history = History::good();
        let order = history.orders[2].clone();
        forget(&mut history, &order, "PaymentDeclined");
        caught(&Money, &history, "a payment does not say that the bank said no");
    }

    #[test]
    fn money_that_was_let_go_behind_a_no_and_not_recorded_is_caught() {
        let mut history = History::good();
        let order = history.orders[2].clone();
        forget(&mut history, &order, "PaymentVoided");
        caught(&Money, &history, "a payment does not say that its money was let go");
    }

    #[test]
    fn money_that_nobody_knew_to_be_set_aside_need_not_be_let_go_in_words() {
        let mut history = History::good();
        let order = history.start_order(5, "key-8", "product-8");
        let authorize = format!("{order}/authorize_payment/action");
        history.bank(&order, "authorize", &authorize, 500, BankEffect::Done);
        let saga = format!("saga-{order}");
        let why = json!({"reason": {"deadline": {"step": null}}, "atUs": 2});
        history.say(&saga, "SagaAborted", why);
        for step in [1, 0] {
            let undo = json!({"step": step, "atUs": 2, "epoch": 1});
            history.say(&saga, "CompensationStarted", undo);
            if step == 1 {
                let void = format!("{order}/authorize_payment/compensation");
                history.bank(&order, "void", &void, 500, BankEffect::Done);
            }
            history.say(&saga, "CompensationSucceeded", json!({"step": step, "atUs": 2}));
        }
        history.say(&saga, "SagaCompensated", json!({"atUs": 3}));
        history.say(&format!("order-{order}"), "OrderCancelled", json!({"reason": "late"}));
        clean(&Money, &history);
    }

    #[test]
    fn what_an_operator_decided_is_left_out() {
        let mut history = History::good();
        let order = history.compensated_order(5, "key-8", "product-8");
        forget(&mut history, &order, "PaymentDeclined");
        caught(&Money, &history, "a payment does not say that the bank said no");
        let rejected = history.evidence.log.iter_mut().rfind(|it| it.event_type == "StepRejected");
        rejected.expect("the capture was declined").event_type = "StepResolved".to_owned();
        clean(&Money, &history);
    }
}
