//! Connections to participants that are kept for the next call.
//!
//! A call takes the one used last, or opens a new one; there is no queue, because a participant's
//! concurrency limit stands before this ([`super::participants`]). Used by [`super::http_client`] alone.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::rt::Timer;
use parking_lot::Mutex;

use super::connection::{Broken, Connection};
use super::http_client::Connect;
use super::timer::TokioTimer;

/// A connection that nobody used for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Idle connections to one host; one more is closed.
const IDLE_CONNECTIONS_MAX: usize = 1_024;

/// All connections of one client.
pub(super) struct Connections {
    connect: Arc<dyn Connect>,
    idle: Mutex<HashMap<Authority, VecDeque<Idle>>>,
    /// Somebody closes what is idle for too long.
    is_swept: AtomicBool,
}

/// A connection between two calls. Those of a host stand in the order of `since`.
struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Connections {
    pub(super) fn new(connect: Arc<dyn Connect>) -> Self {
        Self { connect, idle: Mutex::default(), is_swept: AtomicBool::new(false) }
    }

    /// Sends a request and reads the whole answer. A kept connection that turns out to be closed before
    /// anything was written is replaced; the error is what went wrong after that.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        let host = address(&mut request)?;
        loop {
            let (mut connection, is_kept) = match self.take(&host) {
                Some(kept) => (kept, true),
                None => (Box::new(self.open(&host).await?), false),
            };
            match connection.exchange(request).await {
                Ok(response) => {
                    self.keep(host, connection);
                    return Ok(response);
                }
                Err(Broken { unsent: Some(unsent), .. }) if is_kept => request = unsent,
                Err(broken) => return Err(broken.cause),
            }
        }
    }

    /// The connection used last that is still open.
    fn take(&self, host: &Authority) -> Option<Box<Connection>> {
        loop {
            let mut idle = self.idle.lock().get_mut(host)?.pop_back()?;
            if idle.connection.is_ready() {
                return Some(idle.connection);
            }
        }
    }

    async fn open(&self, host: &Authority) -> Result<Connection, String> {
        let name = host.host().trim_matches(['[', ']']).to_owned();
        let stream = self.connect.connect(name, host.port_u16().unwrap_or(80)).await;
        Connection::over(stream.map_err(|error| format!("not connected: {error}"))?).await
    }

    fn keep(self: &Arc<Self>, host: Authority, mut connection: Box<Connection>) {
        if !connection.is_ready() {
            return;
        }
        let mut idle = self.idle.lock();
        let of_host = idle.entry(host).or_default();
        if of_host.len() < IDLE_CONNECTIONS_MAX {
            of_host.push_back(Idle { connection, since: TokioTimer.now() });
        }
        drop(idle);
        if !self.is_swept.swap(true, Ordering::AcqRel) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes what nobody used for too long. False: nothing is left.
    fn close_unused(&self) -> bool {
        let now = TokioTimer.now();
        let mut idle = self.idle.lock();
        idle.retain(|_, of_host| {
            let is_unused = |idle: &Idle| now.saturating_duration_since(idle.since) >= IDLE_MAX;
            of_host.drain(..of_host.partition_point(is_unused));
            !of_host.is_empty()
        });
        let is_left = !idle.is_empty();
        // Under the lock: whoever keeps a connection after this sees that nobody sweeps.
        self.is_swept.store(is_left, Ordering::Release);
        is_left
    }
}

/// Sweeps until nothing is left to sweep, or the client is gone.
async fn sweep(connections: Weak<Connections>) {
    loop {
        TokioTimer.sleep(IDLE_MAX).await;
        let Some(connections) = connections.upgrade() else { return };
        if !connections.close_unused() {
            return;
        }
    }
}

/// Gives the request the form it has on a connection to its host, which comes back.
fn address(request: &mut Request<Full<Bytes>>) -> Result<Authority, String> {
    let uri = request.uri();
    if uri.scheme_str() != Some("http") {
        let scheme = uri.scheme_str().unwrap_or("none");
        return Err(format!("scheme {scheme}: only http is spoken"));
    }
    let host = uri.authority().cloned().ok_or_else(|| format!("`{uri}` names no host"))?;
    let path = uri.path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    if !request.headers().contains_key(header::HOST) {
        let name = host.as_str().rsplit('@').next().unwrap_or_default();
        let name = HeaderValue::from_str(name).map_err(|error| error.to_string())?;
        request.headers_mut().insert(header::HOST, name);
    }
    Ok(host)
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
