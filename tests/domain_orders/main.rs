//! Orders from their request to their end, on a node in memory whose time the test moves. What happened
//! to the money is told by the gateway's own ledger.

#![allow(clippy::unwrap_used, reason = "tests")]

mod doubt;
mod shop;

use std::time::Duration;

use sagaline::app::gateway::EntryKind;
use sagaline::app::{Cancelled, ChangeError, PlaceError, RefundOrder};
use sagaline::domain::{OrderId, OrderStatus, PaymentId, PaymentStatus, PaymentTerms};
use sagaline::engine::{DocumentQuery, StartRequest};
use sagaline::projections::{self, partition};
use sagaline::saga::Verb;
use sagaline_storage::{Backend, Direction, EventStore};
use uuid::Uuid;

use shop::{Request, Shop, WINDOW, metadata};

#[tokio::test]
async fn an_order_is_paid_in_three_durable_writes() {
    let shop = Shop::open().await;
    // Whoever is heard of for the first time gets a key for what is personal: one more write, once.
    let first = Request { product: "first", ..Request::default() };
    let first = shop.place(first).await.unwrap().order_id;
    assert_eq!(shop.end_of(first.uuid()).await.status(), "completed");
    let before = shop.node.backend().events().counters();
    let id = shop.accepted("tok_ok").await;
    assert_eq!(shop.end_of(id.uuid()).await.status(), "completed");
    let after = shop.node.backend().events().counters();
    assert_eq!(after.appends - before.appends, 3);
    let order = shop.order(id).await;
    assert_eq!(order.status(), OrderStatus::Paid);
    assert_eq!(order.payment_id(), Some(&PaymentId::of_order(id)));
    assert_eq!(shop.payment(id).await, PaymentStatus::Completed);
    let paid = [EntryKind::Authorize, EntryKind::Capture];
    assert_eq!(shop.money(), [paid, paid].concat());
}

#[tokio::test]
async fn a_gateway_that_loses_calls_or_replies_charges_once() {
    for token in ["tok_timeout_charged", "tok_timeout_lost", "tok_slow", "tok_flaky"] {
        let shop = Shop::open().await;
        let id = shop.accepted(token).await;
        assert_eq!(shop.end_of(id.uuid()).await.status(), "completed", "{token}");
        assert_eq!(shop.order(id).await.status(), OrderStatus::Paid, "{token}");
        assert_eq!(shop.payment(id).await, PaymentStatus::Completed, "{token}");
        assert_eq!(shop.money(), [EntryKind::Authorize, EntryKind::Capture], "{token}");
    }
}

#[tokio::test]
async fn a_declined_payment_ends_as_cancelled_and_compensated() {
    for (token, money) in [
        ("tok_decline", vec![EntryKind::Refused]),
        ("tok_nonsense", vec![EntryKind::Refused]),
        ("tok_capture_decline", vec![EntryKind::Authorize, EntryKind::Refused, EntryKind::Void]),
    ] {
        let shop = Shop::open().await;
        let id = shop.accepted(token).await;
        assert_eq!(shop.end_of(id.uuid()).await.status(), "compensated", "{token}");
        let order = shop.order(id).await;
        assert_eq!(order.status(), OrderStatus::Cancelled, "{token}");
        assert!(order.end_reason().unwrap().ends_with(')'), "{:?}", order.end_reason());
        assert_eq!(shop.payment(id).await, PaymentStatus::Failed, "{token}");
        assert_eq!(shop.money(), money, "{token}");
    }
}

#[tokio::test]
async fn an_undo_that_keeps_failing_is_parked_and_an_operator_brings_it_back() {
    let shop = Shop::open().await;
    let id = shop.accepted("tok_void_fails").await;
    assert_eq!(shop.end_of(id.uuid()).await.status(), "parked");
    assert_eq!(shop.order(id).await.status(), OrderStatus::Pending);
    shop.node.sagas().operate(id.uuid(), Verb::Skip, "voided by phone", "ops").await.unwrap();
    assert_eq!(shop.end_of(id.uuid()).await.status(), "compensated");
    assert_eq!(shop.order(id).await.status(), OrderStatus::Cancelled);
    assert!(!shop.money().contains(&EntryKind::Capture));
}

#[tokio::test]
async fn a_product_in_flight_and_for_a_while_after_has_one_order() {
    let shop = Shop::open().await;
    let first = shop.accepted("tok_slow").await;
    let other = Request { user: 2, ..Request::default() };
    let refused = |answer| match answer {
        Err(PlaceError::Duplicate { existing, product }) => (existing, product),
        answer => panic!("{answer:?}"),
    };
    assert_eq!(refused(shop.place(other).await), (first, "lamp".to_owned()));
    shop.end_of(first.uuid()).await;
    assert_eq!(shop.order(first).await.status(), OrderStatus::Paid);
    assert_eq!(refused(shop.place(other).await).0, first, "the window is not over");
    shop.clock.run_for(WINDOW).await;
    assert_ne!(shop.place(other).await.unwrap().order_id, first);
    assert!(shop.place(Request { product: "bulb", ..other }).await.is_ok());
}

