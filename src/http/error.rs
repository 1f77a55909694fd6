//! Everything that a request can be told instead of what it asked for, and the one place that gives each
//! its status and its code. Handlers return [`Error`]; [`super::problem`] writes it.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::domain::{FieldError, FieldErrors};
use crate::limits::{REQUEST_HEAD_BYTES_MAX, REQUEST_HEADERS_MAX, RETRY_AFTER_S};

/// Why a bearer token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// There is no `Authorization: Bearer`.
    #[error("this needs an access token: Authorization: Bearer <token>")]
    Missing,
    /// Not a token of this service: malformed, another algorithm, or not signed by its secret.
    #[error("the access token is not one of this service")]
    Invalid,
    /// Its time is over.
    #[error("the access token has expired")]
    Expired,
}

/// Why a refresh token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshProblem {
    /// Not a token of this service, or of a session that there is not.
    #[error("the refresh token is not one of this service; log in again")]
    Invalid,
    /// Its time is over.
    #[error("the refresh token has expired; log in again")]
    Expired,
    /// Its session has ended, or its user may not log in any more.
    #[error("the session has ended; log in again")]
    Ended,
    /// It was used before: somebody has a copy, so the session has ended for everybody.
    #[error("the refresh token was used before, so its session has ended; log in again")]
    Reused,
}

/// Why a request is not met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request has too many headers, or too long a head.
    #[error(
        "the request has more than {headers} headers, or a head of more than {bytes} bytes",
        headers = REQUEST_HEADERS_MAX,
        bytes = REQUEST_HEAD_BYTES_MAX
    )]
    HeadTooLarge,
    /// The body is not JSON.
    #[error("the body is not valid JSON: {0}")]
    InvalidJson(String),
    /// Fields of the body, the path, the query or the headers are wrong.
    #[error("the request has {} wrong field(s)", .0.len())]
    Invalid(Vec<FieldError>),
    /// The body has another media type.
    #[error("the body must be application/json, not {0}")]
    UnsupportedMediaType(String),
    /// The body is longer than the limit, in bytes.
    #[error("the body is longer than {0} bytes")]
    BodyTooLarge(usize),
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    BodyTimeout,
    /// The body broke off.
    #[error("the body broke off before its end")]
    BodyBroken,
    /// No such thing, or none that the caller may know of.
    #[error("{0} was not found")]
    NotFound(&'static str),
    /// The path exists with other methods.
    #[error("this method is not allowed here; see the Allow header")]
    MethodNotAllowed,
    /// The token is missing or not accepted.
    #[error(transparent)]
    Unauthenticated(TokenProblem),
    /// E-mail or password are wrong; which of them is not told.
    #[error("the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// The refresh token is not accepted.
    #[error(transparent)]
    Refresh(RefreshProblem),
    /// The caller's role does not allow it.
    #[error("this needs the role {0}")]
    Forbidden(&'static str),
    /// The e-mail address has an account.
    #[error("there is an account with this e-mail address")]
    EmailExists,
    /// Another order holds the product.
    #[error("order {existing_order_id} holds product {product_id}")]
    DuplicateOrder {
        /// The order that holds it.
        existing_order_id: String,
        /// The product.
        product_id: String,
    },
    /// The thing's state forbids it.
    #[error("{0}")]
    StateForbids(String),
    /// The same idempotency key was used with another body.
    #[error("idempotency key {0:?} was used before with another request")]
    IdempotencyKeyReused(String),
    /// Too many attempts.
    #[error("too many attempts; try again in {retry_after_s} s")]
    TooManyRequests {
        /// Seconds until the next attempt may succeed.
        retry_after_s: u64,
    },
    /// The node has as much to do as it accepts.
    #[error("the node is busy: {what}")]
    Overloaded {
        /// Which limit was reached.
        what: &'static str,
    },
    /// The answer took too long; what was asked may still happen.
    #[error(
        "no answer in time; it may still happen: repeat the request with the same idempotency key"
    )]
    Timeout,
    /// The store or something else that is needed does not answer. The text stays in the log.
    #[error("the node cannot serve this at the moment")]
    Unavailable(String),
    /// A defect. The text stays in the log.
    #[error("the server failed; its log has the cause under the correlation id")]
    Internal(String),
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors.into_vec())
    }
}

/// What an error is to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The status of the answer.
    pub(super) status: StatusCode,
    /// The stable code: the `error` member.
    pub(super) code: &'static str,
    /// A few words that are the same for every error of the code.
    pub(super) title: &'static str,
}

impl Error {
    /// One wrong field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// A defect, with its cause for the log.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }

