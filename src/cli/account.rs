//! Where the commands on accounts do their work: at a running node over its HTTP API, or in the store of a
//! stopped one. Both show an account in the same way.

use std::future::Future;

use sagaline_storage::Backend;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::remote::{Remote, escaped, not_understood};
use super::stopped::check_reason;
use crate::domain::{Email, Role, User, UserCommand, UserId};
use crate::engine::{CommandMetadata, Node};
use crate::http::Error;
use crate::http::auth::{Account, NewAccount, PasswordSettings, Passwords, own_correlation};

/// Accounts of a page.
const PAGE: usize = 100;

/// An account as it is shown: the API's own shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub(super) id: UserId,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) role: String,
    pub(super) status: String,
}

/// What is done to an account.
#[derive(Debug, Clone)]
pub enum Change {
    /// Another role.
    Role(Role),
    /// Closed, and why.
    Disable(String),
    /// Open again.
    Enable,
    /// Gone.
    Forget,
}

/// An account that is to be made; checked by whoever makes it.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub(super) email: String,
    pub(super) password: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) role: Role,
}

/// Whose accounts they are.
pub trait Accounts {
    /// Makes one.
    fn create(&self, wanted: &Wanted) -> impl Future<Output = Result<Shown, Failure>>;

    /// A page of them, and the cursor of the next.
    fn page(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<(Vec<Shown>, Option<String>), Failure>>;

    /// The one with an address.
    fn with_email(&self, email: &Email) -> impl Future<Output = Result<Option<Shown>, Failure>>;

    /// Changes one.
    fn change(&self, id: UserId, change: &Change) -> impl Future<Output = Result<Shown, Failure>>;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    users: Vec<Shown>,
    next_after: Option<String>,
}

impl Accounts for Remote {
    async fn create(&self, wanted: &Wanted) -> Result<Shown, Failure> {
        let Wanted { email, password, first_name, last_name, role } = wanted;
        let body = json!({
            "email": email, "password": password, "firstName": first_name, "lastName": last_name,
            "role": role,
        });
        shown(self.post("/users", &body).await??)
    }

    async fn page(&self, after: Option<&str>) -> Result<(Vec<Shown>, Option<String>), Failure> {
        let after = after.map(|after| format!("&after={}", escaped(after))).unwrap_or_default();
        let page = self.get(&format!("/users?limit={PAGE}{after}")).await??;
        let page: Page = serde_json::from_value(page).map_err(not_understood)?;
        Ok((page.users, page.next_after))
    }

    async fn with_email(&self, email: &Email) -> Result<Option<Shown>, Failure> {
        let page = self.get(&format!("/users?email={}", escaped(email.as_str()))).await??;
        let page: Page = serde_json::from_value(page).map_err(not_understood)?;
        Ok(page.users.into_iter().next())
    }

    async fn change(&self, id: UserId, change: &Change) -> Result<Shown, Failure> {
        let verb = |verb: &str| format!("/users/{id}/{verb}");
        let answer = match change {
            Change::Role(role) => self.put(&verb("role"), &json!({ "role": role })).await,
            Change::Disable(reason) => {
                self.post(&verb("disable"), &json!({ "reason": reason })).await
            }
            Change::Enable => self.post(&verb("enable"), &json!({})).await,
            Change::Forget => self.post(&verb("forget"), &json!({})).await,
        };
        shown(answer??)
    }
}

fn shown(account: Value) -> Result<Shown, Failure> {
    serde_json::from_value(account).map_err(not_understood)
}

impl<B: Backend> Accounts for Node<B> {
    async fn create(&self, wanted: &Wanted) -> Result<Shown, Failure> {
        let usage = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error);
        let Wanted { email, password, first_name, last_name, role } = wanted;
        let new = NewAccount::check(email, password, first_name, last_name);
        let new = new.map_err(|error| usage(&error))?;
        let passwords = Passwords::new(PasswordSettings::default()).map_err(|e| usage(&e))?;
        let (backend, correlation) = (self.backend(), own_correlation(self.backend()));
        let made = new.create(backend, &self.aggregates(), &passwords, *role, correlation).await;
        Ok(Shown::of(&made.map_err(|error| failure(email, &error))?))
    }

    async fn page(&self, after: Option<&str>) -> Result<(Vec<Shown>, Option<String>), Failure> {
        let page = Account::page(self.backend(), &self.aggregates(), after, PAGE).await;
        let (accounts, next) = page.map_err(|error| failure("of the store", &error))?;
        Ok((accounts.iter().map(Shown::of).collect(), next))
    }

    async fn with_email(&self, email: &Email) -> Result<Option<Shown>, Failure> {
        let aggregates = self.aggregates();
        let failed = |error| failure(email.as_str(), &error);
        let owner = Account::owner_of(self.backend(), &aggregates, email).await.map_err(failed)?;
        let Some(id) = owner else { return Ok(None) };
        let account = Account::load(&aggregates, id).await.map_err(failed)?;
        Ok(account.as_ref().map(Shown::of))
    }

    async fn change(&self, id: UserId, change: &Change) -> Result<Shown, Failure> {
        let (aggregates, key) = (self.aggregates(), id.to_string());
        let correlation_id = own_correlation(self.backend());
        let command = match change {
            Change::Role(role) => UserCommand::ChangeRole { role: *role },
            Change::Disable(reason) => {
                check_reason(reason)?;
                UserCommand::Disable { reason: reason.clone() }
            }
            Change::Enable => UserCommand::Enable,
            Change::Forget => {
                let left = Account::forget(&aggregates, id, correlation_id).await;
                let left = left.map_err(|error| failure(&key, &error))?;
                return left.as_ref().map(Shown::of).ok_or_else(|| nobody(&key));
            }
        };
        let metadata = CommandMetadata { correlation_id, causation_id: None };
        let user = aggregates.execute::<User>(&key, command, &metadata).await;
        let user = user.map_err(|error| Failure::new(Exit::Failed, error).at(&key))?;
        Ok(Shown::of(&Account { id, user }))
    }
}

pub(super) fn nobody(who: &str) -> Failure {
    Failure::new(Exit::Failed, format!("there is no user {who}"))
}

pub(super) fn failure(email: &str, error: &Error) -> Failure {
    let exit =
        if let Error::Unavailable(_) = error { Exit::StoreUnavailable } else { Exit::Failed };
    Failure::new(exit, format!("account {email}: {}", error.for_operator()))
}

impl Shown {
    fn of(account: &Account) -> Self {
        let (known, status) = (account.user.account(), account.user.status());
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            id: account.id,
            email: text(known.map(|known| known.email.as_str())),
            first_name: text(known.map(|known| known.first_name.as_str())),
            last_name: text(known.map(|known| known.last_name.as_str())),
            role: text(known.map(|known| known.role.as_str())),
            status: status.as_str().to_owned(),
        }
    }

    /// As a line.
    pub(super) fn line(&self) -> String {
        let Self { id, email, first_name, last_name, role, status } = self;
        format!("{id}  {role:<8}  {status:<9}  {email}  {first_name} {last_name}")
    }
}
