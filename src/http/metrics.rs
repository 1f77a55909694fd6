//! The node's measures in the Prometheus text format: one registry a node, never one a process. The edge
//! counts requests here; what the engine and the store count is read when it is asked for.

mod node;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use store::store_measures;

pub(super) use node::{SagasNow, register};

/// Registers what a store measures beside its ports, with the values of the moment.
pub type StoreMeasures = Arc<dyn Fn(&mut Registry) + Send + Sync>;

/// What every measure's name begins with.
pub(super) const PREFIX: &str = "sagaline";

/// Bounds of the request times, in seconds: from an answer out of memory to the longest wait.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 20.0, 60.0];

/// What the edge measures.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    store: StoreMeasures,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RequestLabels {
    route: RouteLabels,
    status: u16,
}

/// The route's pattern and never the path: the number of series stays bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RouteLabels {
    method: Method,
    route: String,
}

impl EncodeLabelSet for RouteLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        ("method", self.method.as_str()).encode(encoder.encode_label())?;
        ("route", self.route.as_str()).encode(encoder.encode_label())
    }
}

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelSet::encode(&self.route, encoder)?;
        ("status", u64::from(self.status)).encode(encoder.encode_label())
    }
}

impl Metrics {
    /// Registers the edge's measures.
    pub fn new(store: StoreMeasures) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = Family::default();
        let seconds: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "http_request",
            "Time from a request's head to its answer's",
            Unit::Seconds,
            seconds.clone(),
        );
        Self { registry, requests, seconds, store }
    }

    /// Counts an answer.
    pub(super) fn answered(
        &self,
        method: &Method,
        route: &str,
        status: StatusCode,
        took: Duration,
    ) {
        let route = RouteLabels { method: known(method), route: route.to_owned() };
        self.seconds.get_or_create(&route).observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { route, status: status.as_u16() }).inc();
    }

    /// All measures as text; `extend` registers those of the moment.
    pub(super) fn text(&self, extend: impl FnOnce(&mut Registry)) -> Result<String, fmt::Error> {
        let mut now = Registry::with_prefix(PREFIX);
        extend(&mut now);
        (self.store)(&mut now);
        let mut text = String::with_capacity(16 * 1024);
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &now)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// A caller may invent methods; each would be a series of its own.
fn known(method: &Method) -> Method {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ];
    if known.contains(method) { method.clone() } else { Method::TRACE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_method_route_and_status() {
        let metrics = Metrics::new(Arc::new(|_| {}));
        let took = Duration::from_millis(3);
        metrics.answered(&Method::GET, "/orders/{id}", StatusCode::NOT_FOUND, took);
        metrics.answered(&Method::GET, "/orders/{id}", StatusCode::NOT_FOUND, took);
        let text = metrics.text(|_| {}).unwrap();
        let counted =
            "sagaline_http_requests_total{method=\"GET\",route=\"/orders/{id}\",status=\"404\"} 2";
        assert!(text.contains(counted), "{text}");
        let below = "sagaline_http_request_seconds_bucket{le=\"0.005\",method=\"GET\",route=\"/orders/{id}\"} 2";
        assert!(text.contains(below), "{text}");
    }

    #[test]
    fn invented_methods_share_one_series() {
        let metrics = Metrics::new(Arc::new(|_| {}));
        for method in ["BREW", "WHEN"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            metrics.answered(&method, "none", StatusCode::NOT_FOUND, Duration::ZERO);
        }
        let text = metrics.text(|_| {}).unwrap();
        assert!(!text.contains("BREW") && text.contains("status=\"404\"} 2"), "{text}");
    }
}
