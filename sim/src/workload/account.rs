//! Somebody with an account of their own: does the steps of an [`Operation::Account`](crate::plan::Operation),
//! one after the other, each as a browser or an administrator would. What came of them is judged by the
//! answers alone: nothing is checked here.

use serde_json::{Value, json};

use crate::evidence::Answer;
use crate::node::PASSWORD;
use crate::plan::{AccountStep, Deed, OrderShape, Planned};

use super::accounts::{WRONG_PASSWORD, mark};
use super::body;
use super::clients::Clients;
use super::patience::Patience;
use super::request::Sent;

/// Products that nobody else orders.
const OWN_PRODUCTS: u32 = 1_000_000;
/// Orders of one account.
const ORDERS_MAX: u32 = 1_000;

/// Who does the steps, and what they were told.
pub(super) struct AccountHolder<'a> {
    clients: &'a Clients,
    planned: &'a Planned,
    address: u32,
    patience: Patience,
    access: String,
    user: Option<String>,
    /// Refresh tokens of the newest session, the newest last.
    tokens: Vec<String>,
    /// Orders are those of the first account: what a customer orders is one user's.
    may_order: bool,
    orders: u32,
    order: Option<String>,
}

impl<'a> AccountHolder<'a> {
    pub(super) fn new(
        clients: &'a Clients,
        planned: &'a Planned,
        address: u32,
        patience: Patience,
    ) -> Self {
        let (access, tokens) = (String::new(), Vec::new());
        let (user, order) = (None, None);
        let (may_order, orders) = (true, 0);
        Self { clients, planned, address, patience, access, user, tokens, may_order, orders, order }
    }

    /// Does everything, or goes away when the time is over.
    pub(super) async fn run(mut self, steps: &[AccountStep]) {
        for step in steps {
            if !self.patience.rest(step.after_ms).await {
                return;
            }
            let Some(sent) = self.sent(step.deed) else { continue };
            let is_an_administrators = matches!(
                step.deed,
                Deed::ShowOrder | Deed::ShowUser | Deed::Disable | Deed::Enable | Deed::ForgetUser
            );
            let admin = is_an_administrators.then(|| self.clients.people().admin.clone());
            let token = admin.as_deref().unwrap_or(&self.access);
            let place = (step.to, token);
            let answer = self.clients.ask_at(self.planned, place, &sent, &mut self.patience).await;
            if let Some(answer) = answer {
                self.learn(step.deed, &answer);
            }
        }
    }

    /// The request of a step; none: there is nothing yet that it could be about.
    fn sent(&mut self, deed: Deed) -> Option<Sent> {
        let (user, order) = (self.user.as_deref(), self.order.as_deref());
        let once =
            |path: &str, body| Sent { repeatable: false, ..Sent::post(path.to_owned(), body) };
        let verb = |verb: &str| Some(Sent::post(format!("/users/{}/{verb}", user?), Value::Null));
        let reason = json!({ "reason": "an administrator of the simulation" });
        let shown = |token: &String| json!({ "refreshToken": token });
        let (newest, used) = match self.tokens.split_last() {
            Some((newest, used)) => (Some(shown(newest)), used.first().map(shown)),
            None => (None, None),
        };
        match deed {
            Deed::Register => Some(once("/auth/register", self.registration())),
            Deed::LogIn => Some(once("/auth/login", self.log_in(&self.password()))),
            Deed::LogInWrongly => Some(once("/auth/login", self.log_in(WRONG_PASSWORD))),
            Deed::Refresh => Some(once("/auth/refresh", newest?)),
            Deed::RefreshAgain => Some(once("/auth/refresh", used?)),
            Deed::LogOut => Some(once("/auth/logout", newest?)),
            Deed::Profile if self.access.is_empty() => None,
            Deed::Profile => Some(Sent::get("/auth/profile".to_owned())),
            Deed::Order if self.access.is_empty() || !self.may_order => None,
            Deed::Order => Some(once("/orders", self.next_order())),
            Deed::LookAtOrder | Deed::ShowOrder => Some(Sent::get(format!("/orders/{}", order?))),
            Deed::ShowUser => Some(Sent::get(format!("/users/{}", user?))),
            Deed::Disable => Some(Sent { body: reason, ..verb("disable")? }),
            Deed::Enable => verb("enable"),
            Deed::ForgetUser => verb("forget"),
            Deed::Forget if self.access.is_empty() => None,
            Deed::Forget => Some(Sent::delete("/auth/profile".to_owned())),
        }
    }

    fn email(&self) -> String {
        format!("account-{}@example.com", self.address)
    }

    /// Nobody else's, also not that of somebody who has the same address.
    fn password(&self) -> String {
        format!("{PASSWORD} {}", self.planned.id)
    }

    fn registration(&self) -> Value {
        json!({
            "email": self.email(),
            "password": self.password(),
            "firstName": mark(self.planned.id),
            "lastName": format!("of {}", mark(self.planned.id)),
        })
    }

    fn log_in(&self, password: &str) -> Value {
        json!({ "email": self.email(), "password": password })
    }

    fn next_order(&mut self) -> Value {
        self.orders += 1;
        let product = OWN_PRODUCTS + self.planned.id * ORDERS_MAX + self.orders;
        let mut order = body::order(&[product], "tok_ok", OrderShape::Plain);
        order["shippingAddress"]["street"] = json!(format!("1 {} Street", mark(self.planned.id)));
        order
    }

    fn learn(&mut self, deed: Deed, answer: &Answer) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match (deed, answer.status) {
            (Deed::Register, 201) | (Deed::LogIn, 200) => {
                let user = text(&answer.body["user"]["id"]);
                if self.user.is_some() && user != self.user {
                    (self.may_order, self.order) = (false, None);
                }
                self.user = user;
                self.access = text(&answer.body["accessToken"]).unwrap_or_default();
                self.tokens = text(&answer.body["refreshToken"]).into_iter().collect();
            }
            (Deed::Refresh, 200) => {
                self.access = text(&answer.body["accessToken"]).unwrap_or_default();
                self.tokens.extend(text(&answer.body["refreshToken"]));
            }
            (Deed::Order, 201) => self.order = text(&answer.body["id"]),
            _ => {}
        }
    }
}
