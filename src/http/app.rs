//! What the handlers share: one [`App`] for each node, the state of its router. It owns no rules.

use std::sync::Arc;

use axum::http::HeaderValue;
use sagaline_storage::{Backend, NodeId};

use super::auth::{Failures, Passwords, Tokens};
use super::gate::Gate;
use super::metrics::Metrics;
use super::settings::HttpSettings;

/// The parts of a node that answers over HTTP. Cheap to clone.
pub struct App<B: Backend>(Arc<Parts<B>>);

struct Parts<B> {
    backend: B,
    settings: HttpSettings,
    node_id_header: HeaderValue,
    gate: Gate,
    metrics: Metrics,
    passwords: Passwords,
    tokens: Tokens,
    failures: Failures,
}

impl<B: Backend> App<B> {
    /// Puts a node's parts together.
    pub fn new(
        backend: B,
        node_id: &NodeId,
        settings: HttpSettings,
        metrics: Metrics,
        passwords: Passwords,
        tokens: Tokens,
    ) -> Self {
        let node_id_header = HeaderValue::from_str(node_id.as_str());
        Self(Arc::new(Parts {
            backend,
            node_id_header: node_id_header.expect("a node id is visible ASCII"),
            gate: Gate::new(settings.requests_max),
            failures: Failures::new(settings.login_failures_per_minute),
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

    pub(super) fn settings(&self) -> &HttpSettings {
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

    pub(super) fn failures(&self) -> &Failures {
        &self.0.failures
    }
}

impl<B: Backend> Clone for App<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
