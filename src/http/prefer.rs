//! The `Prefer` header (RFC 7240), of which `wait=SECONDS` is understood. Read by [`super::edge`], which
//! gives such a request more time, and by the handlers that can wait.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::documented;
use crate::limits::WAIT_S_MAX;

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// What of the preferences was followed.
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How long the caller would like to wait for the end of what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wait(Option<u64>);

impl Wait {
    /// The first `wait` of the headers. What is not understood is no preference.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let all = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let mut preferences = all.flat_map(|value| value.split(','));
        Self(preferences.find_map(seconds).map(|seconds| seconds.min(WAIT_S_MAX)))
    }

    /// How long to wait at most; none: not at all.
    pub fn limit(self) -> Option<Duration> {
        self.0.map(Duration::from_secs)
    }

    /// The header that says the wait was granted.
    pub(super) fn applied(self) -> Applied {
        Applied(self.0)
    }
}

impl IntoParams for Wait {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let meaning =
            "`wait=SECONDS` (RFC 7240), at most 60: answer when the saga has ended, or then";
        vec![documented::header("Prefer", documented::text(), meaning)]
    }
}

/// `Preference-Applied`, on an answer that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Applied(Option<u64>);

impl IntoResponseParts for Applied {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let value =
            self.0.and_then(|seconds| HeaderValue::try_from(format!("wait={seconds}")).ok());
        if let Some(value) = value {
            parts.headers_mut().insert(PREFERENCE_APPLIED, value);
        }
        Ok(parts)
    }
}

/// `wait=N`, with or without parameters behind it.
fn seconds(preference: &str) -> Option<u64> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    let value = value.trim().trim_matches('"');
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let named = name.trim().eq_ignore_ascii_case("wait");
    (named && digits).then(|| value.parse().unwrap_or(WAIT_S_MAX))
}

impl<S: Sync> FromRequestParts<S> for Wait {
    type Rejection = super::Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, super::Error> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn wait(value: &'static str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(PREFER, HeaderValue::from_static(value));
        Wait::of(&headers).limit().map(|limit| limit.as_secs())
    }

    #[test]
    fn wait_is_found_among_other_preferences() {
        assert_eq!(wait("wait=10"), Some(10));
        assert_eq!(wait("respond-async, WAIT = \"7\"; why=now"), Some(7));
        assert_eq!(wait("wait=0"), Some(0));
    }

    #[test]
    fn long_wait_is_shortened_and_the_answer_says_so() {
        assert_eq!(wait("wait=61"), Some(60));
        assert_eq!(wait("wait=99999999999999999999999"), Some(60));
        let response = (Wait(Some(60)).applied(), ()).into_response();
        assert_eq!(response.headers()["preference-applied"], "wait=60");
    }

    #[test]
    fn what_is_not_understood_is_no_preference() {
        for value in ["", "wait", "wait=", "wait=-1", "wait=1.5", "wait=ten", "return=minimal"] {
            assert_eq!(wait(value), None, "{value}");
        }
        let response = (Wait::of(&HeaderMap::new()).applied(), ()).into_response();
        assert!(response.headers().is_empty());
    }
}
