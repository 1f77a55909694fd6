//! Read models as an operator sees them.

use serde_json::{Value, json};

use crate::app::{TestApp, id_of, order_for};

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_is_rebuilt_while_it_answers() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let placed = app.place_and_wait(&customer, &order_for("sku-1", "tok_ok")).await.expect(201);
    let ordered = app.post(&app.admin, "/projections/orders/rebuild", &json!({})).await;
    assert_eq!(ordered.expect(202)["name"], "orders");
    let rebuilt = loop {
        assert_eq!(app.get(&customer, "/orders").await.expect(200)["total"], 1);
        let list = app.get(&app.admin, "/projections").await.expect(200);
        let of = |list: &Value, name: &str| {
            let all = list["projections"].as_array().unwrap();
            all.iter().find(|projection| projection["name"] == name).unwrap().clone()
        };
        assert_eq!(of(&list, "payments")["generation"], 1);
        let orders = of(&list, "orders");
        if orders.get("rebuilding").is_none() {
            break orders;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&rebuilt["generation"], &rebuilt["version"]), (&json!(2), &json!(2)), "{rebuilt}");
    let shown = app.order(&customer, &id_of(&placed)).await.expect(200);
    assert_eq!(shown["status"], "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_models_are_an_administrators_business() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    app.get(&customer, "/projections").await.expect_problem(403, "FORBIDDEN");
    let rebuild = "/projections/orders/rebuild";
    app.post(&customer, rebuild, &json!({})).await.expect_problem(403, "FORBIDDEN");
    let unknown = app.post(&app.admin, "/projections/baskets/rebuild", &json!({})).await;
    unknown.expect_problem(404, "NOT_FOUND");
}
