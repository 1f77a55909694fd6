//! What the handlers share: one [`App`] for each node, the state of its router. It owns no rules.

use std::sync::Arc;

use axum::http::HeaderValue;
use sagaline_storage::{Backend, NodeId};

use super::auth::{Attempts, Passwords, Tokens};
use super::gate::Gate;
use super::metrics::Metrics;
use crate::settings::Settings;

/// The parts of a node that answers over HTTP. Cheap to clone.
pub struct App<B: Backend>(Arc<Parts<B>>);

struct Parts<B> {
    backend: B,
    settings: Settings,
    node_id_header: HeaderValue,
    gate: Gate,
    metrics: Metrics,
    passwords: Passwords,
    tokens: Tokens,
    attempts_by_address: Attempts,
    attempts_by_account: Attempts,
}

impl<B: Backend> App<B> {
    /// Puts a node's parts together.
    pub fn new(
        backend: B,
        node_id: &NodeId,
        settings: Settings,
        metrics: Metrics,
        passwords: Passwords,
        tokens: Tokens,
    ) -> Self {
        let node_id_header = HeaderValue::from_str(node_id.as_str());
        Self(Arc::new(Parts {
            backend,
            node_id_header: node_id_header.expect("a node id is visible ASCII"),
            gate: Gate::new(settings.http.requests_max),
            attempts_by_address: Attempts::new(settings.auth.login_rate_per_address),
            attempts_by_account: Attempts::new(settings.auth.login_rate_per_account),
            metrics,
            passwords,
            tokens,
            settings,
        }))
    }

    pub(super) fn clock(&self) -> &B::Clock {
        self.0.backend.clock()
    }

    pub(super) fn entropy(&self) -> &B::Entropy {
        self.0.backend.entropy()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
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

    pub(super) fn passwords(&self) -> &Passwords {
        &self.0.passwords
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
