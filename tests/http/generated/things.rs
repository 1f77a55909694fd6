//! Things that are there, for requests that can succeed: what was made first, and what answers tell of later.

use serde_json::Value;

use super::api::{Api, Operation, Parameter};
use super::dice::Dice;
use super::draft::Draft;
use super::{right, words};
use crate::app::{TestApp, id_of, order_for};
use crate::client::Answer;

/// Of each kind at least one; the newest are last.
pub(crate) struct Things {
    pub(crate) orders: Vec<String>,
    pub(crate) sagas: Vec<String>,
    pub(crate) users: Vec<String>,
    pub(crate) correlations: Vec<String>,
    /// A refresh token that was not used.
    pub(crate) session: Option<String>,
}

/// So many of each kind are known.
const KNOWN_MAX: usize = 16;

const READ_MODELS: [&str; 3] = ["orders", "payments", "sagas"];
const FILES: [&str; 3] = ["swagger-ui.css", "index.html", "swagger-initializer.js"];
const LOCKS: [&str; 3] = ["a-lock", "b-lock", "%D0%B7%D0%B0%D0%BC%D0%BE%D0%BA"];

impl Things {
    /// The account of the document's example, and an order of it that is paid.
    pub(crate) async fn make(app: &TestApp, api: Api<'_>) -> Self {
        let register = api.operations().into_iter().find(|it| it.id() == "register").unwrap();
        let example = &api.followed(register.body().unwrap())["example"];
        let registered = app.post("", "/auth/register", example).await.expect(201);
        let token = registered["accessToken"].as_str().unwrap();
        let order = app.place_and_wait(token, &order_for("known", "tok_ok")).await.expect(201);
        let id = id_of(&order);
        Self {
            orders: vec![id.clone()],
            // An order's saga has the order's id.
            sagas: vec![id],
            users: vec![id_of(&registered["user"])],
            correlations: vec![order["correlationId"].as_str().unwrap().to_owned()],
            session: None,
        }
    }

    /// Remembers what an answer says was made.
    pub(crate) fn note(&mut self, operation: Operation<'_>, answer: &Answer) {
        if answer.status != 201 {
            return;
        }
        let made = answer.json();
        match operation.id() {
            "placeOrder" => {
                keep(&mut self.orders, &made["id"]);
                keep(&mut self.sagas, &made["id"]);
                keep(&mut self.correlations, &made["correlationId"]);
            }
            "startSaga" => {
                keep(&mut self.sagas, &made["id"]);
                keep(&mut self.correlations, &made["correlationId"]);
            }
            "register" => keep(&mut self.users, &made["user"]["id"]),
            "createUser" => keep(&mut self.users, &made["id"]),
            other => panic!("{other} makes something that nothing asks for"),
        }
    }

    /// What stands for a place of an operation's path, of what is there.
    pub(crate) fn named<'a>(
        &self,
        api: Api<'a>,
        operation: Operation<'_>,
        parameter: &Parameter<'a>,
        dice: &mut Dice,
    ) -> String {
        let path = operation.path;
        let known = match parameter.name {
            "file" => dice.word(&FILES),
            "name" if path.starts_with("/consumers") => "doubter",
            "name" => dice.word(&READ_MODELS),
            "id" if path.starts_with("/redis-test") => dice.word(&LOCKS),
            "id" => dice.pick(self.of_path(path)).as_str(),
            _ => {
                let drawn = right::value(api, parameter.schema, parameter.example, dice);
                return words::encoded(drawn.as_str().unwrap());
            }
        };
        known.to_owned()
    }

    /// What an operation's path asks for when it asks for an id.
    fn of_path(&self, path: &str) -> &[String] {
        match path {
            _ if path.contains("/correlation/") || path.contains("/status/") => &self.correlations,
            _ if path.starts_with("/users") => &self.users,
            _ if path.starts_with("/saga") => &self.sagas,
            _ => &self.orders,
        }
    }

    /// A request with what was made first in its path.
    pub(crate) fn first_in(&self, api: Api<'_>, operation: Operation<'_>) -> Draft {
        let mut draft = Draft::of(operation);
        for parameter in operation.parameters() {
            let path = operation.path;
            let first = match parameter.name {
                _ if parameter.place != "path" => continue,
                "file" => FILES[0],
                "name" if path.starts_with("/consumers") => "doubter",
                "name" => READ_MODELS[0],
                // A lock of its own: nobody else holds it.
                "id" if path.starts_with("/redis-test") => operation.id(),
                "id" => self.of_path(path)[0].as_str(),
                _ => api.followed(parameter.schema)["enum"][0].as_str().unwrap(),
            };
            draft = draft.with(parameter.name, first);
        }
        draft
    }
}

fn keep(known: &mut Vec<String>, id: &Value) {
    if known.len() == KNOWN_MAX {
        known.remove(0);
    }
    known.push(id.as_str().unwrap().to_owned());
}
