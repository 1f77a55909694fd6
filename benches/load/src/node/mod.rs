//! The node under test: the product as it is served, with the standard saga beside its own.
//!
//! HTTP edge, tokens, engine, projections, outbox, log on RocksDB: all the product's, with its default
//! settings. The saga is written against the surface that users have ([`saga`]). Two things are added:
//! the store's `Kv` is wrapped to count what is synced, and `GET /stats` tells these counts.

mod saga;

use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use sagaline::app::gateway::{FakeGateway, FakeSettings};
use sagaline::domain::Role;
use sagaline::engine::MasterKey;
use sagaline::http::app::App;
use sagaline::http::auth::{NewAccount, PasswordSettings, own_correlation};
use sagaline::http::metrics::store_measures;
use sagaline::http::ready::Ready;
use sagaline::settings::{Secret, Settings};
use sagaline_storage::backend::Backend;
use sagaline_storage::clock::{Entropy, SystemClock, SystemEntropy};
use sagaline_storage::embedded::Local;
use sagaline_storage::memory::{BusSettings, LocalBus, LocalLocks};
use sagaline_storage::rocksdb::{RocksKv, RocksSettings};
use sagaline_storage::view_store::{ViewSettings, Views};
use sagaline_storage::{EventStore, GlobalPosition, Log, LogSettings};
use serde_json::json;

use crate::counting::{CountingKv, Counts};
use crate::failure::{Context, Failure};
use crate::serve;

/// Who may start sagas on the node under test.
pub(crate) const ADMIN_EMAIL: &str = "admin@bench.test";
/// The password of [`ADMIN_EMAIL`]: the node listens on loopback, for the length of a measure.
pub(crate) const ADMIN_PASSWORD: &str = "measured, not secret";

type Counted = Local<CountingKv<RocksKv>, SystemClock, SystemEntropy>;

/// How to run it.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The data folder.
    #[arg(long)]
    data_dir: PathBuf,
    /// The participant.
    #[arg(long)]
    participant: SocketAddr,
    /// End when standard input ends.
    #[arg(long)]
    with_parent: bool,
}

struct Measured {
    app: App<Counted>,
    counts: Arc<Counts>,
}

/// Serves until the process ends.
pub(crate) async fn run(args: NodeArgs) -> Result<(), Failure> {
    if args.with_parent {
        serve::exit_with_parent();
    }
    let settings = Settings::defaults();
    let (backend, counts) = embedded(&args.data_dir).await?;
    let head = backend.events().head().await.context("the log's head")?;
    let app = start(backend, &args, settings.clone()).await?;
    if head == GlobalPosition::START {
        make_admin(&app).await?;
    }
    let stats = Router::new()
        .route("/stats", get(stats))
        .with_state(Arc::new(Measured { app: app.clone(), counts }));
    let router = sagaline::http::router(app).merge(stats);
    let listener = serve::bind().await?;
    serve::announce(listener.local_addr().context("own address")?)?;
    let (clock, drain) = (SystemClock::default(), Duration::ZERO);
    sagaline::http::serve::serve(listener, router, clock, &settings.http, drain, pending()).await;
    Ok(())
}

/// The embedded world as the product opens it, but for the counting.
async fn embedded(data_dir: &Path) -> Result<(Counted, Arc<Counts>), Failure> {
    let kv = RocksKv::open(data_dir, &RocksSettings::default()).context("opening the store")?;
    let kv = CountingKv::over(kv);
    let counts = kv.counts();
    let (clock, entropy) = (SystemClock::default(), SystemEntropy);
    let events = Log::open(kv.clone(), clock, &entropy, LogSettings::default()).await;
    let backend = Local {
        name: "embedded",
        shared: false,
        events: events.context("opening the log")?,
        views: Views::new(kv, ViewSettings::default()),
        locks: LocalLocks::new(clock),
        bus: LocalBus::new(BusSettings::default()),
        clock,
        entropy,
    };
    Ok((backend, counts))
}

async fn start(
    backend: Counted,
    args: &NodeArgs,
    settings: Settings,
) -> Result<App<Counted>, Failure> {
    let standard = saga::standard(args.participant)?;
    let ledger = args.data_dir.join("gateway-ledger.jsonl");
    let (clock, entropy) = (backend.clock, backend.entropy);
    let gateway = FakeGateway::open(&ledger, FakeSettings::default(), clock, entropy);
    let gateway = gateway.context("opening the gateway's ledger")?;
    let log = backend.events.clone();
    let key: String = (0..4).map(|_| format!("{:016x}", entropy.next_u64())).collect();
    let ready = Ready {
        ledger: Some(gateway.ledger().clone()),
        gateway,
        backend,
        settings,
        passwords: PasswordSettings::default(),
        signing_secret: Secret::new(key),
        master_key: MasterKey::new([7; 32]),
        store_measures: store_measures(move || log.counters()),
    };
    ready.start_with(|node| Ok(node.saga(&standard))).await.context("starting the node")
}

async fn make_admin(app: &App<Counted>) -> Result<(), Failure> {
    let backend = app.node().backend();
    let account = NewAccount::check(ADMIN_EMAIL, ADMIN_PASSWORD, "Load", "Bench");
    let account = account.context("the administrator")?;
    let (aggregates, correlation) = (app.node().aggregates(), own_correlation(backend));
    let made =
        account.create(backend, &aggregates, app.passwords(), Role::Admin, correlation).await;
    made.map(drop).map_err(|error| Failure::new(format!("making the administrator: {error:?}")))
}

async fn stats(State(measured): State<Arc<Measured>>) -> Response {
    let Measured { app, counts } = &*measured;
    let node = app.node();
    Json(json!({
        "sagas": node.metrics().sagas_started.get(),
        "unfinished": node.sagas().live(),
        "appends": node.backend().events().counters().appends,
        "syncs": counts.syncs(),
        "puts": counts.puts(),
        "bytes": counts.bytes(),
    }))
    .into_response()
}
