//! Refresh tokens: good once, and a copy that turns up ends the session.

use std::time::Duration;

use sagaline::settings::Rate;
use serde_json::{Value, json};

use crate::app::{PASSWORD, Setup, TestApp};

fn token(logged_in: &Value) -> &str {
    logged_in["refreshToken"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_token_gives_the_next_tokens() {
    let app = TestApp::start().await;
    let mut tokens = app.register("ada@example.org").await.expect(201);
    for _ in 0..5 {
        let next = app.refresh(token(&tokens)).await.expect(200);
        assert_ne!(next["refreshToken"], tokens["refreshToken"]);
        assert_eq!(next["user"], tokens["user"]);
        let profile = app.profile(next["accessToken"].as_str().unwrap()).await.expect(200);
        assert_eq!(profile["email"], "ada@example.org");
        tokens = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_token_used_twice_ends_its_session_and_no_other() {
    let app = TestApp::start().await;
    let stolen = app.register("ada@example.org").await.expect(201);
    let elsewhere = app.log_in("ada@example.org", PASSWORD).await.expect(200);
    let next = app.refresh(token(&stolen)).await.expect(200);
    let again = app.refresh(token(&stolen)).await;
    again.expect_problem(401, "REFRESH_TOKEN_REUSED");
    app.refresh(token(&next)).await.expect_problem(401, "SESSION_ENDED");
    app.refresh(token(&stolen)).await.expect_problem(401, "SESSION_ENDED");
    app.refresh(token(&elsewhere)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_refreshes_at_once_succeeds_and_the_session_ends() {
    let app = TestApp::start().await;
    let tokens = app.register("ada@example.org").await.expect(201);
    let asks = (0..5).map(|_| app.refresh(token(&tokens)));
    let answers = futures_util::future::join_all(asks).await;
    let next: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(next.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)), "{answers:?}");
    app.refresh(token(&next[0].json())).await.expect_problem(401, "SESSION_ENDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_ends_with_the_logout() {
    let app = TestApp::start().await;
    let tokens = app.register("ada@example.org").await.expect(201);
    app.log_out(token(&tokens)).await.expect(204);
    app.log_out(token(&tokens)).await.expect(204);
    app.refresh(token(&tokens)).await.expect_problem(401, "SESSION_ENDED");
    app.log_in("ada@example.org", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_that_are_not_ours_are_refused_and_change_nothing() {
    let app = TestApp::start().await;
    let tokens = app.register("ada@example.org").await.expect(201);
    let right = token(&tokens);
    let (session, secret) = right.split_once('.').unwrap();
    let guessed = format!("{session}.{}", "0".repeat(secret.len()));
    let nowhere = format!("00000000-0000-7000-8000-000000000000.{secret}");
    let head = app.head().await;
    for wrong in ["", "x", ".", session, secret, &guessed, &nowhere, &format!("{right}00")] {
        for refused in [app.refresh(wrong).await, app.log_out(wrong).await] {
            refused.expect_problem(401, "REFRESH_TOKEN_INVALID");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"sagaline\""));
        }
    }
    assert_eq!(app.head().await, head, "something was stored");
    app.refresh(right).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_token_expires() {
    let (app, clock) = TestApp::with_clock().await;
    let first = app.register("ada@example.org").await.expect(201);
    let month = Duration::from_secs(30 * 86_400);
    clock.advance(month - Duration::from_secs(60));
    let tokens = app.refresh(token(&first)).await.expect(200);
    clock.advance(month);
    app.refresh(token(&tokens)).await.expect_problem(401, "REFRESH_TOKEN_EXPIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn address_that_guesses_is_closed_for_a_while() {
    let mut setup = Setup::default();
    let rate = Rate { count: 3, per: Duration::from_secs(60) };
    setup.settings.auth.login_rate_per_address = rate;
    let app = TestApp::start_with(setup).await;
    let tokens = app.register("ada@example.org").await.expect(201);
    app.log_in("ada@example.org", "wrong horse battery").await.expect(401);
    app.log_in("bob@example.org", PASSWORD).await.expect(401);
    app.refresh("guess").await.expect(401);
    for refused in [
        app.refresh(token(&tokens)).await,
        app.log_in("ada@example.org", PASSWORD).await,
        app.post("", "/auth/login", &json!({"email": "x", "password": "y"})).await,
    ] {
        refused.expect_problem(429, "TOO_MANY_REQUESTS");
        assert!(refused.header("retry-after").is_some());
    }
}
