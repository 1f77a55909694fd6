//! The node's measures in the Prometheus text format: one registry a node, never one a process. The edge
//! counts requests here; whoever builds the node registers the engine's measures beside them.

use std::fmt;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Bounds of the request times, in seconds: from an answer out of memory to the longest wait.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 20.0, 60.0];

/// The registry, and what the edge measures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    passwords_waiting: Gauge<i64, AtomicI64>,
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
        use prometheus_client::encoding::EncodeLabel;
        ("method", self.method.as_str()).encode(encoder.encode_label())?;
        ("route", self.route.as_str()).encode(encoder.encode_label())
    }
}

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        use prometheus_client::encoding::EncodeLabel;
        EncodeLabelSet::encode(&self.route, encoder)?;
        ("status", u64::from(self.status)).encode(encoder.encode_label())
    }
}

impl Metrics {
    /// Registers the edge's measures; `extend` registers more, under the same prefix.
    pub fn new(extend: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::with_prefix("sagaline");
        let requests = Family::default();
        let seconds: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let passwords_waiting = Gauge::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "http_request",
            "Time from a request's head to its answer's",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register(
            "http_passwords_waiting",
            "Passwords that are being hashed or wait for it",
            passwords_waiting.clone(),
        );
        extend(&mut registry);
        Self { registry, requests, seconds, passwords_waiting }
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

    /// Passwords that are being hashed or wait for it.
    pub(super) fn passwords_waiting(&self) -> &Gauge<i64, AtomicI64> {
        &self.passwords_waiting
    }

    /// All measures as text.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(16 * 1024);
        encode(&mut text, &self.registry)?;
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
        let metrics = Metrics::new(|_| {});
        let took = Duration::from_millis(3);
        metrics.answered(&Method::GET, "/orders/{id}", StatusCode::NOT_FOUND, took);
        metrics.answered(&Method::GET, "/orders/{id}", StatusCode::NOT_FOUND, took);
        let text = metrics.text().unwrap();
        let counted =
            "sagaline_http_requests_total{method=\"GET\",route=\"/orders/{id}\",status=\"404\"} 2";
        assert!(text.contains(counted), "{text}");
        let below = "sagaline_http_request_seconds_bucket{le=\"0.005\",method=\"GET\",route=\"/orders/{id}\"} 2";
        assert!(text.contains(below), "{text}");
    }

    #[test]
    fn invented_methods_share_one_series() {
        let metrics = Metrics::new(|_| {});
        for method in ["BREW", "WHEN"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            metrics.answered(&method, "none", StatusCode::NOT_FOUND, Duration::ZERO);
        }
        let text = metrics.text().unwrap();
        assert!(!text.contains("BREW") && text.contains("status=\"404\"} 2"), "{text}");
    }
}
