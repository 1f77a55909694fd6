//! What merchants do: ship, deliver, give money back, look at payments.

use serde_json::json;

use crate::app::{TestApp, id_of, order_for};

#[tokio::test(flavor = "multi_thread")]
async fn paid_order_is_shipped_and_delivered_once_each() {
    let app = TestApp::start().await;
    let (customer, merchant) = (app.customer().await, app.merchant().await);
    let order = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let id = id_of(&order);
    app.deliver(&merchant, &id).await.expect_problem(409, "STATE_FORBIDS");
    assert_eq!(app.ship(&merchant, &id).await.expect(200)["status"], "shipped");
    app.ship(&merchant, &id).await.expect_problem(409, "STATE_FORBIDS");
    app.cancel(&customer, &id).await.expect_problem(409, "STATE_FORBIDS");
    assert_eq!(app.deliver(&app.admin, &id).await.expect(200)["status"], "delivered");
    app.deliver(&merchant, &id).await.expect_problem(409, "STATE_FORBIDS");
    assert_eq!(app.order(&customer, &id).await.expect(200)["status"], "delivered");
    let listed = app.get(&customer, "/orders?status=delivered").await.expect(200);
    assert_eq!(listed["orders"][0]["id"], *id);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_of_an_order_is_given_back_once_at_any_stage_behind_its_payment() {
    let app = TestApp::start().await;
    let (customer, merchant) = (app.customer().await, app.merchant().await);
    for stage in 0..3 {
        let placed = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
        let id = id_of(&placed);
        if stage > 0 {
            app.ship(&merchant, &id).await.expect(200);
        }
        if stage > 1 {
            app.deliver(&merchant, &id).await.expect(200);
        }
        let asks = (0..3).map(|_| app.refund(&merchant, &id));
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer.expect(200)["status"], "cancelled");
        }
        let payment = app.payment(&customer, &id).await.expect(200);
        assert_eq!(
            (&payment["status"], &payment["refundedAmount"]),
            (&json!("refunded"), &json!(39.98))
        );
        let entries = app.get(&app.admin, "/gateway/ledger?limit=1000").await.expect(200);
        let of_order = entries["entries"].as_array().unwrap().iter();
        let refunds = of_order.filter(|entry| entry["orderId"] == *id && entry["kind"] == "refund");
        assert_eq!(refunds.count(), 1);
        app.ship(&merchant, &id).await.expect_problem(409, "STATE_FORBIDS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_paid_here_is_not_refunded_here() {
    let app = TestApp::start().await;
    let (customer, merchant) = (app.customer().await, app.merchant().await);
    let mut elsewhere = order_for("sku-1", "tok_ok");
    elsewhere["paymentMethod"] = json!({"type": "external"});
    let id = id_of(&app.place(&customer, &elsewhere).await.expect(201));
    app.refund(&merchant, &id).await.expect_problem(409, "STATE_FORBIDS");
    app.ship(&merchant, &id).await.expect_problem(409, "STATE_FORBIDS");
    app.confirm(&merchant, &id, "bank-17").await.expect(200);
    app.refund(&merchant, &id).await.expect_problem(409, "STATE_FORBIDS");
    app.payment(&merchant, &id).await.expect_problem(404, "NOT_FOUND");
    let declined = order_for("sku-2", "tok_decline");
    let declined = id_of(&app.place_and_wait(&customer, &declined).await.expect(201));
    app.refund(&merchant, &declined).await.expect_problem(409, "STATE_FORBIDS");
}

#[tokio::test(flavor = "multi_thread")]
async fn merchants_verbs_are_not_for_customers_and_want_an_order() {
    let app = TestApp::start().await;
    let (customer, merchant) = (app.customer().await, app.merchant().await);
    let order = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let id = id_of(&order);
    for refused in [
        app.ship(&customer, &id).await,
        app.deliver(&customer, &id).await,
        app.refund(&customer, &id).await,
        app.payments(&customer, "").await,
    ] {
        refused.expect_problem(403, "FORBIDDEN");
    }
    let nothing = "00000000-0000-7000-8000-000000000000";
    for missing in [
        app.ship(&merchant, nothing).await,
        app.deliver(&merchant, nothing).await,
        app.refund(&merchant, nothing).await,
        app.payment(&merchant, nothing).await,
        app.payment(&app.customer().await, &id).await,
    ] {
        missing.expect_problem(404, "NOT_FOUND");
    }
    app.users(&merchant, "").await.expect_problem(403, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_listed_newest_first_by_page_cursor_and_status() {
    let app = TestApp::start().await;
    let (customer, merchant) = (app.customer().await, app.merchant().await);
    let mut placed = Vec::new();
    for (product, token) in [("a", "tok_ok"), ("b", "tok_decline"), ("c", "tok_ok")] {
        let order = app.place_and_wait(&customer, &order_for(product, token)).await.expect(201);
        placed.insert(0, id_of(&order));
    }
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["payments"].as_array().unwrap().iter().map(id_of).collect()
    };
    let all = app.payments(&merchant, "").await.expect(200);
    assert_eq!((ids(&all), &all["total"]), (placed.clone(), &json!(3)));
    let first = app.payments(&merchant, "?limit=2").await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = app.payments(&merchant, &format!("?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((ids(&first), ids(&rest)), (placed[..2].to_vec(), placed[2..].to_vec()));
    let failed = app.payments(&merchant, "?status=failed").await.expect(200);
    assert_eq!(ids(&failed), [placed[1].clone()]);
    for query in ["?status=lost", "?limit=0", "?cursor=zz", "?more=1"] {
        app.payments(&merchant, query).await.expect_problem(400, "VALIDATION_FAILED");
    }
}
