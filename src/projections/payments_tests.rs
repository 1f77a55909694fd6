//! The view of payments: given events, then documents and where they are found.

use proptest::prelude::*;

use super::*;
use crate::domain::{PaymentCommand, PaymentTerms};
use crate::projections::fold;
use crate::testing::Log;

const KEY: &str = "00000000-0000-0000-0000-000000000001";

fn command(pick: usize) -> PaymentCommand {
    let terms = PaymentTerms {
        order_id: OrderId::parse(KEY).unwrap(),
        amount: Money::parse("41.48").unwrap(),
        currency: Currency::Usd,
    };
    let (code, reason) = ("CARD_DECLINED".to_owned(), "no funds".to_owned());
    match pick {
        0 => PaymentCommand::Authorize { terms, reference: "a1".to_owned() },
        1 => PaymentCommand::Decline { terms, code, reason },
        2 => PaymentCommand::Capture { terms, reference: "c1".to_owned() },
        3 => PaymentCommand::Void,
        _ => PaymentCommand::Refund { reference: "r1".to_owned() },
    }
}

fn after(picks: &[usize]) -> Option<PaymentDocument> {
    let mut log = Log::new();
    for pick in picks {
        log.execute::<Payment>(KEY, command(*pick));
    }
    fold(&Payments, KEY, log.events()).unwrap()
}

#[test]
fn the_money_is_followed_to_its_end() {
    assert_eq!(after(&[]), None);
    assert_eq!(after(&[0]).unwrap().status, PaymentStatus::Processing);
    let paid = after(&[0, 2]).unwrap();
    assert_eq!((paid.status, paid.reference.as_deref()), (PaymentStatus::Completed, Some("c1")));
    assert_eq!(paid.captured_amount, paid.amount);
    let refunded = after(&[0, 2, 4]).unwrap();
    assert_eq!(refunded.status, PaymentStatus::Refunded);
    assert_eq!(refunded.refunded_amount, refunded.captured_amount);
}

#[test]
fn a_decline_is_shown_in_the_gateways_words() {
    let json = serde_json::to_value(after(&[1]).unwrap()).unwrap();
    assert_eq!(json["status"], "failed");
    assert_eq!(json["declineCode"], "CARD_DECLINED");
    assert_eq!(json["declineReason"], "no funds");
    assert_eq!(json["orderId"], KEY);
}

#[test]
fn a_capture_without_a_known_authorisation_is_a_payment_too() {
    assert_eq!(after(&[2]).unwrap().status, PaymentStatus::Completed);
}

#[test]
fn a_payment_is_found_by_its_order() {
    let payment = after(&[0]).unwrap();
    let keys = Payments.index(KEY, &payment);
    assert!(keys.iter().any(|key| key.index == "by_order" && key.partition == KEY));
}

proptest! {
    #[test]
    fn a_document_agrees_with_its_payment_after_any_history(
        picks in prop::collection::vec(0..5usize, 0..12)
    ) {
        let mut log = Log::new();
        for pick in picks {
            log.execute::<Payment>(KEY, command(pick));
        }
        let mut payment = Payment::default();
        for event in log.events() {
            payment.evolve(&Recorded::new(event).of::<Payment>().unwrap().unwrap());
        }
        if let Some(document) = fold(&Payments, KEY, log.events()).unwrap() {
            prop_assert_eq!(document.status, payment.status());
            let net = document.captured_amount.0.checked_sub(document.refunded_amount.0);
            prop_assert_eq!(net, Some(payment.net()));
        } else {
            prop_assert!(log.events().is_empty());
        }
    }
}
