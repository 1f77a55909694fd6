//! What the handlers share: one [`App`] for each node, the state of its router. It owns no rules.

use std::sync::Arc;

use axum::http::HeaderValue;
use sagaline_storage::Backend;

use super::auth::{Attempts, PasswordSettings, PasswordSettingsError, Passwords, Tokens};
use super::gate::Gate;
use super::metrics::{Metrics, StoreMeasures};
use crate::app::gateway::Ledger;
use crate::domain::PlaceOrder;
use crate::engine::{Aggregates, Definition, Node, Sagas};
use crate::settings::{Secret, Settings};

/// What a node that answers over HTTP is made of.
pub struct AppParts<B: Backend> {
    /// The running node, with the reference application's sagas and projections.
    pub node: Node<B>,
    /// The saga that an order starts.
    pub ordering: Definition<PlaceOrder>,
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
    ordering: Definition<PlaceOrder>,
    settings: Settings,
    ledger: Option<Ledger>,
    node_id_header: HeaderValue,
    gate: Gate,
    metrics: Metrics,
    passwords: Passwords,
    tokens: Tokens,
    attempts_by_address: Attempts,
    attempts_by_account: Attempts,
}

impl<B: Backend> App<B> {
    /// Puts the parts together.
    pub fn new(parts: AppParts<B>) -> Result<Self, PasswordSettingsError> {
        let AppParts { node, ordering, settings, ledger, .. } = parts;
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
            ordering,
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

    pub(super) fn ordering(&self) -> &Definition<PlaceOrder> {
        &self.0.ordering
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
