//! The hand-made twin of the standard saga: the shortest handler that does the same calls and the same
//! synced, group-committed writes, with no engine at all. It loses everything else: after a crash nobody
//! knows what to do next.
//!
//! `POST /sagas` makes calls + 1 writes and answers at the end; a declined call is followed by the undo
//! of the calls before it. `GET /stats` tells sagas, writes and syncs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use clap::Args;
use sagaline_storage::clock::{Clock, Entropy, SystemClock, SystemEntropy};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::failure::{Context, Failure};
use crate::pool::Pool;
use crate::raw::gather::Gather;
use crate::raw::store::{Put, RawStore};
use crate::serve;

const CALLS: [&str; 3] = ["authorize", "capture", "confirm"];
const UNDOS: [&str; 2] = ["void", "refund"];

/// A saga's id, the write's number, the part's number.
const KEY_BYTES: usize = 18;

/// How to run it.
#[derive(Debug, Args)]
pub(crate) struct TwinArgs {
    /// Where RocksDB keeps its files.
    #[arg(long)]
    data_dir: PathBuf,
    /// The participant.
    #[arg(long)]
    participant: std::net::SocketAddr,
    /// Keys put by one write: as many as the node under test puts.
    #[arg(long, default_value_t = 8)]
    puts_per_write: usize,
    /// Bytes of keys and values of one write: as many as the node under test writes.
    #[arg(long, default_value_t = 1_500)]
    bytes_per_write: usize,
    /// End when standard input ends.
    #[arg(long)]
    with_parent: bool,
}

struct Twin {
    participant: Pool,
    log: Gather,
    sagas: AtomicU64,
    clock: SystemClock,
    puts_per_write: usize,
    value_bytes: usize,
}

/// What a client sends; the node under test takes the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartSaga {
    saga_type: String,
    data: Order,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: String,
    customer_id: String,
    amount: u64,
    #[serde(default)]
    decline: Option<String>,
}

/// Serves until the process ends.
pub(crate) async fn run(args: TwinArgs) -> Result<(), Failure> {
    if args.with_parent {
        serve::exit_with_parent();
    }
    let store = Arc::new(RawStore::open(&args.data_dir, &["events", "index"])?);
    let twin = Arc::new(Twin {
        participant: Pool::new(args.participant),
        log: Gather::start(store, Vec::new()),
        sagas: AtomicU64::new(0),
        clock: SystemClock::default(),
        puts_per_write: args.puts_per_write.max(1),
        value_bytes: (args.bytes_per_write / args.puts_per_write.max(1)).saturating_sub(KEY_BYTES),
    });
    let app = Router::new()
        .route("/sagas", post(start_saga))
        .route("/stats", get(stats))
        .with_state(twin);
    serve::serve_app(app).await
}

async fn start_saga(State(twin): State<Arc<Twin>>, Json(saga): Json<StartSaga>) -> Response {
    match twin.run_saga(&saga).await {
        Ok((id, status)) => {
            let body = json!({ "id": id, "sagaType": saga.saga_type, "status": status });
            (StatusCode::CREATED, Json(body)).into_response()
        }
        Err(cause) => (StatusCode::SERVICE_UNAVAILABLE, cause.to_string()).into_response(),
    }
}

async fn stats(State(twin): State<Arc<Twin>>) -> Response {
    let (appends, syncs) = twin.log.counts();
    let sagas = twin.sagas.load(Ordering::Relaxed);
    let puts = appends * twin.puts_per_write as u64;
    let bytes = puts * (KEY_BYTES + twin.value_bytes) as u64;
    let counts = json!({
        "sagas": sagas, "appends": appends, "syncs": syncs, "puts": puts, "bytes": bytes
    });
    Json(counts).into_response()
}

impl Twin {
    async fn run_saga(&self, saga: &StartSaga) -> Result<(Uuid, &'static str), Failure> {
        self.sagas.fetch_add(1, Ordering::Relaxed);
        let id = SystemEntropy.uuid_v7(self.clock.now());
        let body = serde_json::to_vec(&saga.data).context("printing the order")?;
        let body = Bytes::from(body);
        self.write(id, 0).await?;
        for (done, call) in CALLS.iter().enumerate() {
            let declined = saga.data.decline.as_deref() == Some(*call);
            let query = if declined { format!("?decline={call}") } else { String::new() };
            let path = format!("/{call}{query}");
            let key = format!("{id}/{call}/action");
            let (status, _) = self.participant.post(&path, &key, body.clone()).await?;
            self.write(id, done + 1).await?;
            if !status.is_success() {
                self.undo(id, done, &body).await?;
                return Ok((id, "compensated"));
            }
        }
        Ok((id, "completed"))
    }

    async fn undo(&self, id: Uuid, done: usize, body: &Bytes) -> Result<(), Failure> {
        for (undone, undo) in UNDOS[..done].iter().rev().enumerate() {
            let key = format!("{id}/{undo}/compensation");
            let (status, _) =
                self.participant.post(&format!("/{undo}"), &key, body.clone()).await?;
            if !status.is_success() {
                return Err(Failure::new(format!("the undo {undo} answered {status}")));
            }
            self.write(id, done + 2 + undone).await?;
        }
        Ok(())
    }

    async fn write(&self, id: Uuid, number: usize) -> Result<(), Failure> {
        let put = |part: usize| {
            let mut key = Vec::with_capacity(KEY_BYTES);
            key.extend_from_slice(id.as_bytes());
            key.extend_from_slice(&[number as u8, part as u8]);
            Put { column: part % 2, key, value: Some(vec![b'x'; self.value_bytes]) }
        };
        self.log.append((0..self.puts_per_write).map(put).collect()).await
    }
}
