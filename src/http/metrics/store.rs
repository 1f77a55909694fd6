//! What the log counts, in the node's measures: above all how many appends share one sync.

use std::sync::Arc;

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sagaline_storage::LogCounters;
use sagaline_storage::log::BATCH_SIZE_BOUNDS;

use super::StoreMeasures;

/// Measures of a log, read with `counters` at each scrape.
pub fn store_measures(counters: impl Fn() -> LogCounters + Send + Sync + 'static) -> StoreMeasures {
    Arc::new(move |registry| register(registry, &counters()))
}

fn register(registry: &mut Registry, log: &LogCounters) {
    let counters = [
        ("log_appends", "Appends made", log.appends),
        ("log_events", "Events appended", log.events),
        ("log_bytes", "Bytes of their records", log.record_bytes),
        ("log_durable_writes", "Writes that were synced", log.durable_writes),
        ("log_batches", "Batches of requests", log.batches),
        ("log_batched_requests", "Requests in all batches", log.batched_requests),
        ("log_replays", "Appends answered with an earlier result", log.replays),
        ("log_conflicts", "Appends refused: a stream was not as expected", log.conflicts),
        ("log_claims_refused", "Appends refused: a claim was taken", log.claims_refused),
        ("log_fenced", "Appends refused: the shard has a new owner", log.fenced),
        ("log_unknown_outcomes", "Appends with an unknown outcome", log.unknown_outcomes),
    ];
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    registry.register(
        "log_batches_by_size",
        "Batches with at most so many requests and more than the next smaller bound",
        sizes(log),
    );
}

fn sizes(log: &LogCounters) -> Family<Vec<(&'static str, String)>, Gauge> {
    let sizes = Family::<Vec<(&'static str, String)>, Gauge>::default();
    let bounds = BATCH_SIZE_BOUNDS.iter().map(u64::to_string).chain(["more".to_owned()]);
    for (bound, batches) in bounds.zip(log.batch_sizes) {
        let gauge = sizes.get_or_create_owned(&vec![("requests", bound)]);
        gauge.set(i64::try_from(batches).unwrap_or(i64::MAX));
    }
    sizes
}
