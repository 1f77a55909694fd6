//! The HTTP client of a step's call.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::Full;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};

use super::call::CallContext;
use super::connections::Connections;
use super::outcome::{Failure, Outcome, Probe, StatusMeaning, status_meaning};

/// Idempotency key of a call: the same over all attempts.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Fencing epoch of a call: a participant refuses an older one than it has seen of the same saga.
pub const SAGA_EPOCH: HeaderName = HeaderName::from_static("sagaline-epoch");
/// Correlation id of a call.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// W3C trace context of a call; the trace is everything that the correlation id ties together.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A byte stream to a participant.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// A connection on its way.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// How connections to participants are made. The simulation gives its own.
pub trait Connect: Send + Sync + 'static {
    /// Connects to a host and port.
    fn connect(&self, host: String, port: u16) -> Connecting;
}

/// TCP, without Nagle's delay.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnect;

impl Connect for TcpConnect {
    fn connect(&self, host: String, port: u16) -> Connecting {
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// An HTTP/1.1 client over given connections, which are kept for the next request. Cheap to clone;
/// clones share them.
#[derive(Clone)]
pub struct HttpClient {
    connections: Arc<Connections>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client that connects by `connect`.
    pub fn new(connect: Arc<dyn Connect>) -> Self {
        Self { connections: Arc::new(Connections::new(connect)) }
    }

    /// Sends a request to an absolute `http` address and reads the whole answer. The error is what went
    /// wrong; whether the request was acted upon is then not known. Dropping the future closes the
    /// connection.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
        self.connections.send(request).await
    }
}

/// The client of one call: carries its key, epoch, correlation id and trace context.
pub struct CallHttp<'a> {
    context: &'a CallContext,
}

impl<'a> CallHttp<'a> {
    pub(crate) fn new(context: &'a CallContext) -> Self {
        Self { context }
    }

    /// POSTs `body` as JSON under the call's key; the answer's JSON is the outcome's value (an empty
    /// answer reads as `null`). Where `R` holds nothing, `()` or a unit struct, a success is not read
    /// at all. Statuses mean what [`status_meaning`] says.
    pub async fn post<R: DeserializeOwned>(
        &self,
        url: &str,
        body: &(impl Serialize + Sync),
    ) -> Outcome<R> {
        self.post_as(url, &self.context.key, body).await
    }

    /// Like [`Self::post`], under another key: an undo that names the action it undoes.
    pub async fn post_as<R: DeserializeOwned>(
        &self,
        url: &str,
        key: &str,
        body: &(impl Serialize + Sync),
    ) -> Outcome<R> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Failure::unknown(format!("the request cannot be written: {error}")))?;
        let response = self.send(Method::POST, url, key, Bytes::from(body)).await?;
        outcome(&response)
    }

    /// Asks whether something happened: a 2xx answer, read as by [`Self::post`], says it did, a 404 or
    /// 410 that it did not, anything else that it cannot be told.
    pub async fn probe<R: DeserializeOwned>(&self, url: &str) -> Probe<R> {
        let answer = self.send(Method::GET, url, &self.context.key, Bytes::new()).await;
        answer.map_or(Probe::CannotTell, |response| probed(&response))
    }

    /// Sends a request with the call's headers; the answer comes back whatever its status is.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        key: &str,
        body: Bytes,
    ) -> Outcome<Response<Bytes>> {
        let request = self
            .request(method, url, key, body)
            .map_err(|error| Failure::unknown(format!("`{url}` cannot be requested: {error}")))?;
        self.context.http.send(request).await.map_err(Failure::unknown)
    }

    fn request(
        &self,
        method: Method,
        url: &str,
        key: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let context = self.context;
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(key)?);
        headers.insert(SAGA_EPOCH, HeaderValue::from(context.epoch));
        headers.insert(CORRELATION_ID, HeaderValue::from_str(context.correlation_id.as_str())?);
        headers.insert(TRACEPARENT, HeaderValue::try_from(context.traceparent())?);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::try_from(url)?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// A call's own headers and `host`.
const HEADERS: usize = 6;

/// What an answer to a call says about whether it happened; a yes is read as by [`CallHttp::post`].
pub fn outcome<R: DeserializeOwned>(response: &Response<Bytes>) -> Outcome<R> {
    let status = response.status().as_u16();
    match status_meaning(status) {
        StatusMeaning::Succeeded => value(response.body()).map_err(|error| {
            Failure::unknown(format!("status {status} with an answer that does not fit: {error}"))
        }),
        StatusMeaning::Rejected => Err(rejection(status, response.body())),
        StatusMeaning::Unknown => Err(Failure::Unknown {
            cause: format!("status {status}"),
            retry_after_ms: retry_after_ms(response),
        }),
    }
}

