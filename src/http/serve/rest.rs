//! What a handler leaves of a request's body. Unread it would stand in front of the connection's next
//! request; and a connection that is closed over it is reset, which can take the answer away from whoever
//! is still sending. So it is read and thrown away behind the answer, within bounds. Where that cannot be,
//! the answer says that the connection closes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use sagaline_storage::Clock;
use tokio::sync::oneshot;

use crate::http::within::within;
use crate::limits::{REQUEST_REST_FACTOR, REQUEST_REST_MS_MAX};
use crate::settings::HttpSettings;

/// How much of a rest is read, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    bytes: u64,
    time: Duration,
}

impl Bounds {
    pub(super) fn of(settings: &HttpSettings) -> Self {
        Self {
            bytes: settings.body_limit_bytes.saturating_mul(REQUEST_REST_FACTOR),
            time: settings.body_timeout.min(Duration::from_millis(REQUEST_REST_MS_MAX)),
        }
    }
}

/// A body on loan to a handler: what it has not read of it comes back when it lets go of it.
pub(super) struct Lent {
    body: Option<Incoming>,
    begun: bool,
    broken: bool,
    ended: bool,
    back: Option<oneshot::Sender<Rest>>,
}

/// What came back.
struct Rest {
    body: Incoming,
    /// The handler read some of it.
    begun: bool,
    /// It broke off.
    broken: bool,
}

/// Waits for the rest.
pub(super) struct Lender {
    rest: oneshot::Receiver<Rest>,
    /// The sender wants to be told that it may send the body: the first read tells it.
    is_to_be_told: bool,
}

/// Lends a request's body to whoever handles the request.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Lent>, Lender) {
    let (back, rest) = oneshot::channel();
    let lender = Lender { rest, is_to_be_told: request.headers().contains_key(EXPECT) };
    let lent = |body| Lent {
        body: Some(body),
        begun: false,
        broken: false,
        ended: false,
        back: Some(back),
    };
    (request.map(lent), lender)
}

impl Lender {
    /// Sees to the rest once there is an answer, which need not wait for it.
    pub(super) fn settle<C: Clock>(mut self, clock: &C, bounds: Bounds, answer: &mut Response) {
        // Of a body that was read to its end nothing comes back.
        let Ok(Rest { body, begun, broken }) = self.rest.try_recv() else { return };
        let untold = self.is_to_be_told && !begun;
        let too_long = body.size_hint().lower() > bounds.bytes;
        let too_slow = answer.status() == StatusCode::REQUEST_TIMEOUT;
        if untold || broken || too_long || too_slow {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // Who was not told to send it is not told by a read either, behind the answer.
        if !untold && !broken {
            let clock = clock.clone();
            tokio::spawn(async move {
                within(&clock, bounds.time, discard(body, bounds.bytes)).await;
            });
        }
    }
}

/// Reads to the end, or until it was too much. Dropping the body behind that closes the connection.
async fn discard(mut body: Incoming, bytes_max: u64) {
    let mut bytes = 0_u64;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if bytes > bytes_max {
            return;
        }
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.begun = true;
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        self.ended |= matches!(frame, Poll::Ready(None));
        self.broken |= matches!(frame, Poll::Ready(Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(|body| body.size_hint()).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.ended || self.is_end_stream() {
            return;
        }
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody waits for it when the connection is gone.
            drop(back.send(Rest { body, begun: self.begun, broken: self.broken }));
        }
    }
}
