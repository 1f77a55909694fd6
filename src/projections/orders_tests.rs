//! The view of orders: given events, then documents and where they are found.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{
    LockPolicy, OrderCommand, OrderDraft, PaymentCommand, PaymentTerms, PlaceOrder,
};
use crate::projections::{fold, partition};
use crate::testing::Log;
use crate::testing::projection::given;

const KEY: &str = "00000000-0000-0000-0000-000000000001";

fn order_id() -> OrderId {
    OrderId::parse(KEY).unwrap()
}

fn place(method: &str) -> OrderCommand {
    let json = r#"{"items":[{"productId":"lamp","productName":"Lamp","quantity":2,"price":19.9}],
        "shippingAddress":{"street":"1 Main St","city":"Springfield","zipCode":"1","country":"US"},
        "paymentMethod":{"type":"METHOD"}}"#;
    let draft: OrderDraft = serde_json::from_str(&json.replace("METHOD", method)).unwrap();
    let details = draft.check().unwrap().details;
    let user_id = UserId::new(Uuid::nil());
    let order = Box::new(PlaceOrder { user_id, details, idempotency_key: None });
    OrderCommand::Place { order, locks: LockPolicy::default(), now_us: 0 }
}

fn authorize() -> PaymentCommand {
    let terms = PaymentTerms {
        order_id: order_id(),
        amount: crate::domain::Money::ZERO,
        currency: Currency::Usd,
    };
    PaymentCommand::Authorize { terms, reference: "a1".to_owned() }
}

fn decline() -> PaymentCommand {
    let PaymentCommand::Authorize { terms, .. } = authorize() else { unreachable!() };
    PaymentCommand::Decline { terms, code: "card_declined".to_owned(), reason: "no".to_owned() }
}

fn confirm() -> OrderCommand {
    OrderCommand::Confirm { payment_id: PaymentId::of_order(order_id()) }
}

fn cancel() -> OrderCommand {
    OrderCommand::Cancel { reason: "too late".to_owned() }
}

fn document(log: &Log) -> Option<OrderDocument> {
    fold(&Orders, KEY, log.events()).unwrap()
}

#[test]
fn a_placed_order_is_shown_as_it_was_placed() {
    let mut log = Log::new();
    assert_eq!(document(&log), None);
    assert!(log.execute::<Order>(KEY, place("card")));
    let wants = serde_json::json!({
        "id": KEY,
        "userId": Uuid::nil(),
        "status": "pending",
        "items": [{"productId": "lamp", "productName": "Lamp", "quantity": 2, "price": 19.9}],
        "totalAmount": 39.8,
        "currency": "USD",
        "shippingAddress":
            {"street": "1 Main St", "city": "Springfield", "zipCode": "1", "country": "US"},
        "paymentMethod": {"type": "card"},
        "correlationId": "request-1",
        "createdAt": "1970-01-01T00:00:01.000000Z",
        "updatedAt": "1970-01-01T00:00:01.000000Z",
    });
    let json = serde_json::to_string(&document(&log)).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), wants);
    assert!(json.contains(r#""price":19.90"#) && json.contains(r#""totalAmount":39.80"#), "{json}");
    assert_eq!(serde_json::from_str::<Option<OrderDocument>>(&json).unwrap(), document(&log));
}

#[test]
fn an_order_is_processing_between_authorisation_and_payment() {
    let mut log = Log::new();
    log.execute::<Order>(KEY, place("card"));
    log.execute::<Payment>(KEY, authorize());
    assert_eq!(document(&log).unwrap().status, OrderStatus::Processing);
    log.execute::<Order>(KEY, confirm());
    let paid = document(&log).unwrap();
    assert_eq!(paid.status, OrderStatus::Paid);
    assert_eq!(paid.payment_id, Some(PaymentId::of_order(order_id())));
    assert_eq!(paid.updated_at, WallTime(3_000_000));
    assert_eq!(paid.created_at, WallTime(1_000_000));
}

#[test]
fn a_late_authorisation_does_not_wake_an_order_that_has_ended() {
    let mut log = Log::new();
    log.execute::<Order>(KEY, place("card"));
    log.execute::<Order>(KEY, cancel());
    log.execute::<Payment>(KEY, authorize());
    let cancelled = document(&log).unwrap();
    assert_eq!(cancelled.status, OrderStatus::Cancelled);
    assert_eq!(cancelled.reason.as_deref(), Some("too late"));
}

#[test]
fn a_declined_payment_leaves_its_order_pending_however_the_pages_are_cut() {
    let mut log = Log::new();
    log.execute::<Order>(KEY, place("card"));
    log.execute::<Payment>(KEY, decline());
    // One by one and all at once: the kit refuses a difference.
    let shown = given(Orders, &log).view(KEY).unwrap();
    assert_eq!((shown.status, shown.updated_at), (OrderStatus::Pending, WallTime(1_000_000)));
    assert_eq!(Some(shown), document(&log));
}

#[test]
fn an_order_is_found_by_user_and_by_status_newest_first() {
    let mut log = Log::new();
    log.execute::<Order>(KEY, place("card"));
    let older = document(&log).unwrap();
    let newer = OrderDocument { created_at: WallTime(2_000_000), ..older.clone() };
    let user = Uuid::nil().to_string();
    let keys = Orders.index(KEY, &older);
    let partitions: Vec<_> = keys.iter().map(|key| (key.index, key.partition.clone())).collect();
    let wants = [
        ("all", partition(&["*"])),
        ("by_status", partition(&["pending"])),
        ("by_user", partition(&[&user])),
        ("by_user_status", partition(&[&user, "pending"])),
    ];
    assert_eq!(partitions, wants);
    assert!(keys[0].sort < Orders.index(KEY, &newer)[0].sort);
}

proptest! {
    #[test]
    fn a_document_agrees_with_its_order_after_any_history(
        picks in prop::collection::vec(0..8usize, 0..16)
    ) {
        let mut log = Log::new();
        for pick in picks {
            let reason = || "why not".to_owned();
            let payment_id = PaymentId::parse("p1").unwrap();
            let command = match pick {
                0 => place("card"),
                1 => place("external"),
                2 => confirm(),
                3 => OrderCommand::ConfirmExternal { payment_id },
                4 => cancel(),
                5 => OrderCommand::GiveUp { reason: reason() },
                6 => OrderCommand::Ship { by: UserId::new(Uuid::nil()) },
                _ => OrderCommand::CancelRefunded { reason: reason() },
            };
            log.execute::<Order>(KEY, command);
        }
        let mut order = Order::default();
        for event in log.events() {
            order.evolve(&Recorded::new(event).of::<Order>().unwrap().unwrap());
        }
        let document = document(&log);
        prop_assert_eq!(document.is_some(), order.placed().is_some());
        if let Some(document) = document {
            prop_assert_eq!(document.status, order.status());
            prop_assert_eq!(document.payment_id.as_ref(), order.payment_id());
            prop_assert_eq!(document.reason.as_deref(), order.end_reason());
        }
    }
}
