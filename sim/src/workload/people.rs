//! Who the clients are: customers that registered before the chaos, a merchant, and an administrator.

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::node::{ADMIN_EMAIL, MERCHANT_EMAIL, PASSWORD};
use crate::plan::{Operation, Planned};

use super::alphabet::CUSTOMERS;
use super::http::Http;
use super::request;

/// Their access tokens.
#[derive(Debug, Clone)]
pub struct People {
    customers: Vec<String>,
    /// Confirms, ships and refunds orders.
    pub merchant: String,
    /// Sees and operates everything.
    pub admin: String,
}

impl People {
    /// Registers the customers at the balancer and logs the others in. Before the chaos: whoever is not
    /// let in then is a fault of the product. The error says who and why.
    pub async fn enter(http: &Http) -> Result<Self, String> {
        let mut customers = Vec::new();
        for customer in 0..CUSTOMERS {
            let body = json!({
                "email": format!("customer-{customer}@example.com"),
                "password": PASSWORD,
                "firstName": "Ada",
                "lastName": format!("Number {customer}"),
            });
            customers.push(token(http, "/auth/register", body).await?);
        }
        let log_in =
            |email| token(http, "/auth/login", json!({ "email": email, "password": PASSWORD }));
        let (merchant, admin) = (log_in(MERCHANT_EMAIL).await?, log_in(ADMIN_EMAIL).await?);
        Ok(Self { customers, merchant, admin })
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
            // Everybody with an account of their own has one.
            Operation::Account { .. } => "",
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
            | Operation::HoldLock { .. } => {
                let customer = usize::try_from(planned.customer).unwrap_or(usize::MAX);
                self.customers.get(customer).map_or("", String::as_str)
            }
        }
    }
}

async fn token(http: &Http, path: &str, body: Value) -> Result<String, String> {
    let request = request::Sent::post(path.to_owned(), body.clone()).into_http("", None);
    let answer = http.send(Machine::Balancer, request).await;
    let answer = answer.map_err(|error| format!("{path} {body}: {error}"))?;
    let token = answer.body["accessToken"].as_str().map(str::to_owned);
    token.ok_or_else(|| format!("{path} {body}: {answer:?}"))
}
