//! The ready node: the reference application on a backend, behind its routes. Put together here once for
//! the binary, the tests and the simulation; they differ in backend, gateway and settings.

use sagaline_storage::Backend;

use super::app::{App, AppParts};
use super::auth::{PasswordSettings, PasswordSettingsError};
use super::metrics::StoreMeasures;
use crate::app::gateway::{Gateway, Ledger};
use crate::app::{Orders, order_processing, order_refund};
use crate::domain::{EMAIL_CLAIM_KIND, LockPolicy, LockScope};
use crate::engine::{EngineSettings, MasterKey, NodeBuilder, NodeError};
use crate::projections;
use crate::projections::StepNames;
use crate::saga::DefinitionError;
use crate::settings::{ProductLockScope, Secret, Settings};

/// What a ready node is put together from.
pub struct Ready<B, G> {
    /// Log, views, locks, bus, clock, randomness.
    pub backend: B,
    /// Moves the money.
    pub gateway: G,
    /// Everything an operator can set.
    pub settings: Settings,
    /// What a password costs.
    pub passwords: PasswordSettings,
    /// Signs access tokens.
    pub signing_secret: Secret,
    /// Wraps the keys of personal data.
    pub master_key: MasterKey,
    /// The fake gateway's ledger, when that is the gateway.
    pub ledger: Option<Ledger>,
    /// What the store measures beside the ports.
    pub store_measures: StoreMeasures,
}

/// Why a node did not become ready; one line for an operator.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadyError {
    /// The engine did not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A saga of the application contradicts itself.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The password settings are not possible.
    #[error(transparent)]
    Passwords(#[from] PasswordSettingsError),
}

impl<B: Backend, G: Gateway> Ready<B, G> {
    /// Starts the engine. When it returns, sagas that were under way go on.
    pub async fn start(self) -> Result<App<B>, ReadyError> {
        self.start_with(Ok).await
    }

    /// The same, with what `app` puts into the node besides: sagas and read models of one's own.
    pub async fn start_with(
        self,
        app: impl FnOnce(NodeBuilder<B>) -> Result<NodeBuilder<B>, DefinitionError>,
    ) -> Result<App<B>, ReadyError> {
        let locks = lock_policy(&self.settings);
        let processing = order_processing(self.gateway.clone(), locks)?;
        let refund = order_refund(self.gateway)?;
        let node = NodeBuilder::new(self.backend)
            .settings(engine_settings(&self.settings))
            .master_key(self.master_key)
            .saga(&processing)
            .saga(&refund)
            .projection(projections::Orders)
            .projection(projections::Payments)
            .projection(projections::Sagas);
        let node = app(node)?;
        let step_names = StepNames::of(node.definitions());
        let node = node.start().await?;
        // An earlier program stored the addresses themselves.
        node.hash_claims(EMAIL_CLAIM_KIND).await.map_err(NodeError::Personal)?;
        let orders = Orders::new(node.clone(), processing, refund, locks);
        let parts = AppParts {
            node,
            orders,
            step_names,
            settings: self.settings,
            signing_secret: self.signing_secret,
            passwords: self.passwords,
            ledger: self.ledger,
            store_measures: self.store_measures,
        };
        Ok(App::new(parts)?)
    }
}

/// What an operator set, in the engine's terms.
fn engine_settings(settings: &Settings) -> EngineSettings {
    let engine = &settings.engine;
    EngineSettings {
        node_id: settings.node.node_id.clone(),
        shards: engine.shards,
        sagas_live_max: engine.sagas_in_flight_max,
        calls_per_participant_max: engine.participant_calls_max,
        breaker_outcomes: engine.breaker_outcomes,
        breaker_open_ms: millis(engine.breaker_open_for),
        retry_budget_percent: (engine.retry_budget * 100.0).round() as u32,
        lease_ms: millis(engine.lease_ttl),
        snapshot_events: engine.snapshot_events,
        // The other half of the time is the connections'.
        drain_timeout_ms: millis(settings.node.drain_timeout / 2),
        ..EngineSettings::default()
    }
}

fn lock_policy(settings: &Settings) -> LockPolicy {
    let scope = match settings.orders.product_lock_scope {
        ProductLockScope::Product => LockScope::Product,
        ProductLockScope::Customer => LockScope::Customer,
    };
    let window = settings.orders.product_lock_window;
    LockPolicy { scope, window_us: u64::try_from(window.as_micros()).unwrap_or(u64::MAX) }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
