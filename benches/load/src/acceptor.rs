//! The bare acceptor: what accepting an order costs with nothing in between. Each `POST` is one bare HTTP
//! round trip and one synced write of its body, which those that wait together share; then `201`.
//!
//! It checks nothing, knows nobody, and nothing follows from what it accepted. Accepting on the node under
//! test is measured beside it, under the same load.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use sagaline_storage::clock::{Clock, Entropy, SystemClock, SystemEntropy};

use crate::failure::{Context, Failure};
use crate::raw::gather::Gather;
use crate::raw::store::{Put, RawStore};
use crate::serve;

/// How to run it.
#[derive(Debug, Args)]
pub(crate) struct AcceptorArgs {
    /// Where RocksDB keeps its files.
    #[arg(long)]
    data_dir: PathBuf,
    /// End when standard input ends.
    #[arg(long)]
    with_parent: bool,
}

/// Serves until the process ends.
pub(crate) async fn run(args: AcceptorArgs) -> Result<(), Failure> {
    if args.with_parent {
        serve::exit_with_parent();
    }
    let store = Arc::new(RawStore::open(&args.data_dir, &["orders"])?);
    let (log, clock) = (Gather::start(store, Vec::new()), SystemClock::default());
    let listener = serve::bind().await?;
    serve::announce(listener.local_addr().context("own address")?)?;
    let service = service_fn(move |request| {
        let log = log.clone();
        async move { Ok::<_, Infallible>(answer(&log, &clock, request).await) }
    });
    serve::serve(listener, service).await
}

async fn answer(
    log: &Gather,
    clock: &SystemClock,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    match accept(log, clock, request).await {
        Ok(id) => reply(StatusCode::CREATED, id),
        Err(cause) => reply(StatusCode::SERVICE_UNAVAILABLE, cause.to_string()),
    }
}

/// After `Ok` the body is durable under the id that comes back.
async fn accept(
    log: &Gather,
    clock: &SystemClock,
    request: Request<Incoming>,
) -> Result<String, Failure> {
    let body = request.into_body().collect().await.context("the body")?.to_bytes();
    let id = SystemEntropy.uuid_v7(clock.now());
    let put = Put { column: 0, key: id.as_bytes().to_vec(), value: Some(body.to_vec()) };
    log.append(vec![put]).await?;
    Ok(id.to_string())
}

fn reply(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
