//! Who the clients are: customers that registered before the chaos, a merchant, and an administrator.

use serde_json::{Value, json};

use crate::evidence::{Role, Who};
use crate::machine::Machine;
use crate::node::{ADMIN_EMAIL, MERCHANT_EMAIL, PASSWORD};
use crate::plan::{Operation, Planned};

use super::alphabet::CUSTOMERS;
use super::http::Http;
use super::request;

/// Where they are let in: not at [`SHORT_LIVED`](crate::plan::SHORT_LIVED).
const LETS_IN: Machine = Machine::Node1;

/// Their access tokens.
#[derive(Debug, Clone)]
pub struct People {
    customers: Vec<String>,
    /// Confirms, ships and refunds orders.
    pub merchant: String,
    /// Sees and operates everything.
    pub admin: String,
    /// Their ids: the customers', then the merchant's and the administrator's.
    users: Vec<String>,
}

impl People {
    /// Registers the customers and logs the others in, at a node whose tokens outlive the run. Before the
    /// chaos: whoever is not let in then is a fault of the product. The error says who and why.
    pub async fn enter(http: &Http) -> Result<Self, String> {
        let (mut customers, mut users) = (Vec::new(), Vec::new());
        for customer in 0..CUSTOMERS {
            let body = json!({
                "email": format!("customer-{customer}@example.com"),
                "password": PASSWORD,
                "firstName": "Ada",
                "lastName": format!("Number {customer}"),
            });
            let (token, user) = token(http, "/auth/register", body).await?;
            customers.push(token);
            users.push(user);
        }
        let log_in =
            |email| token(http, "/auth/login", json!({ "email": email, "password": PASSWORD }));
        let (merchant, admin) = (log_in(MERCHANT_EMAIL).await?, log_in(ADMIN_EMAIL).await?);
        users.extend([merchant.1, admin.1]);
        Ok(Self { customers, merchant: merchant.0, admin: admin.0, users })
    }

    /// A customer, with a token.
    pub fn customer(&self, customer: usize) -> (Who, &str) {
        let user = self.users.get(customer).cloned().unwrap_or_default();
        let token = self.customers.get(customer).map_or("", String::as_str);
        (Who { role: Role::Customer, user }, token)
    }

    /// The one of a role that one person has, with a token.
    pub fn of_role(&self, role: Role) -> (Who, &str) {
        let (place, token) = match role {
            Role::Nobody => return (Who { role, user: String::new() }, ""),
            Role::Customer => return self.customer(0),
            Role::Merchant => (self.customers.len(), &self.merchant),
            Role::Admin => (self.customers.len() + 1, &self.admin),
        };
        (Who { role, user: self.users.get(place).cloned().unwrap_or_default() }, token)
    }

    /// The token of the one who does this.
    pub fn token_of(&self, planned: &Planned) -> &str {
        match &planned.operation {
            Operation::ConfirmOrder { .. } | Operation::HandleOrder { .. } => &self.merchant,
            // Whoever starts sagas of any type is an operator.
            Operation::Operate { .. }
            | Operation::StartSaga { .. }
            | Operation::Rebuild { .. }
            | Operation::AskConsumer { .. } => &self.admin,
            // Everybody with an account of their own has one, and who goes through a list that of a role.
            Operation::Account { .. } | Operation::WalkList { .. } => "",
            Operation::PlaceOrder { .. }
            | Operation::CancelOrder { .. }
            | Operation::ReadOrder { .. }
            | Operation::ReadSaga { .. }
            | Operation::TraceOrder { .. }
            | Operation::ListOrders
            | Operation::ReadStream { .. }
            | Operation::AppendList { .. }
            | Operation::ReadList { .. }
            | Operation::ReadAll { .. }
            | Operation::HoldLock { .. }
            | Operation::OverstayLock { .. } => {
                let customer = usize::try_from(planned.customer).unwrap_or(usize::MAX);
                self.customers.get(customer).map_or("", String::as_str)
            }
        }
    }
}

/// A token, and whose.
async fn token(http: &Http, path: &str, body: Value) -> Result<(String, String), String> {
    let request = request::Sent::post(path.to_owned(), body.clone()).into_http("", None);
    let answer = http.send(LETS_IN, request).await;
    let answer = answer.map_err(|error| format!("{path} {body}: {error}"))?;
    let word = |word: &Value| word.as_str().map(str::to_owned);
    let token = word(&answer.body["accessToken"]).zip(word(&answer.body["user"]["id"]));
    token.ok_or_else(|| format!("{path} {body}: {answer:?}"))
}
