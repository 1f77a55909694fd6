//! For each operation a request that succeeds, with what has to be there before it; and requests to it that are
//! refused, each for a reason of its own.

use serde_json::{Value, json};

use super::api::{Api, Operation};
use super::draft::Draft;
use super::things::Things;
use crate::app::{PASSWORD, TestApp, id_of, order_for};

/// Where the requests are made.
pub(crate) struct Stage<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) api: Api<'a>,
    pub(crate) things: &'a Things,
    pub(crate) customer: &'a str,
}

impl<'a> Stage<'a> {
    /// A right request. What it needs is called by `name`, which nothing else is called by.
    pub(crate) async fn right(&self, operation: Operation<'a>, name: &str) -> Draft {
        let draft = match operation.path {
            path if path.starts_with("/orders/{id}") => {
                Draft::of(operation).with("id", &self.order(operation.id(), name).await)
            }
            path if path.starts_with("/saga/") && operation.method == "post" => {
                Draft::of(operation).with("id", &self.saga(operation.id(), name).await)
            }
            path if path.starts_with("/users/{id}") => {
                Draft::of(operation).with("id", &self.user(operation.id(), name).await)
            }
            _ => self.things.first_in(self.api, operation),
        };
        let draft = match operation.id() {
            "forgetProfile" => draft.bearer(&self.app.customer().await),
            _ => draft.bearer(&self.app.admin),
        };
        match operation.body() {
            Some(schema) => draft.json(&self.body(operation.id(), schema, name).await),
            None => draft,
        }
    }

    /// A body that fits what is there; mostly the document's example.
    async fn body(&self, operation: &str, schema: &'a Value, name: &str) -> Value {
        let mut example = self.api.followed(schema)["example"].clone();
        match operation {
            "register" | "createUser" => {
                example["email"] = json!(format!("{name}@example.org"));
                example
            }
            "refresh" | "logOut" => {
                let session = self.app.log_in("admin@example.org", PASSWORD).await.expect(200);
                json!({"refreshToken": session["refreshToken"]})
            }
            "cancelOrder" => json!({"reason": "changed my mind"}),
            "confirmOrder" => json!({"paymentId": "bank-17"}),
            "resolveStep" => json!({"reason": "seen at the door", "outcome": "succeeded"}),
            "tryLock" | "takeLock" => json!({"duration": 5}),
            "replayParkedEvents" | "skipParkedEvent" => {
                example["key"] = json!(self.letter(name).await);
                example
            }
            _ => example,
        }
    }

    /// An order to which this can be done.
    async fn order(&self, operation: &str, name: &str) -> String {
        let (app, admin) = (self.app, &*self.app.admin);
        match operation {
            "cancelOrder" | "confirmOrder" => {
                let mut elsewhere = order_for(name, "");
                elsewhere["paymentMethod"] = json!({"type": "external"});
                id_of(&app.place(admin, &elsewhere).await.expect(201))
            }
            "deliverOrder" => {
                let id = self.paid(name).await;
                app.ship(admin, &id).await.expect(200);
                id
            }
            _ => self.paid(name).await,
        }
    }

    async fn paid(&self, product: &str) -> String {
        let order = order_for(product, "tok_ok");
        let order = self.app.place_and_wait(&self.app.admin, &order).await.expect(201);
        assert_eq!(order["status"], "paid", "{order}");
        id_of(&order)
    }

    /// A saga to which this can be done: one that waits for its bank, or one that is parked.
    async fn saga(&self, operation: &str, name: &str) -> String {
        let (app, admin) = (self.app, &*self.app.admin);
        match operation {
            "pauseSaga" | "resumeSaga" | "compensateSaga" => {
                let slow = app.place(admin, &order_for(name, "tok_slow")).await.expect(201);
                let id = id_of(&slow);
                if operation == "resumeSaga" {
                    // What comes too late for it is tried again as a whole.
                    app.operate(admin, "pause", &id).await;
                }
                id
            }
            "retrySaga" | "skipStep" | "resolveStep" => {
                let parcel = json!({"sagaType": "parcel", "data": name});
                let ask = app.ask("POST", "/sagas").bearer(admin).header("prefer", "wait=30");
                let saga = ask.json(&parcel).send().await.expect(201);
                assert_eq!(saga["status"], "parked", "{saga}");
                id_of(&saga)
            }
            _ => self.things.sagas[0].clone(),
        }
    }

    async fn user(&self, operation: &str, name: &str) -> String {
        let registered = self.app.register(&format!("{name}@example.org")).await.expect(201);
        let id = id_of(&registered["user"]);
        if operation == "enableUser" {
            self.app.disable(&self.app.admin, &id).await.expect(200);
        }
        id
    }

    /// The key of an event that the tests' consumer has parked.
    async fn letter(&self, name: &str) -> String {
        let (app, id) = (self.app, self.paid(name).await);
        app.ship(&app.admin, &id).await.expect(200);
        let key = format!("order-{id}");
        loop {
            let page = app.get(&app.admin, "/consumers/doubter/parked?limit=100").await.expect(200);
            if page["parked"].as_array().unwrap().iter().any(|it| it["key"] == *key) {
                return key;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Requests that are refused, with the status that each gets.
    pub(crate) fn refused(&self, operation: Operation<'a>) -> Vec<(u16, Draft)> {
        let first = || self.things.first_in(self.api, operation);
        let ours = || first().bearer(&self.app.admin);
        let mut refused = Vec::new();
        if operation.wants_caller() {
            refused.push((401, first()));
            refused.push((401, first().bearer("a.b.c")));
        }
        if operation.wants_role() {
            refused.push((403, first().bearer(self.customer)));
        }
        for parameter in operation.parameters() {
            let (name, is_narrow) = (parameter.name, self.api.is_narrow(parameter.schema));
            let place = parameter.place;
            if place == "path" {
                let nowhere = Draft::of(operation).with(name, "%ff");
                refused.push((400, nowhere.bearer(&self.app.admin)));
            } else if is_narrow && place == "query" {
                refused.push((400, ours().asking(name, "NaN")));
            } else if is_narrow {
                refused.push((400, ours().header(name, "NaN")));
            }
        }
        if operation.body().is_some() {
            refused.push((400, ours().json(&json!({"no such member": 1}))));
            refused.push((400, ours().raw("application/json", b"{".to_vec())));
            refused.push((415, ours().raw("text/plain", b"{}".to_vec())));
        }
        refused
    }
}
