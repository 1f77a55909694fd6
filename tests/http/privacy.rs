//! Forgetting a user: what is personal is nowhere any more, what was done stays.

use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp, id_of};

/// Strings that are nobody's but the user's.
const PERSONAL: [&str; 5] = ["ada@example.org", "Ada", "Lovelace", "12 Square", "SW1Y"];

fn order(product: &str) -> Value {
    json!({
        "items": [{"productId": product, "productName": "Lamp", "quantity": 1, "price": 9.5}],
        "shippingAddress": {
            "street": "12 Square", "city": "London", "zipCode": "SW1Y", "country": "GB",
        },
        "paymentMethod": {"type": "card", "token": "tok_ok"},
    })
}

/// Everything that an administrator is shown of a user and an order.
async fn shown(app: &TestApp, user: &str, order: &str) -> String {
    let mut all = String::new();
    for path in [
        format!("/users/{user}"),
        "/users".to_owned(),
        format!("/orders/{order}"),
        "/orders".to_owned(),
        format!("/sagas/{order}"),
        "/sagas".to_owned(),
        format!("/trace/order/{order}"),
        "/trace/events?limit=100".to_owned(),
        format!("/payments/{order}"),
    ] {
        all += &app.get(&app.admin, &path).await.expect(200).to_string();
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_user_is_shown_nowhere_and_its_orders_stay() {
    let app = TestApp::start().await;
    let ada = app.register("ada@example.org").await.expect(201);
    let (token, user) = (ada["accessToken"].as_str().unwrap(), id_of(&ada["user"]));
    let placed = app.place_and_wait(token, &order("sku-1")).await.expect(201);
    assert_eq!(placed["shippingAddress"]["street"], "12 Square");
    let id = id_of(&placed);
    let before = shown(&app, &user, &id).await;
    for personal in PERSONAL {
        assert!(before.contains(personal), "{personal} in {before}");
    }
    assert!(!before.contains("sealed"), "{before}");

    let path = format!("/users/{user}/forget");
    let left = app.post(&app.admin, &path, &json!({})).await.expect(200);
    let forgotten = json!({
        "id": user, "email": "forgotten@forgotten.invalid", "firstName": "forgotten",
        "lastName": "forgotten", "role": "customer", "status": "forgotten",
    });
    assert_eq!(left, forgotten);
    let after = shown(&app, &user, &id).await;
    for personal in PERSONAL {
        assert!(!after.contains(personal), "{personal} in {after}");
    }
    let order = app.order(&app.admin, &id).await.expect(200);
    assert_eq!((&order["status"], &order["totalAmount"]), (&json!("paid"), &json!(9.5)));
    assert_eq!(order["shippingAddress"]["city"], "forgotten");
    assert!(!order.to_string().contains("sealed"));
    // Again changes nothing.
    let head = app.head().await;
    assert_eq!(app.post(&app.admin, &path, &json!({})).await.expect(200), forgotten);
    assert_eq!(app.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_a_forgotten_user_is_closed_and_its_address_free() {
    let app = TestApp::start().await;
    let ada = app.register("ada@example.org").await.expect(201);
    let (token, user) = (ada["accessToken"].as_str().unwrap(), id_of(&ada["user"]));
    let left = app.ask("DELETE", "/auth/profile").bearer(token).send().await.expect(200);
    assert_eq!(left["status"], "forgotten");
    let refused = app.log_in("ada@example.org", PASSWORD).await;
    refused.expect_problem(401, "INVALID_CREDENTIALS");
    let refresh = ada["refreshToken"].as_str().unwrap();
    app.refresh(refresh).await.expect_problem(401, "SESSION_ENDED");
    app.enable(&app.admin, &user).await.expect_problem(409, "STATE_FORBIDS");
    // An access token that was issued works until its time is over; what it brings is not kept.
    let placed = app.place_and_wait(token, &order("sku-2")).await.expect(201);
    assert_eq!(placed["shippingAddress"]["street"], "forgotten");
    let again = app.register("ada@example.org").await.expect(201);
    assert_ne!(id_of(&again["user"]), user);
    assert_eq!(again["user"]["email"], "ada@example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_is_an_administrators_business_or_ones_own() {
    let app = TestApp::start().await;
    let ada = app.register("ada@example.org").await.expect(201);
    let (token, user) = (ada["accessToken"].as_str().unwrap(), id_of(&ada["user"]));
    let admin = id_of(&app.profile(&app.admin).await.expect(200));
    let forget = |id: &str| format!("/users/{id}/forget");
    app.post(token, &forget(&user), &json!({})).await.expect_problem(403, "FORBIDDEN");
    app.post(&app.admin, &forget(&admin), &json!({})).await.expect_problem(409, "STATE_FORBIDS");
    let own = app.ask("DELETE", "/auth/profile").bearer(&app.admin).send().await;
    own.expect_problem(409, "STATE_FORBIDS");
    let nobody = "00000000-0000-7000-8000-000000000000";
    app.post(&app.admin, &forget(nobody), &json!({})).await.expect_problem(404, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_found_by_its_address() {
    let app = TestApp::start().await;
    let ada = app.register("ada@example.org").await.expect(201);
    let found = app.users(&app.admin, "?email=ADA@example.org").await.expect(200);
    assert_eq!(found["users"], json!([ada["user"]]));
    let none = app.users(&app.admin, "?email=bob@example.org").await.expect(200);
    assert_eq!(none, json!({"users": []}));
}
