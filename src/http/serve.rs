//! The serve loop: connections in, requests to the router, and an orderly end. Started by the binary, by
//! whoever embeds the node, and by the simulation, with the same lines. Of a request it sees to one thing:
//! that what is left of its body does not cost the next request, or the answer (`rest`).

mod rest;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures_util::future::{BoxFuture, Either};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use sagaline_storage::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::timer::ClockTimer;
use super::within::within;
use crate::engine::http_client::Stream;
use crate::limits::{REQUEST_HEAD_BYTES_MAX, REQUEST_HEAD_READ_FACTOR, REQUEST_HEADERS_MAX};
use crate::settings::HttpSettings;

use rest::Bounds;

/// The pause after an accept that failed, so that a process out of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from. The simulation gives its own.
pub trait Listen: Send + Sync {
    /// A connection.
    type Stream: Stream;

    /// The next connection, ready to be served, and who made it. An error is about one connection, or
    /// passes: the caller may ask again.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

/// TCP, without Nagle's delay: answers are written whole, and waiting for more to send would only delay
/// them.
impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        Ok((stream, peer))
    }
}

/// Where a request came from; stands in its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request that had begun was answered.
    Clean,
    /// The drain's bound passed; this many connections were cut.
    Cut {
        /// How many.
        connections: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Ended,
}

/// Serves until `stop` is ready, then accepts nothing more, lets the requests in progress finish within
/// `drain_timeout`, and cuts the rest. Dropping the future cuts every connection at once.
pub async fn serve<L: Listen, C: Clock>(
    listener: L,
    router: Router,
    clock: C,
    settings: &HttpSettings,
    drain_timeout: Duration,
    stop: impl Future<Output = ()>,
) -> Drained {
    let places = Arc::new(Semaphore::new(settings.connections_max));
    let (phase, _) = watch::channel(Phase::Serving);
    let http = connection_settings(clock.clone(), settings);
    let rest = Bounds::of(settings);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            (stream, peer, place) = accept(&listener, &places, &clock) => {
                let (router, clock) = (router.clone(), clock.clone());
                let service = Requests { router, peer: Peer(peer), clock, rest };
                let (http, phase) = (http.clone(), phase.subscribe());
                tokio::spawn(Box::pin(connection(http, stream, service, phase, place)));
            }
        }
    }
    drop(listener);
    drain(&places, &phase, &clock, settings.connections_max, drain_timeout).await
}

fn connection_settings<C: Clock>(clock: C, settings: &HttpSettings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(ClockTimer(clock))
        .header_read_timeout(settings.header_timeout)
        .max_headers(REQUEST_HEADERS_MAX * REQUEST_HEAD_READ_FACTOR)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX * REQUEST_HEAD_READ_FACTOR);
    http
}

/// The next connection, once there is a place for it.
async fn accept<L: Listen, C: Clock>(
    listener: &L,
    places: &Arc<Semaphore>,
    clock: &C,
) -> (L::Stream, SocketAddr, OwnedSemaphorePermit) {
    let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<C: Clock>(
    http: http1::Builder,
    stream: impl Stream,
    service: Requests<C>,
    mut phase: watch::Receiver<Phase>,
    _place: OwnedSemaphorePermit,
) {
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    // A connection accepted while the drain begins may have missed the change.
    phase.mark_changed();
    loop {
        tokio::select! {
            biased;
            changed = phase.changed() => {
                let now = if changed.is_ok() { *phase.borrow_and_update() } else { Phase::Ended };
                match now {
                    Phase::Serving => {}
                    Phase::Draining => serving.as_mut().graceful_shutdown(),
                    Phase::Ended => return,
                }
            }
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
        }
    }
}

async fn drain<C: Clock>(
    places: &Semaphore,
    phase: &watch::Sender<Phase>,
    clock: &C,
    connections_max: usize,
    drain_timeout: Duration,
) -> Drained {
    phase.send_replace(Phase::Draining);
    let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
    if within(clock, drain_timeout, places.acquire_many(all)).await.is_some() {
        return Drained::Clean;
    }
    let connections = connections_max - places.available_permits();
    phase.send_replace(Phase::Ended);
    Drained::Cut { connections }
}

/// One connection's requests on their way to the router.
struct Requests<C> {
    router: Router,
    peer: Peer,
    clock: C,
    rest: Bounds,
}

/// A request without a body goes to the router as it is.
type Answering = Either<RouteFuture<Infallible>, BoxFuture<'static, Result<Response, Infallible>>>;

impl<C: Clock> Service<Request<Incoming>> for Requests<C> {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        request.extensions_mut().insert(self.peer);
        let mut router = self.router.clone();
        if request.body().is_end_stream() {
            return Either::Left(tower_service::Service::call(&mut router, request));
        }
        let (request, lender) = rest::lend(request);
        let answering = tower_service::Service::call(&mut router, request);
        let (clock, bounds) = (self.clock.clone(), self.rest);
        Either::Right(Box::pin(async move {
            let mut answer = answering.await?;
            lender.settle(&clock, bounds, &mut answer);
            Ok(answer)
        }))
    }
}
