//! What surrounds every request: its correlation, its place among the others, its time limit, its log
//! span, its measures, and the problem document when it fails. One layer around the whole router; the
//! handlers know nothing of it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use sagaline_storage::{Backend, Clock};
use tracing::Instrument;

use super::app::App;
use super::correlation::{Correlation, X_CORRELATION_ID, X_NODE_ID};
use super::error::{Error, Failed};
use super::prefer::Wait;
use super::problem;
use super::within::within;
use crate::limits::{REQUEST_HEAD_BYTES_MAX, REQUEST_HEADERS_MAX};

/// They take no place: an overloaded node must still be seen.
const ALWAYS_ADMITTED: [&str; 3] = ["/health", "/health/ready", "/metrics"];

/// What is kept of a request for its answer.
struct Asked {
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    correlation: Correlation,
    began: Duration,
}

/// The layer.
pub(super) async fn edge<B: Backend>(
    State(app): State<App<B>>,
    mut request: Request,
    next: Next,
) -> Response {
    let correlation = Correlation::of(request.headers(), app.clock(), app.entropy());
    request.extensions_mut().insert(correlation.clone());
    let asked = Asked {
        method: request.method().clone(),
        uri: request.uri().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        correlation,
        began: app.clock().monotonic(),
    };
    let span = asked.correlation.span(asked.method.as_str(), asked.uri.path());
    async {
        let response = answer(&app, &asked, request, next).await;
        finish(&app, &asked, response)
    }
    .instrument(span)
    .await
}

async fn answer<B: Backend>(app: &App<B>, asked: &Asked, request: Request, next: Next) -> Response {
    if head_is_too_large(&request) {
        return Error::HeadTooLarge.into_response();
    }
    let _place = if ALWAYS_ADMITTED.contains(&asked.uri.path()) {
        None
    } else {
        match app.gate().enter() {
            Ok(place) => Some(place),
            Err(full) => return full.into_response(),
        }
    };
    let wait = Wait::of(request.headers()).limit().unwrap_or_default();
    let limit = app.settings().http.request_timeout + wait;
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    match within(app.clock(), limit, handled).await {
        Some(Ok(response)) => response,
        Some(Err(panic)) => Error::Internal(panic_text(&*panic)).into_response(),
        None => Error::Timeout.into_response(),
    }
}

/// Counted as it comes over a connection.
fn head_is_too_large(request: &Request) -> bool {
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let line = request.method().as_str().len() + path.len() + "  HTTP/1.1\r\n".len();
    let headers = request.headers();
    let length = |name: &str, value: &[u8]| name.len() + value.len() + ": \r\n".len();
    let lengths = headers.iter().map(|(name, value)| length(name.as_str(), value.as_bytes()));
    let bytes = line + lengths.sum::<usize>() + "\r\n".len();
    headers.len() > REQUEST_HEADERS_MAX || bytes > REQUEST_HEAD_BYTES_MAX
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("without words"))
}

fn finish<B: Backend>(app: &App<B>, asked: &Asked, mut response: Response) -> Response {
    if let Some(Failed(error)) = response.extensions_mut().remove() {
        log(&error);
        let headers = std::mem::take(response.headers_mut());
        let id = asked.correlation.id.as_str();
        response = problem::response(&error, headers, asked.uri.path(), id);
    }
    mark(response.headers_mut(), asked, app.node_id_header());
    let took = app.clock().monotonic().saturating_sub(asked.began);
    let route = asked.route.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics().answered(&asked.method, route, response.status(), took);
    tracing::debug!(status = response.status().as_u16(), took_us = took.as_micros(), "answered");
    response
}

fn mark(headers: &mut HeaderMap, asked: &Asked, node_id: &HeaderValue) {
    if let Ok(id) = HeaderValue::from_str(asked.correlation.id.as_str()) {
        headers.insert(X_CORRELATION_ID, id);
    }
    headers.insert(X_NODE_ID, node_id.clone());
}

/// Once, here: what is the node's fault as an error, what is the caller's for those who want to know.
fn log(error: &Error) {
    let code = error.meaning().code;
    match error {
        Error::Internal(cause) => tracing::error!(code, cause, "a request failed"),
        Error::Unavailable(cause) => tracing::warn!(code, cause, "a request could not be served"),
        Error::Overloaded { what } => tracing::warn!(code, what, "a request was turned away"),
        Error::Timeout => tracing::warn!(code, "a request took too long"),
        Error::HeadTooLarge
        | Error::InvalidJson(_)
        | Error::Invalid(_)
        | Error::UnsupportedMediaType(_)
        | Error::BodyTooLarge(_)
        | Error::BodyTimeout
        | Error::BodyBroken
        | Error::NotFound(_)
        | Error::MethodNotAllowed
        | Error::Unauthenticated(_)
        | Error::InvalidCredentials
        | Error::Refresh(_)
        | Error::Forbidden(_)
        | Error::EmailExists
        | Error::DuplicateOrder { .. }
        | Error::StateForbids(_)
        | Error::IdempotencyKeyReused(_)
        | Error::TooManyRequests { .. } => tracing::debug!(code, %error, "a request was refused"),
    }
}
