//! What is sent to `/auth` and `/users`, and what comes back. Never a password's hash.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Email, Role, UserId, UserStatus};
use crate::http::auth::Account;
use crate::http::error::Error;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "email": "ada@example.org", "password": "correct horse battery", "firstName": "Ada", "lastName": "Lovelace",
}))]
pub(super) struct RegisterBody {
    #[schema(value_type = Email)]
    pub(super) email: String,
    /// Any characters; the only rule is the length.
    #[schema(min_length = 8, max_length = 1024, format = Password)]
    pub(super) password: String,
    #[schema(min_length = 1, max_length = 50)]
    pub(super) first_name: String,
    #[schema(min_length = 1, max_length = 50)]
    pub(super) last_name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.org", "password": "correct horse battery"}))]
pub(super) struct LogInBody {
    pub(super) email: String,
    #[schema(format = Password)]
    pub(super) password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RefreshBody {
    /// The refresh token that came with the last access token.
    pub(super) refresh_token: String,
}

/// Tokens, and whose they are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoggedIn {
    /// Goes into `Authorization: Bearer …`. Short-lived.
    pub(super) access_token: String,
    /// Good for one `POST /auth/refresh`, which gives the next one.
    pub(super) refresh_token: String,
    pub(super) user: UserBody,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f3a4-5b6c-7d8e-9f01-23456789abcd", "email": "ada@example.org", "firstName": "Ada",
    "lastName": "Lovelace", "role": "customer", "status": "active",
}))]
pub(in crate::http::routes) struct UserBody {
    id: UserId,
    email: Email,
    first_name: String,
    last_name: String,
    pub(in crate::http::routes) role: Role,
    status: UserStatus,
}

impl UserBody {
    /// The account as it is shown.
    pub(in crate::http::routes) fn of(account: &Account) -> Result<Self, Error> {
        let known =
            account.user.account().ok_or_else(|| Error::internal("a user without an account"))?;
        Ok(Self {
            id: account.id,
            email: known.email.clone(),
            first_name: known.first_name.to_string(),
            last_name: known.last_name.to_string(),
            role: known.role,
            status: account.user.status(),
        })
    }
}
