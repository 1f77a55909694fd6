//! What the bench's own servers share: a loopback port, the line that tells it, the accept loop.
//!
//! Used by the participant, the twin and the node under test.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;

use axum::Router;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::failure::{Context, Failure};

/// What a server prints before its address once it can be called.
pub(crate) const LISTENING: &str = "LISTENING ";

/// A free port of the loopback interface.
pub(crate) async fn bind() -> Result<TcpListener, Failure> {
    TcpListener::bind(("127.0.0.1", 0)).await.context("binding a loopback port")
}

/// Prints the one line the collector waits for.
pub(crate) fn announce(address: SocketAddr) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{LISTENING}{address}").and_then(|()| out.flush()).context("telling the address")
}

/// Ends this process when its standard input ends: a server whose collector was killed does not stay.
pub(crate) fn exit_with_parent() {
    tokio::task::spawn_blocking(|| {
        let ended = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(i32::from(ended.is_err()));
    });
}

/// Serves an axum app on a free port until the process ends.
pub(crate) async fn serve_app(app: Router) -> Result<(), Failure> {
    let listener = bind().await?;
    announce(listener.local_addr().context("own address")?)?;
    serve(listener, TowerToHyperService::new(app)).await
}

/// Serves HTTP/1.1 with TCP_NODELAY until the process ends.
pub(crate) async fn serve<S, D>(listener: TcpListener, service: S) -> Result<(), Failure>
where
    S: Service<Request<Incoming>, Response = Response<D>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    D: Body + Send + 'static,
    D::Data: Send,
    D::Error: std::error::Error + Send + Sync,
{
    loop {
        let (stream, _) = listener.accept().await.context("accepting a connection")?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move {
            // Callers are killed in the middle of a request on purpose.
            if let Err(cause) = connection.await
                && !cause.is_incomplete_message()
            {
                eprintln!("a connection broke: {cause}");
            }
        });
    }
}
