//! The other half of [`TestApp`]'s endpoints: accounts, merchants, operators, traces, trials.

use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};
use crate::client::Answer;

impl TestApp {
    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("", "/auth/refresh", &json!({"refreshToken": token})).await
    }

    pub(crate) async fn log_out(&self, token: &str) -> Answer {
        self.post("", "/auth/logout", &json!({"refreshToken": token})).await
    }

    pub(crate) async fn users(&self, token: &str, query: &str) -> Answer {
        self.get(token, &format!("/users{query}")).await
    }

    pub(crate) async fn user(&self, token: &str, id: &str) -> Answer {
        self.get(token, &format!("/users/{id}")).await
    }

    pub(crate) async fn create_user(&self, token: &str, email: &str, role: &str) -> Answer {
        let body = json!({
            "email": email, "password": PASSWORD, "firstName": "Corner", "lastName": "Shop", "role": role,
        });
        self.post(token, "/users", &body).await
    }

    pub(crate) async fn change_role(&self, token: &str, id: &str, role: &str) -> Answer {
        let ask = self.ask("PUT", &format!("/users/{id}/role")).bearer(token);
        ask.json(&json!({"role": role})).send().await
    }

    pub(crate) async fn disable(&self, token: &str, id: &str) -> Answer {
        self.post(token, &format!("/users/{id}/disable"), &json!({"reason": "left"})).await
    }

    pub(crate) async fn enable(&self, token: &str, id: &str) -> Answer {
        self.ask("POST", &format!("/users/{id}/enable")).bearer(token).send().await
    }

    /// A merchant's token.
    pub(crate) async fn merchant(&self) -> String {
        self.create_user(&self.admin, "shop@example.org", "merchant").await.expect(201);
        self.token_of("shop@example.org").await
    }

    pub(crate) async fn ship(&self, token: &str, id: &str) -> Answer {
        self.ask("PUT", &format!("/orders/{id}/ship")).bearer(token).send().await
    }

    pub(crate) async fn deliver(&self, token: &str, id: &str) -> Answer {
        self.ask("PUT", &format!("/orders/{id}/deliver")).bearer(token).send().await
    }

    pub(crate) async fn refund(&self, token: &str, id: &str) -> Answer {
        let ask = self.ask("POST", &format!("/orders/{id}/refund")).bearer(token);
        ask.header("prefer", "wait=30").json(&json!({"reason": "came back"})).send().await
    }

    pub(crate) async fn payments(&self, token: &str, query: &str) -> Answer {
        self.get(token, &format!("/payments{query}")).await
    }

    pub(crate) async fn payment(&self, token: &str, id: &str) -> Answer {
        self.get(token, &format!("/payments/{id}")).await
    }

    pub(crate) async fn active_sagas(&self, token: &str) -> Answer {
        self.get(token, "/saga/active").await
    }

    pub(crate) async fn saga_status(&self, token: &str, correlation: &str) -> Answer {
        self.get(token, &format!("/saga/status/{correlation}")).await
    }

    pub(crate) async fn orders_processing(&self, token: &str) -> Answer {
        self.get(token, "/sagas/orders/processing").await
    }

    pub(crate) async fn pending_orders(&self, token: &str, query: &str) -> Answer {
        self.get(token, &format!("/saga/maintenance/pending-orders{query}")).await
    }

    pub(crate) async fn saga_health(&self, token: &str) -> Answer {
        self.get(token, "/saga/maintenance/saga-health").await
    }

    pub(crate) async fn clean_up(&self, token: &str, body: &Value) -> Answer {
        self.post(token, "/saga/maintenance/cleanup-pending", body).await
    }

    pub(crate) async fn events(&self, token: &str, query: &str) -> Answer {
        self.get(token, &format!("/trace/events{query}")).await
    }

    pub(crate) async fn active_flows(&self, token: &str) -> Answer {
        self.get(token, "/trace/active-flows").await
    }

    pub(crate) async fn distribution(&self, token: &str) -> Answer {
        self.get(token, "/trace/distribution").await
    }

    pub(crate) async fn health_detailed(&self, token: &str) -> Answer {
        self.get(token, "/health/detailed").await
    }

    pub(crate) async fn try_lock(&self, token: &str, key: &str, body: &Value) -> Answer {
        self.post(token, &format!("/redis-test/lock/{key}"), body).await
    }

    pub(crate) async fn take_lock(&self, token: &str, key: &str, body: &Value) -> Answer {
        self.post(token, &format!("/redis-test/manual-lock/{key}"), body).await
    }

    pub(crate) async fn lock_status(&self, token: &str, key: &str) -> Answer {
        self.get(token, &format!("/redis-test/lock-status/{key}")).await
    }

    pub(crate) async fn try_saga_creation(&self, token: &str, correlation: &str) -> Answer {
        let body = json!({"correlationId": correlation});
        self.post(token, "/redis-test/saga-creation-test", &body).await
    }

    pub(crate) async fn pool(&self, token: &str) -> Answer {
        self.get(token, "/db-pool").await
    }

    pub(crate) async fn probe_bus(&self, token: &str) -> Answer {
        self.get(token, "/kafka-test").await
    }

    pub(crate) async fn document(&self) -> Value {
        self.get("", "/api-json").await.expect(200)
    }
}
