//! Participants in this process, called as those outside: a step does not see the difference. For tests,
//! and for services that have not moved out yet.

use std::collections::BTreeMap;
use std::io;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;

use super::http_client::{Connect, Connecting, Stream};

/// How much of an answer is on its way at a time, in bytes.
const PIPE_BYTES: usize = 64 * 1024;

/// Services by the host of their address: `http://hotels/book` is `/book` of the service `hotels`.
///
/// ```
/// use axum::{Router, routing::post};
/// use sagaline::engine::InProcess;
///
/// let services = InProcess::new()
///     .service("hotels", Router::new().route("/book", post(async || "\"room 4\"")));
/// // NodeBuilder::connect(Arc::new(services))
/// ```
///
/// A router that keeps what is the node's own, its aggregates for one, is kept by the node's client and keeps the
/// node: when the node has drained, the router has to let go of it.
#[derive(Debug, Clone, Default)]
pub struct InProcess {
    services: BTreeMap<String, Router>,
}

impl InProcess {
    /// No service: whatever is called refuses the connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers for `host`, whatever the port.
    #[must_use]
    pub fn service(mut self, host: &str, router: Router) -> Self {
        self.services.insert(host.to_owned(), router);
        self
    }

    fn refusal(&self, host: &str) -> io::Error {
        let known: Vec<&str> = self.services.keys().map(String::as_str).collect();
        let words = format!("no service `{host}` in this process; there are: {}", known.join(", "));
        io::Error::new(io::ErrorKind::ConnectionRefused, words)
    }
}

impl Connect for InProcess {
    fn connect(&self, host: String, _: u16) -> Connecting {
        let Some(router) = self.services.get(&host).cloned() else {
            let refusal = self.refusal(&host);
            return Box::pin(async move { Err(refusal) });
        };
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            tokio::spawn(async move {
                let service = TowerToHyperService::new(router);
                let serving = http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
                if let Err(error) = serving.await {
                    tracing::debug!(%host, %error, "a connection within the process broke");
                }
            });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}
