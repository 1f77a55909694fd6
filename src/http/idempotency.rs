//! The idempotency key of a request: in the header or in the body, one and the same. Called by the
//! handlers that create something.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::documented;
use super::error::Error;
use crate::canary::planted;
use crate::domain::IdempotencyKey;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Whether an answer is the first one again; then it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replayed(pub(super) bool);

impl IntoResponseParts for Replayed {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if self.0 && !planted("replay-not-marked") {
            parts.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(parts)
    }
}

/// The header's key, when there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderKey(Option<IdempotencyKey>);

impl HeaderKey {
    /// The key of the request: the header's or the body's; both only when they are equal.
    pub fn or_body(self, body: Option<IdempotencyKey>) -> Result<Option<IdempotencyKey>, Error> {
        match (self.0, body) {
            (Some(header), Some(body)) if header != body => Err(Error::field(
                "idempotencyKey",
                format!("{body} is not allowed: the header Idempotency-Key says {header}"),
            )),
            (header, body) => Ok(header.or(body)),
        }
    }
}

impl IntoParams for HeaderKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let meaning = "The request's name: sent again with the same body it is the same request";
        let key = documented::bounded_text(IdempotencyKey::CHARS_MAX);
        vec![documented::header("Idempotency-Key", key, meaning)]
    }
}

impl<S: Sync> FromRequestParts<S> for HeaderKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        if values.next().is_some() {
            return Err(Error::field("Idempotency-Key", "stands in the headers twice"));
        }
        // What is not ASCII is no key, as the empty text is none.
        let key = IdempotencyKey::parse(value.to_str().unwrap_or(""));
        let key = key.map_err(|error| Error::field("Idempotency-Key", error.to_string()))?;
        Ok(Self(Some(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::parse(text).unwrap()
    }

    #[test]
    fn header_and_body_must_agree() {
        let header = || HeaderKey(Some(key("k-1")));
        assert_eq!(header().or_body(None), Ok(Some(key("k-1"))));
        assert_eq!(header().or_body(Some(key("k-1"))), Ok(Some(key("k-1"))));
        assert_eq!(HeaderKey(None).or_body(Some(key("k-2"))), Ok(Some(key("k-2"))));
        assert_eq!(HeaderKey(None).or_body(None), Ok(None));
        assert!(matches!(header().or_body(Some(key("k-2"))), Err(Error::Invalid(_))));
    }
}
