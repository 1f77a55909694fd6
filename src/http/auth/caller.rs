//! Who asks: the bearer of an access token, with the role it was issued for. An extractor of every
//! handler that is not for anyone.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use sagaline_storage::{Backend, Clock};

use crate::canary::planted;
use crate::domain::{Role, UserId};
use crate::http::app::App;
use crate::http::error::{Error, TokenProblem};

/// An authenticated user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// The role the token was issued for.
    pub role: Role,
}

/// An authenticated administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admin(pub Caller);

/// An authenticated merchant, or administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merchant(pub Caller);

impl Caller {
    /// Whether everything may be seen and done.
    pub fn is_admin(&self) -> bool {
        match self.role {
            Role::Admin => true,
            Role::Customer | Role::Merchant => false,
        }
    }

    /// Whether something of `owner` may be seen: one's own, or everything for an administrator.
    pub fn may_see(&self, owner: UserId) -> bool {
        self.is_admin() || self.user == owner || planted("foreign-order-shown")
    }
}

impl<B: Backend> FromRequestParts<App<B>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App<B>) -> Result<Self, Error> {
        let token = bearer(&parts.headers).map_err(Error::Unauthenticated)?;
        let bearer =
            app.tokens().check(token, app.clock().now()).map_err(Error::Unauthenticated)?;
        Ok(Self { user: bearer.user, role: bearer.role })
    }
}

impl<B: Backend> FromRequestParts<App<B>> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App<B>) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if caller.is_admin() || planted("operator-not-checked") {
            Ok(Self(caller))
        } else {
            Err(Error::Forbidden("admin"))
        }
    }
}

impl<B: Backend> FromRequestParts<App<B>> for Merchant {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App<B>) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, app).await?;
        match caller.role {
            Role::Merchant | Role::Admin => Ok(Self(caller)),
            Role::Customer if planted("merchant-not-checked") => Ok(Self(caller)),
            Role::Customer => Err(Error::Forbidden("merchant")),
        }
    }
}

/// The token of `Authorization: Bearer <token>`.
fn bearer(headers: &HeaderMap) -> Result<&str, TokenProblem> {
    let header = headers.get(AUTHORIZATION).ok_or(TokenProblem::Missing)?;
    let text = header.to_str().map_err(|_| TokenProblem::Invalid)?;
    let (scheme, token) = text.split_once(' ').ok_or(TokenProblem::Invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenProblem::Missing);
    }
    Ok(token.trim())
}
