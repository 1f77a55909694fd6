//! Payments: given events, when a command comes, then events or a refusal.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::testing::aggregate;

fn terms() -> PaymentTerms {
    PaymentTerms {
        order_id: OrderId::new(Uuid::nil()),
        amount: Money::parse("41.48").unwrap(),
        currency: Currency::Usd,
    }
}

fn authorize() -> PaymentCommand {
    PaymentCommand::Authorize { terms: terms(), reference: "a1".to_owned() }
}

fn decline() -> PaymentCommand {
    let (code, reason) = ("CARD_DECLINED".to_owned(), "no".to_owned());
    PaymentCommand::Decline { terms: terms(), code, reason }
}

fn capture() -> PaymentCommand {
    PaymentCommand::Capture { terms: terms(), reference: "c1".to_owned() }
}

fn refund() -> PaymentCommand {
    PaymentCommand::Refund { reference: "r1".to_owned() }
}

fn every_command() -> [PaymentCommand; 5] {
    [authorize(), decline(), capture(), PaymentCommand::Void, refund()]
}

fn given(commands: impl IntoIterator<Item = PaymentCommand>) -> Payment {
    let past = commands.into_iter().fold(aggregate::given::<Payment>([]), aggregate::Given::after);
    past.state().clone()
}

/// What each command does after a past: the next status, `=` for nothing, `!` for a refusal.
fn moves(past: Vec<PaymentCommand>) -> [&'static str; 5] {
    let payment = given(past);
    every_command().map(|command| match payment.decide(command) {
        Err(_) => "!",
        Ok(events) if events.is_empty() => "=",
        Ok(events) => {
            let mut after = payment.clone();
            events.iter().for_each(|event| after.evolve(event));
            after.status().as_str()
        }
    })
}

#[test]
fn every_status_allows_what_a_gateway_can_answer_and_no_more() {
    //                            authorize     decline   capture      void      refund
    assert_eq!(moves(vec![]), ["processing", "failed", "completed", "=", "!"]);
    assert_eq!(moves(vec![authorize()]), ["=", "failed", "completed", "failed", "!"]);
    assert_eq!(moves(vec![authorize(), capture()]), ["!", "!", "=", "!", "refunded"]);
    assert_eq!(moves(vec![authorize(), PaymentCommand::Void]), ["!", "=", "!", "=", "!"]);
    assert_eq!(moves(vec![decline()]), ["!", "=", "!", "=", "!"]);
    assert_eq!(moves(vec![authorize(), capture(), refund()]), ["!", "!", "!", "!", "="]);
}

#[test]
fn money_set_aside_before_a_declined_capture_is_let_go() {
    assert_eq!(moves(vec![authorize(), decline()]), ["!", "=", "!", "failed", "!"]);
}

#[test]
fn a_refund_gives_back_what_was_captured() {
    let payment = given([authorize(), capture()]);
    assert_eq!(payment.net(), terms().amount);
    let events = payment.decide(refund()).unwrap();
    let PaymentEvent::PaymentRefunded { amount, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(*amount, terms().amount);
    assert_eq!(given([authorize(), capture(), refund()]).net(), Money::ZERO);
}

#[test]
fn a_refusal_names_the_status_and_what_was_wanted() {
    let refusal = given([authorize(), capture()]).decide(PaymentCommand::Void).unwrap_err();
    assert_eq!(refusal.to_string(), "a payment that is completed cannot be voided");
}

#[test]
fn the_stored_shape_of_the_events_does_not_change() {
    let events = Payment::default().decide(authorize()).unwrap();
    let wants = r#"{"PaymentAuthorized":{"orderId":"00000000-0000-0000-0000-000000000000","amountMinor":4148,"currency":"USD","reference":"a1"}}"#;
    assert_eq!(serde_json::to_string(&events[0]).unwrap(), wants);
    assert_eq!(serde_json::from_str::<PaymentEvent>(wants).unwrap(), events[0]);
}

proptest! {
    #[test]
    fn never_more_is_given_back_than_was_captured(picks in prop::collection::vec(0..5usize, 0..20)) {
        let mut payment = Payment::default();
        for pick in picks {
            let Ok(events) = payment.decide(every_command()[pick].clone()) else { continue };
            events.iter().for_each(|event| payment.evolve(event));
            prop_assert!(payment.refunded <= payment.captured);
            prop_assert!([Money::ZERO, terms().amount].contains(&payment.net()));
            let completed = payment.status() == PaymentStatus::Completed;
            prop_assert_eq!(payment.net() > Money::ZERO, completed);
        }
    }
}
