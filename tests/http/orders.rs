//! Orders: placing, duplicates, repeats, looking, cancelling, confirming.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, id_of, order_for};

fn with_key(mut order: Value, key: &str) -> Value {
    order["idempotencyKey"] = key.into();
    order
}

fn setup_with_lock_window() -> Setup {
    let mut setup = Setup::default();
    setup.settings.orders.product_lock_window = Duration::from_secs(60);
    setup
}

#[tokio::test(flavor = "multi_thread")]
async fn placed_order_is_found_at_once_and_becomes_paid() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let placed = app.place(&customer, &order_for("sku-1", "tok_ok")).await;
    let order = placed.expect(201);
    let id = id_of(&order);
    assert_eq!(placed.header("location"), Some(&*format!("/orders/{id}")));
    assert_eq!(order["status"], "pending");
    assert_eq!(order["correlationId"].as_str(), placed.header("x-correlation-id"));
    assert!(placed.body.windows(19).any(|part| part == br#""totalAmount":39.98"#));

    let waited = app.ask("GET", &format!("/orders/{id}")).bearer(&customer);
    let waited = waited.header("prefer", "wait=30").send().await;
    assert_eq!(waited.header("preference-applied"), Some("wait=30"));
    assert_eq!(waited.expect(200)["status"], "paid");
    let kinds: Vec<_> = app.ledger().read(0, 10).unwrap().into_iter().map(|e| e.kind).collect();
    assert_eq!(format!("{kinds:?}"), "[Authorize, Capture]");
}

#[tokio::test(flavor = "multi_thread")]
async fn same_promises_hold_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let app = TestApp::embedded(folder.path(), Setup::default()).await;
    let customer = app.customer().await;
    let order = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    assert_eq!(order["status"], "paid");
    let saga = app.saga(&customer, &id_of(&order)).await.expect(200);
    assert_eq!(saga["status"], "completed");
    let keyed = with_key(order_for("sku-2", "tok_ok"), "k-1");
    let first = app.place(&customer, &keyed).await.expect(201);
    assert_eq!(app.place(&customer, &keyed).await.expect(201), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_at_once_for_one_product_make_one_order() {
    let app = TestApp::start_with(setup_with_lock_window()).await;
    let customers = join_all((0..5).map(|_| app.customer())).await;
    let order = order_for("sku-1", "tok_ok");
    let answers = join_all(customers.iter().map(|customer| app.place(customer, &order))).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    let id = id_of(&made[0].json());
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        let problem = refused.expect_problem(409, "DUPLICATE_ORDER");
        assert_eq!(problem["existingOrderId"], *id);
        assert_eq!(problem["productId"], "sku-1");
    }
    // The window holds longer than the order is in flight.
    let after = app.place_and_wait(&customers[0], &order).await;
    assert_eq!(after.expect_problem(409, "DUPLICATE_ORDER")["existingOrderId"], *id);
    let metrics = String::from_utf8(app.get("", "/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("sagaline_duplicate_orders_refused_total 5"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifteen_products_make_fifteen_completed_orders() {
    let app = TestApp::start_with(setup_with_lock_window()).await;
    let customer = app.customer().await;
    let place = |n: usize| {
        let (app, customer) = (&app, &customer);
        async move { app.place_and_wait(customer, &order_for(&format!("sku-{n}"), "tok_ok")).await }
    };
    let answers = join_all((0..15).map(place)).await;
    let ids: BTreeSet<_> = answers.iter().map(|answer| id_of(&answer.expect(201))).collect();
    assert_eq!(ids.len(), 15);
    assert!(answers.iter().all(|answer| answer.json()["status"] == "paid"));
    let completed = app.get(&customer, "/sagas/status/completed?limit=100").await.expect(200);
    let sagas: BTreeSet<_> = completed["sagas"].as_array().unwrap().iter().map(id_of).collect();
    assert_eq!(sagas, ids);
    assert_eq!(completed["total"], 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_request_gets_the_first_answer_again() {
    let app = TestApp::start_with(setup_with_lock_window()).await;
    let customer = app.customer().await;
    let order = order_for("sku-1", "tok_ok");
    let send = |key: &'static str| {
        let ask = app.ask("POST", "/orders").bearer(&customer).header("idempotency-key", key);
        ask.json(&order).send()
    };
    let first = send("k-1").await;
    assert_eq!(first.header("idempotent-replayed"), None);
    app.ask("GET", first.header("location").unwrap());
    // Spelled differently, named in the body instead of the header, after the order was paid.
    let id = id_of(&first.expect(201));
    let wait =
        app.ask("GET", &format!("/orders/{id}")).bearer(&customer).header("prefer", "wait=30");
    wait.send().await.expect(200);
    let spelled = serde_json::to_string_pretty(&with_key(order.clone(), "k-1")).unwrap();
    let ask = app.ask("POST", "/orders").bearer(&customer).raw("application/json", spelled);
    let again = ask.send().await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.expect(201), first.json());

    let other = with_key(order_for("sku-2", "tok_ok"), "k-1");
    app.place(&customer, &other).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    let both = app.ask("POST", "/orders").bearer(&customer).header("idempotency-key", "k-2");
    both.json(&with_key(order.clone(), "k-1"))
        .send()
        .await
        .expect_problem(400, "VALIDATION_FAILED");
    // A key is its user's: somebody else's request of the same name is another request.
    let somebody = app.customer().await;
    let theirs = with_key(order_for("sku-3", "tok_ok"), "k-1");
    assert_ne!(id_of(&app.place(&somebody, &theirs).await.expect(201)), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_repeats_are_one_order() {
    let app = TestApp::start_with(setup_with_lock_window()).await;
    let customer = app.customer().await;
    let order = with_key(order_for("sku-1", "tok_ok"), "k-1");
    let answers = join_all((0..8).map(|_| app.place(&customer, &order))).await;
    let ids: BTreeSet<_> = answers.iter().map(|answer| id_of(&answer.expect(201))).collect();
    assert_eq!(ids.len(), 1);
    let replayed = answers.iter().filter(|a| a.header("idempotent-replayed").is_some()).count();
    assert_eq!(replayed, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_order_ends_cancelled_and_compensated() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    for token in ["tok_decline", "tok_capture_decline"] {
        let placed = app.place_and_wait(&customer, &order_for("sku-1", token)).await;
        let order = placed.expect(201);
        assert_eq!(order["status"], "cancelled", "{order}");
        assert!(order["reason"].as_str().unwrap().contains("DECLINED"), "{order}");
        let saga = app.saga(&customer, &id_of(&order)).await.expect(200);
        assert_eq!(saga["status"], "compensated", "{saga}");
    }
    // The product was free again for the second one, and for a third.
    app.place(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_wins_before_the_money_moves() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let slow = app.place(&customer, &order_for("sku-1", "tok_slow")).await.expect(201);
    let id = id_of(&slow);
    let cancelled = app.ask("DELETE", &format!("/orders/{id}")).bearer(&customer);
    let cancelled =
        cancelled.json(&json!({"reason": "changed my mind"})).header("prefer", "wait=30");
    let order = cancelled.send().await.expect(200);
    assert_eq!(
        (&order["status"], &order["reason"]),
        (&json!("cancelled"), &json!("changed my mind"))
    );
    assert_eq!(app.saga(&customer, &id).await.expect(200)["status"], "compensated");
    app.cancel(&customer, &id).await.expect_problem(409, "STATE_FORBIDS");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_while_the_money_moves_is_told_that_nobody_knows_within_its_wait() {
    let mut setup = Setup::default();
    setup.gateway.latency = Duration::from_millis(500);
    let app = TestApp::start_with(setup).await;
    let customer = app.customer().await;
    let cancel = |id: &str, wait: &str| {
        let ask = app.ask("DELETE", &format!("/orders/{id}")).bearer(&customer);
        ask.header("prefer", wait).send()
    };
    let mut number = 0;
    // On a busy machine the wish may come behind the capture: then the next order is tried.
    let id = loop {
        number += 1;
        let order = order_for(&format!("sku-{number}"), "tok_ok");
        let id = id_of(&app.place(&customer, &order).await.expect(201));
        loop {
            let saga = app.saga(&customer, &id).await.expect(200);
            if saga["currentStep"] == "capture_payment" || saga["status"] != "started" {
                break;
            }
        }
        let answer = cancel(&id, "wait=0").await;
        if answer.status == 409 {
            let problem = answer.expect_problem(409, "STATE_FORBIDS");
            if problem["detail"].as_str().unwrap().ends_with("has moved; ask again") {
                break id;
            }
        }
    };
    let saga = app.ask("GET", &format!("/sagas/{id}")).bearer(&customer);
    let saga = saga.header("prefer", "wait=30").send().await.expect(200);
    // Either the capture came before its revocation, and the money is given back; or it never moved.
    let order = match saga["status"].as_str().unwrap() {
        "completed" => cancel(&id, "wait=30").await.expect(200),
        "compensated" => app.get(&customer, &format!("/orders/{id}")).await.expect(200),
        other => panic!("{other}: {saga}"),
    };
    assert_eq!(order["status"], "cancelled", "{order}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_paid_order_is_refunded() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let order = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let id = id_of(&order);
    let answer = app.cancel(&customer, &id).await;
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    let refunds = app.get(&app.admin, "/sagas?type=order-refund").await.expect(200);
    let refund = id_of(&refunds["sagas"][0]);
    let refund = app.ask("GET", &format!("/sagas/{refund}")).bearer(&app.admin);
    let refund = refund.header("prefer", "wait=30").send().await.expect(200);
    assert_eq!(refund["status"], "completed", "{refund}");
    assert_eq!(app.order(&customer, &id).await.expect(200)["status"], "cancelled");
    let last = app.ledger().read(0, 10).unwrap().pop().unwrap();
    assert_eq!(format!("{:?} {}", last.kind, last.amount.0), "Refund 39.98");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_paid_elsewhere_waits_for_its_confirmation() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let mut order = order_for("sku-1", "tok_ok");
    order["paymentMethod"] = json!({"type": "external"});
    let placed = app.place_and_wait(&customer, &order).await;
    let id = id_of(&placed.expect(201));
    let look = app.ask("GET", &format!("/orders/{id}")).bearer(&customer);
    let look = look.header("prefer", "wait=30").send().await;
    // There was no saga to wait for.
    assert_eq!(
        (placed.header("preference-applied"), look.header("preference-applied")),
        (None, None)
    );
    app.confirm(&customer, &id, "pay-1").await.expect_problem(403, "FORBIDDEN");
    let confirmed = app.confirm(&app.admin, &id, "pay-1").await.expect(200);
    assert_eq!((&confirmed["status"], &confirmed["paymentId"]), (&json!("paid"), &json!("pay-1")));
    app.confirm(&app.admin, &id, "pay-1").await.expect(200);
    app.confirm(&app.admin, &id, "pay-2").await.expect_problem(409, "STATE_FORBIDS");

    let card = app.place_and_wait(&customer, &order_for("sku-2", "tok_ok")).await.expect(201);
    app.confirm(&app.admin, &id_of(&card), "pay-3").await.expect_problem(409, "STATE_FORBIDS");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_cancelled_without_a_reason_says_who_cancelled_it() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    for (token, by) in [(&customer, "its customer"), (&app.admin, "an administrator")] {
        let mut order = order_for("sku-1", "tok_ok");
        order["paymentMethod"] = json!({"type": "external"});
        let id = id_of(&app.place(&customer, &order).await.expect(201));
        let cancelled = app.cancel(token, &id).await.expect(200);
        assert_eq!(cancelled["reason"], format!("cancelled by {by}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_order_is_as_missing_as_a_missing_one() {
    let app = TestApp::start().await;
    let (owner, other) = (app.customer().await, app.customer().await);
    let order = app.place_and_wait(&owner, &order_for("sku-1", "tok_ok")).await.expect(201);
    let missing = "00000000-0000-7000-8000-000000000000";
    for id in [&*id_of(&order), missing] {
        app.order(&other, id).await.expect_problem(404, "NOT_FOUND");
        app.cancel(&other, id).await.expect_problem(404, "NOT_FOUND");
        app.saga(&other, id).await.expect_problem(404, "NOT_FOUND");
        app.trace(&other, id).await.expect_problem(404, "NOT_FOUND");
    }
    let id = id_of(&order);
    app.order(&app.admin, &id).await.expect(200);
    app.saga(&app.admin, &id).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn list_shows_ones_own_newest_first_page_by_page() {
    let app = TestApp::start().await;
    let (customer, other) = (app.customer().await, app.customer().await);
    let mut placed = Vec::new();
    for n in 0..5 {
        let order = app.place(&customer, &order_for(&format!("sku-{n}"), "tok_ok")).await;
        placed.push(id_of(&order.expect(201)));
    }
    app.place(&other, &order_for("sku-other", "tok_ok")).await.expect(201);
    placed.reverse();
    let ids = |page: &Value| -> Vec<String> {
        page["orders"].as_array().unwrap().iter().map(id_of).collect()
    };
    let first = app.get(&customer, "/orders?limit=2").await.expect(200);
    assert_eq!(ids(&first), placed[..2]);
    assert_eq!(
        (&first["total"], &first["page"], &first["limit"], &first["totalPages"]),
        (&json!(5), &json!(1), &json!(2), &json!(3))
    );
    let third = app.get(&customer, "/orders?limit=2&page=3").await.expect(200);
    assert_eq!(ids(&third), placed[4..]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = app.get(&customer, &format!("/orders?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(ids(&second), placed[2..4]);
    let all = app.get(&app.admin, "/orders?limit=100").await.expect(200);
    assert_eq!(all["total"], 6);
    let foreign = app.get(&other, &format!("/orders?cursor={cursor}")).await;
    foreign.expect_problem(400, "VALIDATION_FAILED");
}
