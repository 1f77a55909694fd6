//! `sagaline serve`: the ready node on an address, until it is told to stop. Called by `main` with the
//! opened store.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use sagaline_storage::Backend;
use tokio::net::TcpListener;

use super::failure::{Exit, Failure};
use super::{say, user};
use crate::app::gateway::{FakeGateway, FakeSettings, Gateway, HttpGateway, Ledger};
use crate::engine::MasterKey;
use crate::engine::http_client::{HttpClient, TcpConnect};
use crate::http::app::App;
use crate::http::auth::{self, PasswordSettings, signing_secret};
use crate::http::metrics::StoreMeasures;
use crate::http::ready::Ready;
use crate::http::router;
use crate::http::serve::{Drained, serve as serve_http};
use crate::settings::{GatewayKind, Secret, Settings};

/// The fake gateway's ledger in the data folder.
pub(super) const LEDGER_FILE: &str = "gateway-ledger.jsonl";

/// Serves until `stop` is ready, then finishes what is in progress. When it returns every view is on
/// the disk and nothing works on the store any more. A store that fails for good, on a full disk for
/// instance, ends it with the reason.
pub async fn serve<B: Backend>(
    backend: B,
    settings: Settings,
    store_measures: StoreMeasures,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let listener = listen(&settings).await?;
    let app = ready(backend, &settings, store_measures).await?;
    if let Some(admin) = user::ensure_admin(&app, &settings).await? {
        tracing::info!(id = %admin.id, "administrator made");
    }
    let recovered = app.node().recovered();
    tracing::info!(recovered, "sagas that were under way go on");
    let address = listener.local_addr().map_err(|error| cannot_listen(&settings, &error))?;
    say(&format!("sagaline {} listens on http://{address}", settings.node.node_id))?;
    run(&app, &settings, listener, stop).await
}

async fn run<B: Backend>(
    app: &App<B>,
    settings: &Settings,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut lost = None;
    let stopping = async {
        tokio::select! {
            biased;
            () = stop => tracing::info!("stopping: what is in progress is finished"),
            error = app.node().store_lost() => lost = Some(error),
        }
        app.stop_waiting();
    };
    let clock = app.node().backend().clock().clone();
    // The other half of the time is the engine's.
    let drain_timeout = settings.node.drain_timeout / 2;
    let router = router(app.clone());
    match serve_http(listener, router, clock, &settings.http, drain_timeout, stopping).await {
        Drained::Clean => {}
        Drained::Cut { connections } => {
            tracing::warn!(connections, "connections were cut: their requests took too long");
        }
    }
    let drained = app.node().drain().await;
    // Whoever starts the process again finds everything that was acknowledged, once there is room.
    lost.map_or(Ok(()), Err)?;
    drained?;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(settings: &Settings) -> Result<TcpListener, Failure> {
    let address = (settings.http.bind_address, settings.http.port);
    TcpListener::bind(address).await.map_err(|error| cannot_listen(settings, &error))
}

fn cannot_listen(settings: &Settings, error: &std::io::Error) -> Failure {
    let (address, port) = (settings.http.bind_address, settings.http.port);
    Failure::new(
        Exit::AddressUnavailable,
        format!("cannot listen on {address} port {port} (BIND_ADDRESS, PORT): {error}"),
    )
}

/// The node with the gateway of the settings.
async fn ready<B: Backend>(
    backend: B,
    settings: &Settings,
    store_measures: StoreMeasures,
) -> Result<App<B>, Failure> {
    match settings.gateway.kind {
        GatewayKind::Fake => {
            let gateway = fake_gateway(&backend, settings)?;
            let ledger = Some(gateway.ledger().clone());
            start(backend, gateway, ledger, settings, store_measures).await
        }
        GatewayKind::Http => {
            let client = HttpClient::new(Arc::new(TcpConnect));
            let url = settings.gateway.url.as_deref().unwrap_or_default();
            let gateway = HttpGateway::new(client, url)
                .map_err(|error| Failure::new(Exit::Usage, format!("GATEWAY_URL: {error}")))?;
            start(backend, gateway, None, settings, store_measures).await
        }
    }
}

fn fake_gateway<B: Backend>(
    backend: &B,
    settings: &Settings,
) -> Result<FakeGateway<B::Clock, B::Entropy>, Failure> {
    let fake = FakeSettings {
        failure_rate: settings.gateway.fake_failure_rate,
        latency: settings.gateway.fake_latency,
        ..FakeSettings::default()
    };
    let path = settings.node.data_dir.join(LEDGER_FILE);
    let (clock, entropy) = (backend.clock().clone(), backend.entropy().clone());
    Ok(FakeGateway::open(&path, fake, clock, entropy)?)
}

async fn start<B: Backend, G: Gateway>(
    backend: B,
    gateway: G,
    ledger: Option<Ledger>,
    settings: &Settings,
    store_measures: StoreMeasures,
) -> Result<App<B>, Failure> {
    let signing_secret = secret(settings, &settings.node.data_dir, backend.entropy())?;
    let master_key = master_key(settings, backend.entropy())?;
    let passwords = PasswordSettings {
        concurrent: settings.auth.password_hashes_at_once,
        waiting_max: settings.auth.password_queue,
        ..PasswordSettings::default()
    };
    let settings = settings.clone();
    let ready = Ready {
        backend,
        gateway,
        settings,
        passwords,
        signing_secret,
        master_key,
        ledger,
        store_measures,
    };
    Ok(ready.start().await?)
}

fn secret(
    settings: &Settings,
    folder: &Path,
    entropy: &impl sagaline_storage::Entropy,
) -> Result<Secret, Failure> {
    match &settings.auth.jwt_secret {
        Some(secret) => Ok(secret.clone()),
        None => Ok(signing_secret(folder, entropy)?),
    }
}

/// The key of the settings, or of the data folder.
pub(super) fn master_key(
    settings: &Settings,
    entropy: &impl sagaline_storage::Entropy,
) -> Result<MasterKey, Failure> {
    match &settings.auth.master_key {
        Some(key) => MasterKey::parse(key.expose())
            .map_err(|error| Failure::new(Exit::Usage, format!("MASTER_KEY: {error}"))),
        None => Ok(auth::master_key(&settings.node.data_dir, entropy)?),
    }
}
