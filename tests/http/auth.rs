//! Accounts, tokens and roles.

use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn registered_user_is_logged_in_and_sees_their_profile() {
    let app = TestApp::start().await;
    let answer = app.register("Ada@Example.org").await;
    let body = answer.expect(201);
    assert_eq!(body["user"]["email"], "ada@example.org");
    assert_eq!(body["user"]["role"], "customer");
    assert_eq!(body["user"]["status"], "active");
    assert!(body["refreshToken"].as_str().unwrap().len() > 64);
    let profile = app.profile(body["accessToken"].as_str().unwrap()).await.expect(200);
    assert_eq!(profile, body["user"]);
    assert!(!answer.json().to_string().to_lowercase().contains("argon2"));

    let again = app.log_in("ADA@example.org", PASSWORD).await.expect(200);
    assert_eq!(again["user"], body["user"]);
    assert_ne!(again["refreshToken"], body["refreshToken"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn address_has_one_account_whatever_its_case_and_however_many_ask_at_once() {
    let app = TestApp::start().await;
    let spellings = ["ada@example.org", "ADA@example.org", "Ada@Example.Org", "ada@EXAMPLE.org"];
    let answers = futures_util::future::join_all(spellings.map(|email| app.register(email))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.expect_problem(409, "EMAIL_EXISTS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_and_unknown_user_are_told_the_same() {
    let app = TestApp::start().await;
    app.register("ada@example.org").await.expect(201);
    let without_ids = |mut problem: Value| {
        problem["correlationId"] = Value::Null;
        problem
    };
    let wrong = app.log_in("ada@example.org", "wrong horse battery").await;
    let unknown = app.log_in("bob@example.org", PASSWORD).await;
    let no_address = app.log_in("no address", PASSWORD).await;
    let wrong = without_ids(wrong.expect_problem(401, "INVALID_CREDENTIALS"));
    for answer in [unknown, no_address] {
        assert_eq!(without_ids(answer.expect_problem(401, "INVALID_CREDENTIALS")), wrong);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn account_under_attack_is_closed_for_a_while() {
    let app = TestApp::start().await;
    app.register("ada@example.org").await.expect(201);
    for _ in 0..20 {
        app.log_in("ada@example.org", "wrong horse battery").await.expect(401);
    }
    let refused = app.log_in("ada@example.org", PASSWORD).await;
    refused.expect_problem(429, "TOO_MANY_REQUESTS");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds));
    app.log_in("admin@example.org", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_open_what_they_open_and_nothing_else() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let saga = "00000000-0000-7000-8000-000000000000";
    let reason = json!({"reason": "r"});
    for path in ["/saga/retry/", "/saga/skip/", "/saga/compensate/", "/saga/pause/"] {
        let path = format!("{path}{saga}");
        app.post(&customer, &path, &reason).await.expect_problem(403, "FORBIDDEN");
        app.post(&app.admin, &path, &reason).await.expect_problem(404, "NOT_FOUND");
    }
    app.get(&customer, "/gateway/ledger").await.expect_problem(403, "FORBIDDEN");
    app.get(&app.admin, "/gateway/ledger").await.expect(200);
    let start = json!({"sagaType": "order-processing", "data": {}});
    app.post(&customer, "/sagas", &start).await.expect_problem(403, "FORBIDDEN");
    app.confirm(&customer, saga, "p").await.expect_problem(403, "FORBIDDEN");
}
