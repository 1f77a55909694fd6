//! Orders: given events, when a command comes, then events or a refusal.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{IdempotencyKey, Money, OrderDraft, UserId};
use crate::testing::aggregate;

const REQUEST: &str = r#"{
    "items": [{"productId":"lamp","productName":"Lamp","quantity":2,"price":19.99},
              {"productId":"bulb","productName":"Bulb","quantity":1,"price":"1.50"}],
    "shippingAddress": {"street":"1 Main St","city":"Springfield","zipCode":"12345","country":"US"},
    "paymentMethod": METHOD
}"#;
const WINDOW_US: u64 = 5_000_000;

fn placing(method: &str) -> OrderCommand {
    let draft: OrderDraft = serde_json::from_str(&REQUEST.replace("METHOD", method)).unwrap();
    let details = draft.check().unwrap().details;
    let idempotency_key = Some(IdempotencyKey::parse("key-1").unwrap());
    let order = PlaceOrder { user_id: UserId::new(Uuid::nil()), details, idempotency_key };
    OrderCommand::Place { order: Box::new(order), locks: LockPolicy::default(), now_us: 100 }
}

fn by_card() -> OrderCommand {
    placing(r#"{"type":"card","token":"tok_ok"}"#)
}

fn external() -> OrderCommand {
    placing(r#"{"type":"external"}"#)
}

fn given(commands: impl IntoIterator<Item = OrderCommand>) -> Order {
    let past = commands.into_iter().fold(aggregate::given::<Order>([]), aggregate::Given::after);
    past.state().clone()
}

fn paid(by: &str) -> OrderCommand {
    OrderCommand::Confirm { payment_id: PaymentId::parse(by).unwrap() }
}

fn paid_elsewhere(by: &str) -> OrderCommand {
    OrderCommand::ConfirmExternal { payment_id: PaymentId::parse(by).unwrap() }
}

fn cancel() -> OrderCommand {
    OrderCommand::Cancel { reason: "why not".to_owned() }
}

fn withdraw() -> OrderCommand {
    OrderCommand::Withdraw { reason: "why not".to_owned() }
}

fn cancel_refunded() -> OrderCommand {
    OrderCommand::CancelRefunded { reason: "refunded".to_owned() }
}

fn give_up() -> OrderCommand {
    OrderCommand::GiveUp { reason: "nobody paid".to_owned() }
}

fn ship() -> OrderCommand {
    OrderCommand::Ship { by: UserId::new(Uuid::from_u128(8)) }
}

fn deliver() -> OrderCommand {
    OrderCommand::Deliver { by: UserId::new(Uuid::from_u128(8)) }
}

fn every_command() -> Vec<OrderCommand> {
    vec![
        by_card(),
        external(),
        paid("p1"),
        paid("p2"),
        paid_elsewhere("p1"),
        paid_elsewhere("p2"),
        cancel(),
        withdraw(),
        cancel_refunded(),
        give_up(),
        ship(),
        deliver(),
    ]
}

/// From a past, exactly these commands change something; every other one is refused or changes nothing.
fn only(past: Vec<OrderCommand>, allowed: &[OrderCommand]) {
    let order = given(past);
    for command in every_command() {
        let changes = order.decide(command.clone()).is_ok_and(|events| !events.is_empty());
        assert_eq!(changes, allowed.contains(&command), "{command:?} in {}", order.status());
    }
}

#[test]
fn an_order_remembers_everything_but_the_token() {
    let events = Order::default().decide(by_card()).unwrap();
    let [OrderEvent::OrderPlaced(placed)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(placed.total.to_string(), "41.48");
    assert_eq!(placed.locked_until_us, 100 + WINDOW_US);
    let stored = serde_json::to_string(&events[0]).unwrap();
    assert!(!stored.contains("tok_ok"), "{stored}");
    assert_eq!(serde_json::from_str::<OrderEvent>(&stored).unwrap(), events[0]);
}

#[test]
fn nothing_can_be_asked_of_an_order_that_is_not_there() {
    only(vec![], &[by_card(), external()]);
    for command in every_command().split_off(2) {
        let refusal = Order::default().decide(command.clone()).unwrap_err();
        assert_eq!(refusal, OrderRefusal::NotPlaced, "{command:?}");
    }
}

#[test]
fn every_status_allows_its_own_commands_and_no_others() {
    only(vec![by_card()], &[paid("p1"), paid("p2"), cancel()]);
    only(
        vec![external()],
        &[paid_elsewhere("p1"), paid_elsewhere("p2"), cancel(), withdraw(), give_up()],
    );
    only(vec![by_card(), paid("p1")], &[cancel_refunded(), ship()]);
    // Its money may come back at any stage: the refund was under way, or the goods returned.
    let shipped = vec![by_card(), paid("p1"), ship()];
    only(shipped.clone(), &[cancel_refunded(), deliver()]);
    only([shipped, vec![deliver()]].concat(), &[cancel_refunded()]);
    only(vec![by_card(), cancel()], &[]);
    only(vec![by_card(), paid("p1"), cancel_refunded()], &[]);
    only(vec![external(), give_up()], &[]);
}

#[test]
fn what_is_asked_again_changes_nothing_and_is_no_error() {
    let confirmed = given([by_card(), paid("p1")]);
    assert_eq!(confirmed.decide(paid("p1")), Ok(vec![]));
    assert_eq!(given([by_card(), cancel()]).decide(cancel()), Ok(vec![]));
}

#[test]
fn an_order_is_paid_by_one_payment() {
    let refusal = given([by_card(), paid("p1")]).decide(paid("p2")).unwrap_err();
    assert_eq!(refusal.to_string(), "the order was paid by payment p1, not by p2");
}

#[test]
fn a_person_cannot_pay_or_withdraw_what_the_saga_pays() {
    for command in [paid_elsewhere("p1"), withdraw()] {
        let refusal = given([by_card()]).decide(command).unwrap_err();
        assert!(matches!(refusal, OrderRefusal::PaidOtherwise { .. }), "{refusal}");
    }
}

#[test]
fn placing_takes_every_product_and_the_key() {
    let order = Order::default();
    let event = &order.decide(by_card()).unwrap()[0];
    let take = |kind: &str, key: &str| ClaimIntent::Take { kind: kind.into(), key: key.into() };
    let key = format!("{}/key-1", Uuid::nil());
    let wants = [take("order-key", &key), take("product", "bulb"), take("product", "lamp")];
    assert_eq!(order.claims(event), wants);
}

#[test]
fn every_end_of_a_pending_order_frees_the_products_in_their_time_and_keeps_the_key() {
    for (place, end) in [
        (by_card(), paid("p1")),
        (by_card(), cancel()),
        (external(), give_up()),
        (external(), withdraw()),
    ] {
        let order = given([place]);
        let event = &order.decide(end).unwrap()[0];
        let free = |key: &str| ClaimIntent::ReleaseAt {
            kind: "product".into(),
            key: key.into(),
            at_us: 100 + WINDOW_US,
        };
        assert_eq!(order.claims(event), [free("bulb"), free("lamp")]);
    }
}

#[test]
fn a_product_is_freed_once() {
    let order = given([by_card(), paid("p1")]);
    let event = &order.decide(cancel_refunded()).unwrap()[0];
    assert_eq!(order.claims(event), []);
}

#[test]
fn a_snapshot_is_the_order() {
    let order = given([by_card(), paid("p1")]);
    let stored = serde_json::to_string(&order).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&stored).unwrap(), order);
}

#[test]
fn the_stored_shape_of_the_events_does_not_change() {
    let shape = |event: &OrderEvent| serde_json::to_string(event).unwrap();
    let confirmed = given([by_card()]).decide(paid("p1")).unwrap();
    assert_eq!(shape(&confirmed[0]), r#"{"OrderConfirmed":{"paidMinor":4148,"paymentId":"p1"}}"#);
    let cancelled = given([by_card()]).decide(cancel()).unwrap();
    assert_eq!(shape(&cancelled[0]), r#"{"OrderCancelled":{"reason":"why not"}}"#);
    let shipped = given([by_card(), paid("p1")]).decide(ship()).unwrap();
    let by = UserId::new(Uuid::from_u128(8));
    assert_eq!(shape(&shipped[0]), format!(r#"{{"OrderShipped":{{"by":"{by}"}}}}"#));
    let placed = Order::default().decide(external()).unwrap();
    let OrderEvent::OrderPlaced(placed) = &placed[0] else { panic!("{placed:?}") };
    let placed = serde_json::to_value(placed).unwrap();
    let mut fields: Vec<_> = placed.as_object().unwrap().keys().cloned().collect();
    fields.sort();
    let wants = [
        "currency",
        "idempotencyKey",
        "items",
        "lockedUntilUs",
        "paymentKind",
        "productLocks",
        "requestDigest",
        "shippingAddress",
        "totalMinor",
        "userId",
    ];
    assert_eq!(fields, wants);
}

proptest! {
    #[test]
    fn any_history_keeps_the_order_consistent(picks in prop::collection::vec(0..12usize, 0..24)) {
        let mut order = Order::default();
        let mut held = 0i32;
        for pick in picks {
            let Ok(events) = order.decide(every_command().swap_remove(pick)) else { continue };
            for event in events {
                for claim in order.claims(&event) {
                    match claim {
                        ClaimIntent::Take { kind, .. } if kind == "product" => held += 1,
                        ClaimIntent::Take { .. } => {}
                        ClaimIntent::Release { .. } | ClaimIntent::ReleaseAt { .. } => held -= 1,
                    }
                }
                order.evolve(&event);
            }
            let pending = order.placed().is_some() && order.status() == OrderStatus::Pending;
            prop_assert_eq!(held, if pending { 2 } else { 0 });
            let paid = matches!(order.status(), OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered);
            prop_assert!(!paid || order.payment_id().is_some());
        }
    }

    #[test]
    fn evolve_takes_any_event_in_any_state(picks in prop::collection::vec(0..6usize, 0..12)) {
        let placed = Order::default().decide(by_card()).unwrap().remove(0);
        let reason = "why not".to_owned();
        let events = [
            placed,
            OrderEvent::OrderConfirmed { paid: Money::ZERO, payment_id: PaymentId::parse("p1").unwrap() },
            OrderEvent::OrderCancelled { reason: reason.clone() },
            OrderEvent::OrderFailed { reason },
            OrderEvent::OrderShipped { by: None },
            OrderEvent::OrderDelivered { by: None },
        ];
        let mut order = Order::default();
        for pick in picks {
            let _ = order.claims(&events[pick]);
            order.evolve(&events[pick]);
        }
    }
}