#[tokio::test]
async fn five_simultaneous_orders_for_a_product_make_one() {
    let shop = Shop::open().await;
    let request = |user| Request { user, ..Request::default() };
    let answers = tokio::join!(
        shop.place(request(1)),
        shop.place(request(2)),
        shop.place(request(3)),
        shop.place(request(4)),
        shop.place(request(5)),
    );
    let answers = [answers.0, answers.1, answers.2, answers.3, answers.4];
    let accepted: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(accepted.len(), 1);
    for answer in &answers {
        match answer {
            Ok(_) => {}
            Err(PlaceError::Duplicate { existing, .. }) => {
                assert_eq!(*existing, accepted[0].order_id);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_request_sent_again_is_answered_with_the_same_order() {
    let shop = Shop::open().await;
    for method in ["tok_slow", "external"] {
        let request = Request { key: Some(method), product: method, method, ..Request::default() };
        let first = shop.place(request).await.unwrap();
        assert!(!first.replayed);
        let again = shop.place(request).await.unwrap();
        assert!(again.replayed);
        assert_eq!(
            (again.order_id, &again.correlation_id, &again.document),
            (first.order_id, &first.correlation_id, &first.document)
        );
        shop.clock.run_for(WINDOW * 20).await;
        assert_eq!(shop.place(request).await.unwrap().order_id, first.order_id, "keys are kept");
        let other = Request { product: "other", ..request };
        let answer = shop.place(other).await;
        assert!(
            matches!(answer, Err(PlaceError::KeyReused { existing }) if existing == first.order_id)
        );
        let stranger = Request { user: 2, product: method, ..other };
        let answer = shop.place(stranger).await;
        assert!(!matches!(answer, Err(PlaceError::KeyReused { .. })), "keys are a user's own");
    }
}

#[tokio::test]
async fn an_order_cancelled_before_its_money_moved_is_never_charged() {
    let shop = Shop::open().await;
    let id = shop.accepted("tok_slow").await;
    shop.clock.run_for(Duration::from_millis(500)).await;
    assert_eq!(shop.cancel(id).await.unwrap(), Cancelled::Compensating);
    assert_eq!(shop.end_of(id.uuid()).await.status(), "compensated");
    let order = shop.order(id).await;
    assert_eq!(order.status(), OrderStatus::Cancelled);
    assert_eq!(order.end_reason(), Some("changed my mind"));
    shop.clock.run_for(Duration::from_secs(60)).await;
    assert!(!shop.money().contains(&EntryKind::Capture), "{:?}", shop.money());
    let again = shop.cancel(id).await.unwrap_err();
    assert_eq!(again.to_string(), "an order that is cancelled cannot be cancelled");
}

#[tokio::test]
async fn a_paid_order_is_cancelled_by_giving_the_money_back_once() {
    let shop = Shop::open().await;
    let id = shop.accepted("tok_ok").await;
    shop.end_of(id.uuid()).await;
    let refunding = shop.cancel(id).await.unwrap();
    assert!(matches!(refunding, Cancelled::Refunding(_)), "{refunding:?}");
    match shop.cancel(id).await {
        Ok(again) => assert_eq!(again, refunding),
        // The money is back already.
        Err(ChangeError::Refused(refusal)) => assert!(refusal.to_string().contains("cancelled")),
        Err(other) => panic!("{other:?}"),
    }
    shop.clock.run_for(Duration::from_secs(10)).await;
    assert_eq!(shop.order(id).await.status(), OrderStatus::Cancelled);
    assert_eq!(shop.payment(id).await, PaymentStatus::Refunded);
    assert_eq!(shop.money(), [EntryKind::Authorize, EntryKind::Capture, EntryKind::Refund]);
}

#[tokio::test]
async fn a_refund_that_came_to_nothing_is_not_said_to_be_on_its_way() {
    let shop = Shop::open().await;
    let id = shop.accepted("tok_slow").await;
    // Before anything was paid the gateway says no.
    let placed = shop.order(id).await.placed().unwrap().clone();
    let terms = PaymentTerms { order_id: id, amount: placed.total, currency: placed.currency };
    let refund = RefundOrder { user_id: placed.user_id, terms, reason: "by mistake".to_owned() };
    let request = StartRequest::from(id.to_string().as_str());
    let refused = shop.node.sagas().start(&shop.refund, request, &refund).await.unwrap().id;
    assert_eq!(shop.end_of(refused).await.status(), "compensated");
    assert_eq!(shop.end_of(id.uuid()).await.status(), "completed");
    for _ in 0..2 {
        let error = shop.cancel(id).await.unwrap_err();
        let told = matches!(&error, ChangeError::RefundRefused { saga, .. } if *saga == refused);
        assert!(told, "{error:?}");
    }
    assert_eq!(shop.order(id).await.status(), OrderStatus::Paid);
    assert!(!shop.money().contains(&EntryKind::Refund), "{:?}", shop.money());
}

#[tokio::test]
async fn an_order_paid_elsewhere_waits_for_a_merchant_or_is_withdrawn() {
    let shop = Shop::open().await;
    let payment = PaymentId::parse("bank-17").unwrap();
    let external = |product| Request { method: "external", product, ..Request::default() };
    let paid = shop.place(external("a")).await.unwrap();
    assert_eq!(paid.document.status, OrderStatus::Pending);
    let order = shop.orders.confirm(paid.order_id, payment.clone(), &metadata()).await.unwrap();
    assert_eq!((order.status(), order.payment_id()), (OrderStatus::Paid, Some(&payment)));

    let withdrawn = shop.place(external("b")).await.unwrap().order_id;
    assert_eq!(shop.cancel(withdrawn).await.unwrap(), Cancelled::Now);
    let late = shop.orders.confirm(withdrawn, payment.clone(), &metadata()).await;
    assert!(matches!(late, Err(ChangeError::Refused(_))), "{late:?}");

    let by_card = shop.place(Request { product: "c", method: "tok_slow", ..external("c") }).await;
    let by_card = by_card.unwrap().order_id;
    let refused = shop.orders.confirm(by_card, payment.clone(), &metadata()).await;
    assert!(matches!(refused, Err(ChangeError::Refused(_))), "{refused:?}");
    let nobody = OrderId::new(Uuid::nil());
    let missing = shop.orders.confirm(nobody, payment, &metadata()).await;
    assert!(matches!(missing, Err(ChangeError::NotFound)), "{missing:?}");
    assert!(matches!(shop.cancel(nobody).await, Err(ChangeError::NotFound)));
    assert!(shop.money().is_empty());
}

#[tokio::test]
async fn fifteen_products_are_fifteen_paid_orders_in_the_view_newest_first() {
    let shop = Shop::open().await;
    let products: Vec<String> = (0..15).map(|number| format!("product-{number}")).collect();
    let mut ids = Vec::new();
    for product in &products {
        let accepted = shop.place(Request { product, ..Request::default() }).await.unwrap();
        ids.push(accepted.order_id);
        shop.clock.run_for(Duration::from_millis(1)).await;
    }
    for id in &ids {
        assert_eq!(shop.end_of(id.uuid()).await.status(), "completed");
    }
    shop.catch_up().await;
    let views = shop.node.views::<projections::Orders>().unwrap();
    let partition = partition(&[&Request::default().user().to_string(), "paid"]);
    assert_eq!(views.count("by_user_status", &partition).await.unwrap(), 15);
    let query = DocumentQuery {
        index: "by_user_status",
        partition,
        direction: Direction::Backward,
        after: None,
        skip: 0,
        limit: 100,
    };
    let found = views.query(query).await.unwrap().documents;
    ids.reverse();
    assert_eq!(found.iter().map(|order| order.id).collect::<Vec<_>>(), ids);
}

#[tokio::test]
async fn whoever_waits_for_a_view_ends_the_pause_of_its_follower() {
    let shop = Shop::open().await;
    for product in ["a", "b", "c"] {
        shop.place(Request { method: "external", product, ..Request::default() }).await.unwrap();
        let head = shop.node.backend().events().head().await.unwrap();
        let views = shop.node.views::<projections::Orders>().unwrap();
        let caught_up = tokio::spawn(async move { views.caught_up(head, WINDOW).await });
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        // The clock stands still: nobody has slept.
        assert!(caught_up.is_finished(), "{product}");
        assert!(caught_up.await.unwrap(), "{product}");
    }
}

#[tokio::test]
async fn a_document_read_from_the_log_is_the_one_in_the_view() {
    let shop = Shop::open().await;
    for (token, product) in [("tok_ok", "a"), ("tok_capture_decline", "b"), ("external", "c")] {
        let request = Request { method: token, product, ..Request::default() };
        let id = shop.place(request).await.unwrap().order_id;
        if token != "external" {
            shop.end_of(id.uuid()).await;
        }
        shop.catch_up().await;
        let views = shop.node.views::<projections::Orders>().unwrap();
        let stored = views.get(&id.to_string()).await.unwrap();
        assert!(stored.is_some());
        assert_eq!(shop.orders.document(id).await.unwrap(), stored, "{token}");
    }
    assert_eq!(shop.orders.document(OrderId::new(Uuid::nil())).await.unwrap(), None);
}
