//! Accounts as an administrator sees them.

use serde_json::json;

use crate::app::{PASSWORD, TestApp, id_of};

#[tokio::test(flavor = "multi_thread")]
async fn administrator_makes_accounts_with_roles_and_lists_them() {
    let app = TestApp::start().await;
    let shop = app.create_user(&app.admin, "shop@example.org", "merchant").await.expect(201);
    assert_eq!((&shop["role"], &shop["status"]), (&json!("merchant"), &json!("active")));
    app.register("ada@example.org").await.expect(201);
    let again = app.create_user(&app.admin, "ADA@example.org", "admin").await;
    again.expect_problem(409, "EMAIL_EXISTS");
    let role = app.create_user(&app.admin, "x@example.org", "owner").await;
    assert_eq!(role.expect_problem(400, "VALIDATION_FAILED")["errors"][0]["field"], "role");
    assert_eq!(app.user(&app.admin, &id_of(&shop)).await.expect(200), shop);

    let first = app.users(&app.admin, "?limit=2").await.expect(200);
    let emails = |page: &serde_json::Value| -> Vec<String> {
        let users = page["users"].as_array().unwrap().iter();
        users.map(|user| user["email"].as_str().unwrap().to_owned()).collect()
    };
    let after = first["nextAfter"].as_str().unwrap();
    let rest = app.users(&app.admin, &format!("?limit=2&after={after}")).await.expect(200);
    let mut all = [emails(&first), emails(&rest)].concat();
    all.sort();
    assert_eq!(all, ["ada@example.org", "admin@example.org", "shop@example.org"]);
    assert!(rest.get("nextAfter").is_none() && !rest.to_string().contains("argon2"));
    for query in ["?limit=0", "?limit=101", "?after=nobody", "?more=1"] {
        app.users(&app.admin, query).await.expect_problem(400, "VALIDATION_FAILED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_role_counts_from_the_next_refresh() {
    let app = TestApp::start().await;
    let tokens = app.register("ada@example.org").await.expect(201);
    let id = id_of(&tokens["user"]);
    let old = tokens["accessToken"].as_str().unwrap();
    app.payments(old, "").await.expect_problem(403, "FORBIDDEN");
    let changed = app.change_role(&app.admin, &id, "merchant").await.expect(200);
    assert_eq!(changed["role"], "merchant");
    let next = app.refresh(tokens["refreshToken"].as_str().unwrap()).await.expect(200);
    assert_eq!(next["user"]["role"], "merchant");
    app.payments(next["accessToken"].as_str().unwrap(), "").await.expect(200);
    let wrong = app.change_role(&app.admin, &id, "owner").await;
    wrong.expect_problem(400, "VALIDATION_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_account_neither_logs_in_nor_refreshes_until_it_is_opened() {
    let app = TestApp::start().await;
    let tokens = app.register("ada@example.org").await.expect(201);
    let id = id_of(&tokens["user"]);
    assert_eq!(app.disable(&app.admin, &id).await.expect(200)["status"], "disabled");
    let refused = app.log_in("ada@example.org", PASSWORD).await;
    refused.expect_problem(401, "INVALID_CREDENTIALS");
    let refresh = tokens["refreshToken"].as_str().unwrap();
    app.refresh(refresh).await.expect_problem(401, "SESSION_ENDED");
    assert_eq!(app.enable(&app.admin, &id).await.expect(200)["status"], "active");
    app.log_in("ada@example.org", PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_an_administrators_business_and_not_their_own() {
    let app = TestApp::start().await;
    let ada = app.register("ada@example.org").await.expect(201);
    let (token, id) = (ada["accessToken"].as_str().unwrap().to_owned(), id_of(&ada["user"]));
    for refused in [
        app.users(&token, "").await,
        app.user(&token, &id).await,
        app.create_user(&token, "x@example.org", "admin").await,
        app.change_role(&token, &id, "admin").await,
        app.disable(&token, &id).await,
        app.enable(&token, &id).await,
    ] {
        refused.expect_problem(403, "FORBIDDEN");
    }
    let own = id_of(&app.profile(&app.admin).await.expect(200));
    app.change_role(&app.admin, &own, "customer").await.expect_problem(409, "STATE_FORBIDS");
    app.disable(&app.admin, &own).await.expect_problem(409, "STATE_FORBIDS");
    let nobody = "00000000-0000-7000-8000-000000000000";
    for missing in [
        app.user(&app.admin, nobody).await,
        app.change_role(&app.admin, nobody, "admin").await,
        app.disable(&app.admin, nobody).await,
        app.enable(&app.admin, nobody).await,
    ] {
        missing.expect_problem(404, "NOT_FOUND");
    }
}