/// What an answer to the question "did it happen?" says: a 2xx answer, read as by [`CallHttp::post`],
/// that it did, a 404 or 410 that it did not, anything else that it cannot be told.
pub fn probed<R: DeserializeOwned>(response: &Response<Bytes>) -> Probe<R> {
    match response.status() {
        StatusCode::NOT_FOUND | StatusCode::GONE => Probe::DidNotHappen,
        status if status.is_success() => {
            value(response.body()).map_or(Probe::CannotTell, Probe::Happened)
        }
        _ => Probe::CannotTell,
    }
}

/// The value of a success: an empty body is `null`, and so is any body where the type holds nothing and
/// `null` makes it.
fn value<R: DeserializeOwned>(body: &[u8]) -> serde_json::Result<R> {
    const NULL: &[u8] = b"null";
    if size_of::<R>() == 0
        && let Ok(nothing) = serde_json::from_slice(NULL)
    {
        return Ok(nothing);
    }
    serde_json::from_slice(if body.is_empty() { NULL } else { body })
}

/// The participant's own code and words, where its answer has them.
fn rejection(status: u16, body: &[u8]) -> Failure {
    #[derive(serde::Deserialize)]
    struct Problem {
        #[serde(alias = "error")]
        code: Option<String>,
        #[serde(alias = "reason", alias = "message", alias = "title")]
        detail: Option<String>,
    }
    let problem = serde_json::from_slice::<Problem>(body).ok();
    let (code, detail) = problem.map_or((None, None), |problem| (problem.code, problem.detail));
    Failure::rejected(
        code.unwrap_or_else(|| format!("HTTP_{status}")),
        detail.unwrap_or_else(|| format!("status {status}")),
    )
}

/// `Retry-After` in seconds; a date is not read, the policy's own backoff stands then.
fn retry_after_ms(response: &Response<Bytes>) -> Option<u64> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(value.trim().parse::<u64>().ok()?.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Done;

    /// Holds nothing either, and is no `null`.
    #[derive(Debug, PartialEq, Deserialize)]
    enum Only {
        Paid,
    }

    fn answer(status: u16, body: &'static str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(body.as_bytes()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    #[test]
    fn a_success_is_not_read_where_nothing_is_wanted_of_it() {
        for body in ["", "null", "OK", "{\"id\":1}", "[1,"] {
            let answer = answer(200, body);
            assert_eq!(outcome::<()>(&answer), Ok(()), "{body}");
            assert_eq!(outcome::<Done>(&answer), Ok(Done), "{body}");
            assert_eq!(probed::<()>(&answer), Probe::Happened(()), "{body}");
        }
    }

    #[test]
    fn a_type_that_holds_nothing_and_is_no_null_is_read() {
        let paid = answer(200, "\"Paid\"");
        assert_eq!(outcome::<Only>(&paid), Ok(Only::Paid));
        assert_eq!(probed::<Only>(&paid), Probe::Happened(Only::Paid));
        let other = answer(200, "\"Owed\"");
        assert!(matches!(outcome::<Only>(&other), Err(Failure::Unknown { .. })));
        assert_eq!(probed::<Only>(&other), Probe::CannotTell);
    }

    #[test]
    fn an_empty_success_is_null_to_a_call_and_to_a_probe() {
        let empty = answer(204, "");
        assert_eq!(outcome::<Option<u32>>(&empty), Ok(None));
        assert_eq!(probed::<Option<u32>>(&empty), Probe::Happened(None));
        assert!(matches!(outcome::<u32>(&empty), Err(Failure::Unknown { .. })));
        assert_eq!(probed::<u32>(&empty), Probe::CannotTell);
    }

    #[test]
    fn what_is_no_success_stays_so_where_nothing_is_wanted() {
        let no = answer(409, "{\"code\":\"FULL\",\"detail\":\"no bed\"}");
        assert_eq!(outcome::<()>(&no), Err(Failure::rejected("FULL", "no bed")));
        let no = answer(409, "");
        assert_eq!(outcome::<()>(&no), Err(Failure::rejected("HTTP_409", "status 409")));
        assert!(matches!(outcome::<()>(&answer(503, "")), Err(Failure::Unknown { .. })));
        assert_eq!(probed::<()>(&answer(404, "")), Probe::DidNotHappen);
        assert_eq!(probed::<()>(&answer(503, "")), Probe::CannotTell);
    }
}
