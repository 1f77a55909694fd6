//! One HTTP/1.1 connection to a participant, driven by the call that uses it.
//!
//! It has no task of its own: the call that waits for the answer is woken by the socket itself, writes and
//! reads. That is two hand-overs fewer a call than a connection in a task, and a call that is given up
//! closes its connection with it. Used by [`super::connections`] alone; never retries anything.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::http_client::Stream;

/// No answer of a participant is read further than this.
const ANSWER_BYTES_MAX: usize = 1 << 20;

type Driver = http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// A connection: one exchange at a time.
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    /// Reads and writes when it is polled; none: it has ended.
    driver: Option<Driver>,
}

/// An exchange without an answer.
pub(super) struct Broken {
    /// What went wrong.
    pub(super) cause: String,
    /// The request, when nothing of it was written: it may be sent elsewhere.
    pub(super) unsent: Option<Request<Full<Bytes>>>,
}

impl Connection {
    /// A connection over a stream that was just made.
    pub(super) async fn over(stream: Box<dyn Stream>) -> Result<Self, String> {
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (requests, driver) = handshake.map_err(|error| describe(&error))?;
        Ok(Self { requests, driver: Some(driver) })
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Broken> {
        let answer = self.requests.try_send_request(request);
        let response = self.driving(answer).await.map_err(|mut error| Broken {
            unsent: error.take_message(),
            cause: describe(error.error()),
        })?;
        let (parts, body) = response.into_parts();
        let body = self.driving(Limited::new(body, ANSWER_BYTES_MAX).collect()).await;
        let body = body.map_err(|error| Broken {
            cause: format!("the answer broke off: {error}"),
            unsent: None,
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    /// Whether another request can be sent: neither side has closed it and no answer is owed.
    pub(super) fn is_ready(&mut self) -> bool {
        // Nobody waits for an idle connection: whether it has ended is found out here.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.requests.is_ready()
    }

    /// What `future` gives, reading and writing meanwhile.
    async fn driving<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            self.drive(context);
            future.as_mut().poll(context)
        })
        .await
    }

    /// Reads and writes what can be. How it ended, the exchange under way is told by hyper; one that was
    /// not begun is told when the driver is dropped.
    fn drive(&mut self, context: &mut Context<'_>) {
        let Some(driver) = &mut self.driver else { return };
        if let Poll::Ready(ended) = Pin::new(driver).poll(context) {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to a participant ended");
            }
            self.driver = None;
        }
    }
}

/// An error with its causes.
fn describe(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
