//! What a request brings along to be recognised by: correlation id and trace context. Read by
//! [`super::edge`] for every request; handlers take it as an extractor.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use sagaline_storage::{Clock, CorrelationId, Entropy};
use tracing::Span;

/// Taken over from the request when it is valid; always on the response.
pub const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// The node that answered; always on the response.
pub const X_NODE_ID: HeaderName = HeaderName::from_static("x-node-id");
/// W3C trace context. Calls to participants go on with the trace that the correlation id names.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Ties together everything that the request sets in motion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correlation {
    /// The caller's, or the trace id of its `traceparent`, or a new one.
    pub id: CorrelationId,
    /// The trace id of the caller's `traceparent`, 32 hexadecimal digits.
    pub trace_id: Option<String>,
}

impl Correlation {
    /// Reads the headers. What is not valid is as if it was not there.
    pub(super) fn of(headers: &HeaderMap, clock: &impl Clock, entropy: &impl Entropy) -> Self {
        let trace_id = trace_id(headers);
        let given = headers.get(X_CORRELATION_ID).and_then(|value| value.to_str().ok());
        let mut told = given.into_iter().chain(trace_id.as_deref());
        let id = told.find_map(|id| CorrelationId::new(id).ok()).unwrap_or_else(|| {
            let drawn = entropy.uuid_v7(clock.now()).to_string();
            CorrelationId::new(drawn).expect("a UUID's text is a valid correlation id")
        });
        Self { id, trace_id }
    }

    /// The span under which everything about the request is logged.
    pub(super) fn span(&self, method: &str, path: &str) -> Span {
        tracing::info_span!(
            "request",
            correlation_id = %self.id,
            trace_id = self.trace_id.as_deref(),
            method,
            path,
        )
    }
}

/// The trace id of `version-trace-parent-flags`, all lower-case hexadecimal, ids not zero.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get(TRACEPARENT)?.to_str().ok()?.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &str, digits: usize| is_hex(text, digits) && text.bytes().any(|b| b != b'0');
    let ends = version != "00" || parts.next().is_none();
    let fits = is_hex(version, 2) && version != "ff" && is_hex(flags, 2) && ends;
    (fits && is_id(trace, 32) && is_id(parent, 16)).then(|| trace.to_owned())
}

impl<S: Sync> FromRequestParts<S> for Correlation {
    type Rejection = super::Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, super::Error> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| super::Error::internal("a request did not come through the edge"))
    }
}

#[cfg(test)]
mod tests {
    use sagaline_storage::clock::{SystemClock, SystemEntropy};

    use super::*;

    fn correlation(name: &'static str, value: &'static str) -> Correlation {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        Correlation::of(&headers, &SystemClock::default(), &SystemEntropy)
    }

    #[test]
    fn valid_id_is_taken_over_and_an_invalid_one_replaced() {
        assert_eq!(correlation("x-correlation-id", "checkout:42").id.as_str(), "checkout:42");
        for invalid in ["", "a b", "ä", "x/../y"] {
            let mut headers = HeaderMap::new();
            headers.insert(X_CORRELATION_ID, invalid.parse().unwrap());
            let read = Correlation::of(&headers, &SystemClock::default(), &SystemEntropy);
            assert_ne!(read.id.as_str(), invalid);
            assert_eq!(read.id.as_str().len(), 36);
        }
    }

    #[test]
    fn traceparent_gives_its_trace_id() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read =
            correlation("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(read.trace_id.as_deref(), Some(trace));
        assert_eq!(read.id.as_str(), trace);
    }

    #[test]
    fn correlation_id_goes_before_the_trace_when_it_is_valid() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (given, id) in [("checkout:42", "checkout:42"), ("a b", trace)] {
            let mut headers = HeaderMap::new();
            headers.insert(X_CORRELATION_ID, given.parse().unwrap());
            headers.insert(TRACEPARENT, format!("00-{trace}-00f067aa0ba902b7-01").parse().unwrap());
            let read = Correlation::of(&headers, &SystemClock::default(), &SystemEntropy);
            assert_eq!((read.id.as_str(), read.trace_id.as_deref()), (id, Some(trace)));
        }
    }

    #[test]
    fn broken_traceparent_is_ignored() {
        for broken in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            let read = correlation("traceparent", broken);
            assert_eq!((read.trace_id, read.id.as_str().len()), (None, 36), "{broken}");
        }
    }
}