    /// The error with the cause that only the log may have; for who reads the log anyway.
    pub fn for_operator(&self) -> String {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => cause.clone(),
            shown => shown.to_string(),
        }
    }

    /// The one table from errors to statuses and codes.
    pub(super) fn meaning(&self) -> Meaning {
        let (status, code, title) = match self {
            Self::InvalidJson(_) => (400, "INVALID_JSON", "Not valid JSON"),
            Self::Invalid(_) => (400, "VALIDATION_FAILED", "Wrong fields"),
            Self::BodyBroken => (400, "BODY_INCOMPLETE", "Incomplete body"),
            Self::Unauthenticated(problem) => (401, problem.code(), "Not authenticated"),
            Self::InvalidCredentials => (401, "INVALID_CREDENTIALS", "Wrong credentials"),
            Self::Refresh(problem) => (401, problem.code(), "Not authenticated"),
            Self::Forbidden(_) => (403, "FORBIDDEN", "Not allowed"),
            Self::NotFound(_) => (404, "NOT_FOUND", "Not found"),
            Self::MethodNotAllowed => (405, "METHOD_NOT_ALLOWED", "Method not allowed"),
            Self::BodyTimeout => (408, "BODY_TIMEOUT", "Body too slow"),
            Self::EmailExists => (409, "EMAIL_EXISTS", "E-mail address in use"),
            Self::DuplicateOrder { .. } => (409, "DUPLICATE_ORDER", "Duplicate order"),
            Self::StateForbids(_) => (409, "STATE_FORBIDS", "Not possible in this state"),
            Self::BodyTooLarge(_) => (413, "BODY_TOO_LARGE", "Body too large"),
            Self::UnsupportedMediaType(_) => {
                (415, "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type")
            }
            Self::IdempotencyKeyReused(_) => {
                (422, "IDEMPOTENCY_KEY_REUSED", "Idempotency key reused")
            }
            Self::TooManyRequests { .. } => (429, "TOO_MANY_REQUESTS", "Too many requests"),
            Self::HeadTooLarge => (431, "REQUEST_HEAD_TOO_LARGE", "Request head too large"),
            Self::Internal(_) => (500, "INTERNAL", "Internal error"),
            Self::Overloaded { .. } => (503, "OVERLOADED", "Too busy"),
            Self::Timeout => (503, "TIMEOUT", "No answer in time"),
            Self::Unavailable(_) => (503, "UNAVAILABLE", "Unavailable"),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Meaning { status, code, title }
    }

    /// Seconds after which it is worth trying again; only for what passes by itself.
    pub(super) fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after_s } => Some(*retry_after_s),
            Self::Overloaded { .. } | Self::Timeout | Self::Unavailable(_) => Some(RETRY_AFTER_S),
            Self::HeadTooLarge
            | Self::InvalidJson(_)
            | Self::Invalid(_)
            | Self::UnsupportedMediaType(_)
            | Self::BodyTooLarge(_)
            | Self::BodyTimeout
            | Self::BodyBroken
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::Unauthenticated(_)
            | Self::InvalidCredentials
            | Self::Refresh(_)
            | Self::Forbidden(_)
            | Self::EmailExists
            | Self::DuplicateOrder { .. }
            | Self::StateForbids(_)
            | Self::IdempotencyKeyReused(_)
            | Self::Internal(_) => None,
        }
    }
}

impl TokenProblem {
    fn code(self) -> &'static str {
        match self {
            Self::Missing => "TOKEN_MISSING",
            Self::Invalid => "TOKEN_INVALID",
            Self::Expired => "TOKEN_EXPIRED",
        }
    }

    /// The `WWW-Authenticate` header (RFC 6750): a request without a token is only told the scheme.
    pub(super) fn challenge(self) -> &'static str {
        match self {
            Self::Missing => "Bearer realm=\"sagaline\"",
            Self::Invalid => {
                "Bearer realm=\"sagaline\", error=\"invalid_token\", \
                 error_description=\"not a token of this service\""
            }
            Self::Expired => {
                "Bearer realm=\"sagaline\", error=\"invalid_token\", \
                 error_description=\"the token has expired\""
            }
        }
    }
}

impl RefreshProblem {
    fn code(self) -> &'static str {
        match self {
            Self::Invalid => "REFRESH_TOKEN_INVALID",
            Self::Expired => "REFRESH_TOKEN_EXPIRED",
            Self::Ended => "SESSION_ENDED",
            Self::Reused => "REFRESH_TOKEN_REUSED",
        }
    }
}

/// An error in a response's extensions, until the edge writes it.
#[derive(Debug, Clone)]
pub(super) struct Failed(pub(super) Arc<Error>);

impl IntoResponse for Error {
    /// Only the status and the error itself: the edge knows the request, and writes the document.
    fn into_response(self) -> Response {
        let mut response = self.meaning().status.into_response();
        response.extensions_mut().insert(Failed(Arc::new(self)));
        response
    }
}
