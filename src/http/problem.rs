//! Problem documents (RFC 9457): the form in which every error leaves. Written by [`super::edge`], once for
//! each response that carries an error. It never tells what is inside the node.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::error::{Error, Meaning, TokenProblem};
use crate::domain::FieldError;

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    instance: &'a str,
    error: &'static str,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_order_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<&'a str>,
}

/// The response for `error`, with what `headers` holds already (a 405 brings its `Allow`).
pub(super) fn response(
    error: &Error,
    headers: HeaderMap,
    instance: &str,
    correlation_id: &str,
) -> Response {
    let meaning = error.meaning();
    let (status, body) =
        match serde_json::to_vec(&document(error, meaning, instance, correlation_id)) {
            Ok(body) => (meaning.status, Body::from(body)),
            Err(error) => {
                tracing::error!(%error, "a problem document could not be written");
                (StatusCode::INTERNAL_SERVER_ERROR, Body::empty())
            }
        };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    set_headers(response.headers_mut(), error);
    response
}

/// The document for `error` as an example, for the API's own description.
pub(super) fn example(error: &Error) -> serde_json::Value {
    let meaning = error.meaning();
    // Plain texts and numbers: they are always JSON.
    serde_json::to_value(document(
        error,
        meaning,
        "/orders",
        "0192f3a4-5b6c-7d8e-9f01-23456789abcd",
    ))
    .unwrap_or_default()
}

fn document<'a>(
    error: &'a Error,
    meaning: Meaning,
    instance: &'a str,
    correlation_id: &'a str,
) -> Problem<'a> {
    let (existing_order_id, product_id) = match error {
        Error::DuplicateOrder { existing_order_id, product_id } => {
            (Some(existing_order_id.as_str()), Some(product_id.as_str()))
        }
        _ => (None, None),
    };
    Problem {
        kind: format!(
            "urn:sagaline:problem:{}",
            meaning.code.to_ascii_lowercase().replace('_', "-")
        ),
        title: meaning.title,
        status: meaning.status.as_u16(),
        detail: error.to_string(),
        instance,
        error: meaning.code,
        correlation_id,
        errors: if let Error::Invalid(errors) = error { errors } else { &[] },
        existing_order_id,
        product_id,
    }
}

fn set_headers(headers: &mut HeaderMap, error: &Error) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = error.retry_after_s() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    let challenge = match error {
        Error::Unauthenticated(problem) => Some(problem.challenge()),
        // No access token was wrong: only the scheme is told, as every 401 has to.
        Error::InvalidCredentials | Error::Refresh(_) => Some(TokenProblem::Missing.challenge()),
        _ => None,
    };
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::RefreshProblem;

    fn written(error: &Error) -> serde_json::Value {
        let document = document(error, error.meaning(), "/orders", "c-1");
        serde_json::to_value(document).unwrap()
    }

    #[test]
    fn document_names_code_status_instance_and_correlation() {
        let problem = written(&Error::field("items[0].price", "-1: wants 0 or more"));
        assert_eq!(
            problem,
            serde_json::json!({
                "type": "urn:sagaline:problem:validation-failed",
                "title": "Wrong fields",
                "status": 400,
                "detail": "the request has 1 wrong field(s)",
                "instance": "/orders",
                "error": "VALIDATION_FAILED",
                "correlationId": "c-1",
                "errors": [{"field": "items[0].price", "message": "-1: wants 0 or more"}],
            })
        );
    }

    #[test]
    fn duplicate_order_names_the_order_that_holds_the_product() {
        let error =
            Error::DuplicateOrder { existing_order_id: "o-1".into(), product_id: "p-1".into() };
        let problem = written(&error);
        assert_eq!(problem["existingOrderId"], "o-1");
        assert_eq!(problem["productId"], "p-1");
        assert_eq!(problem["status"], 409);
    }

    #[test]
    fn causes_inside_the_node_are_not_told() {
        for error in [
            Error::Internal("index out of bounds at src/secret.rs".into()),
            Error::Unavailable("No space left on device: /var/lib/sagaline".into()),
        ] {
            let text = written(&error).to_string();
            assert!(!text.contains("secret") && !text.contains("/var/lib"), "{text}");
        }
    }

    #[test]
    fn refused_tokens_are_challenged_and_passing_trouble_says_when_to_return() {
        let mut headers = HeaderMap::new();
        set_headers(&mut headers, &Error::Unauthenticated(TokenProblem::Expired));
        let challenge = headers[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(
            challenge.contains("invalid_token") && challenge.contains("expired"),
            "{challenge}"
        );
        assert!(!headers.contains_key(RETRY_AFTER));
        for error in [Error::InvalidCredentials, Error::Refresh(RefreshProblem::Ended)] {
            let mut headers = HeaderMap::new();
            set_headers(&mut headers, &error);
            assert_eq!(headers[WWW_AUTHENTICATE], "Bearer realm=\"sagaline\"");
        }

        set_headers(&mut headers, &Error::TooManyRequests { retry_after_s: 7 });
        assert_eq!(headers[RETRY_AFTER], "7");
    }
}
