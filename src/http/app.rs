//! What the handlers share: one [`App`] for each node, the state of its router. It owns no rules.

use std::sync::{Arc, OnceLock};

use axum::http::HeaderValue;
use bytes::Bytes;
use sagaline_storage::{Backend, Clock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use uuid::Uuid;

use super::auth::{Attempts, PasswordSettings, PasswordSettingsError, Passwords, Tokens};
use super::error::Error;
use super::gate::Gate;
use super::metrics::{Metrics, StoreMeasures};
use super::openapi;
use crate::app::Orders;
use crate::app::gateway::Ledger;
use crate::domain::{Role, UserId};
use crate::engine::{Aggregates, Node, Projection, Sagas, Views};
use crate::limits::EVENT_STREAMS_MAX;
use crate::projections::{SagaDocument, SagaPage, StepNames};
use crate::settings::{Secret, Settings};

/// What a node that answers over HTTP is made of.
pub struct AppParts<B: Backend> {
    /// The running node, with the reference application's sagas and projections.
    pub node: Node<B>,
    /// What people do with orders.
    pub orders: Orders<B>,
    /// The names of the steps of its sagas.
    pub step_names: StepNames,
    /// The bounds.
    pub settings: Settings,
    /// Signs access tokens.
    pub signing_secret: Secret,
    /// What a password costs.
    pub passwords: PasswordSettings,
    /// The fake gateway's ledger, when that is the gateway.
    pub ledger: Option<Ledger>,
    /// What the store measures beside the ports.
    pub store_measures: StoreMeasures,
}

/// The parts of a node that answers over HTTP. Cheap to clone.
pub struct App<B: Backend>(Arc<Shared<B>>);

struct Shared<B: Backend> {
    node: Node<B>,
    sagas: Sagas<B>,
    aggregates: Aggregates<B>,
    orders: Orders<B>,
    settings: Settings,
    ledger: Option<Ledger>,
    node_id_header: HeaderValue,
    gate: Gate,
    metrics: Metrics,
    passwords: Passwords,
    tokens: Tokens,
    attempts_by_address: Attempts,
    attempts_by_account: Attempts,
    step_names: StepNames,
    event_streams: Arc<Semaphore>,
    bus_probe: Semaphore,
    /// Written when it is first asked for.
    document: OnceLock<Bytes>,
    stopping: watch::Sender<bool>,
}

impl<B: Backend> App<B> {
    /// Puts the parts together.
    pub fn new(parts: AppParts<B>) -> Result<Self, PasswordSettingsError> {
        let AppParts { node, orders, settings, ledger, .. } = parts;
        let node_id_header = HeaderValue::from_str(node.id().as_str());
        let (http, auth) = (&settings.http, &settings.auth);
        Ok(Self(Arc::new(Shared {
            node_id_header: node_id_header.expect("a node id is visible ASCII"),
            gate: Gate::new(http.requests_max),
            metrics: Metrics::new(parts.store_measures),
            passwords: Passwords::new(parts.passwords)?,
            tokens: Tokens::new(&parts.signing_secret, auth.jwt_expires_in),
            attempts_by_address: Attempts::new(auth.login_rate_per_address),
            attempts_by_account: Attempts::new(auth.login_rate_per_account),
            sagas: node.sagas(),
            aggregates: node.aggregates(),
            node,
            orders,
            step_names: parts.step_names,
            event_streams: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)),
            bus_probe: Semaphore::new(1),
            document: OnceLock::new(),
            stopping: watch::Sender::new(false),
            settings,
            ledger,
        })))
    }

    /// The running node.
    pub fn node(&self) -> &Node<B> {
        &self.0.node
    }

    /// Hashes and checks passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(super) fn backend(&self) -> &B {
        self.0.node.backend()
    }

    pub(super) fn clock(&self) -> &B::Clock {
        self.backend().clock()
    }

    pub(super) fn entropy(&self) -> &B::Entropy {
        self.backend().entropy()
    }

    pub(super) fn sagas(&self) -> &Sagas<B> {
        &self.0.sagas
    }

    pub(super) fn aggregates(&self) -> &Aggregates<B> {
        &self.0.aggregates
    }

    pub(super) fn orders(&self) -> &Orders<B> {
        &self.0.orders
    }

    /// A read model of the node.
    pub(super) fn views<P: Projection>(&self) -> Result<Views<B, P>, Error> {
        let views = self.0.node.views::<P>();
        views
            .ok_or_else(|| Error::internal(format!("this node does not keep the view {}", P::NAME)))
    }

    /// A saga with the names of its steps.
    pub(super) fn show(&self, saga: &SagaDocument) -> SagaPage {
        SagaPage::new(saga, &self.0.step_names)
    }

    /// Whoever waits for the end of a saga gets what there is, from now on at once. For the moment
    /// before the connections are drained.
    pub fn stop_waiting(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Returns once [`Self::stop_waiting`] was called.
    pub(super) async fn stopped(&self) {
        let mut stopping = self.0.stopping.subscribe();
        // The sender lives as long as this: waiting cannot fail.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// A place for a stream of events, until the permit is dropped.
    pub(super) fn enter_event_stream(&self) -> Result<OwnedSemaphorePermit, Error> {
        let place = self.0.event_streams.clone().try_acquire_owned();
        place.map_err(|_| Error::Overloaded { what: "too many streams of events are open" })
    }

    /// The place of the one probe of the bus at a time.
    pub(super) fn enter_bus_probe(&self) -> Result<SemaphorePermit<'_>, Error> {
        let place = self.0.bus_probe.try_acquire();
        place.map_err(|_| Error::Overloaded { what: "a probe of the bus is under way" })
    }

    /// The API's document.
    pub(super) fn document(&self) -> Result<Bytes, Error> {
        if let Some(written) = self.0.document.get() {
            return Ok(written.clone());
        }
        let document = openapi::document::<B>()?;
        let text = serde_json::to_vec(&document).map_err(Error::internal)?;
        Ok(self.0.document.get_or_init(|| text.into()).clone())
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.0.ledger.as_ref()
    }

    pub(super) fn node_id_header(&self) -> &HeaderValue {
        &self.0.node_id_header
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// An access token for whoever has the data folder: an administrator without an account, whose id is nil.
    pub(crate) fn operator_token(&self) -> Result<String, Error> {
        let (operator, now) = (UserId::new(Uuid::nil()), self.clock().now());
        self.tokens().issue(operator, Role::Admin, now).map_err(Error::internal)
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    pub(super) fn attempts_by_address(&self) -> &Attempts {
        &self.0.attempts_by_address
    }

    pub(super) fn attempts_by_account(&self) -> &Attempts {
        &self.0.attempts_by_account
    }
}

impl<B: Backend> Clone for App<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
