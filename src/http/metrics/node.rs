//! What the engine counts and how its sagas stand, read at the moment of the scrape.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::engine::metrics::Metrics;

/// How the sagas stand now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::http) struct SagasNow {
    /// Sagas that this node works on.
    pub(in crate::http) live: u64,
    /// Sagas left alone because their definition is not known here.
    pub(in crate::http) orphans: u64,
    /// For each state: how many, and for how long the oldest has existed, in seconds.
    pub(in crate::http) states: Vec<(&'static str, u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// Registers the engine's counters and the sagas' states with their values of the moment.
pub(in crate::http) fn register(
    registry: &mut Registry,
    in_progress: u64,
    engine: &Metrics,
    sagas: &SagasNow,
) {
    register_counters(registry, engine);
    let gauges = [
        ("http_requests_in_progress", "Requests that are being answered", in_progress),
        ("sagas_live", "Sagas that this node works on", sagas.live),
        ("shards_owned", "Shards of which this node works on the sagas", engine.shards_owned.get()),
        ("sagas_orphaned", "Sagas whose definition this node does not know", sagas.orphans),
        ("timer_lag_microseconds", "How late the latest timer fired", engine.timer_lag_us.get()),
        ("outbox_lag_events", "Events that wait to be published", engine.outbox_lag.get()),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(signed(value)));
    }
    let (count, oldest) = (Family::<State, Gauge>::default(), Family::<State, Gauge>::default());
    for (state, sagas, oldest_age_s) in &sagas.states {
        count.get_or_create(&State { state }).set(signed(*sagas));
        oldest.get_or_create(&State { state }).set(signed(*oldest_age_s));
    }
    registry.register("sagas", "Sagas by state", count);
    registry.register("sagas_oldest_age_seconds", "Age of the oldest saga of a state", oldest);
}

fn register_counters(registry: &mut Registry, engine: &Metrics) {
    let counters = [
        ("sagas_started", "Sagas started", &engine.sagas_started),
        ("sagas_completed", "Sagas that did everything", &engine.sagas_completed),
        ("sagas_compensated", "Sagas that undid everything", &engine.sagas_compensated),
        ("sagas_parked", "Sagas that came to wait for an operator", &engine.sagas_parked),
        ("sagas_recovered", "Sagas taken up again after a start", &engine.sagas_recovered),
        ("sagas_quarantined", "Sagas that cannot be worked on", &engine.sagas_quarantined),
        ("starts_replayed", "Starts that an idempotency key answered", &engine.starts_replayed),
        ("duplicate_orders_refused", "Starts refused by a claim", &engine.starts_refused_by_claim),
        ("calls", "Calls to participants, with retries", &engine.calls),
        ("calls_retried", "Calls that were retries", &engine.calls_retried),
        ("unknown_outcomes", "Calls whose outcome was unknown", &engine.calls_outcome_unknown),
        ("step_panics", "Steps that panicked", &engine.step_panics),
        ("append_unknown_outcomes", "Appends in doubt at first", &engine.append_outcome_unknown),
        ("shards_taken", "Shards taken at the start or from another node", &engine.shards_taken),
        ("fenced_appends", "Appends refused by a newer owner", &engine.fenced_appends),
        ("append_conflicts", "Decisions made again after a lost race", &engine.append_conflicts),
        ("timers_stale", "Timers overtaken when they fired", &engine.timers_stale),
        ("outbox_published", "Messages published", &engine.outbox_published),
        ("consumer_deliveries", "Deliveries to consumers", &engine.consumer_deliveries),
        ("consumer_failures", "Deliveries to consumers that failed", &engine.consumer_failures),
        ("consumer_parked", "Events parked as dead letters", &engine.consumer_parked),
        ("consumer_panics", "Handlers of consumers that panicked", &engine.consumer_panics),
        ("projection_errors", "Events a projection could not read", &engine.projection_errors),
    ];
    for (name, help, counter) in counters {
        registry.register(name, help, ConstCounter::new(counter.get()));
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn safety_counters_are_there_from_the_first_scrape() {
        let engine = Metrics::default();
        engine.fenced_appends.add(3);
        let sagas = SagasNow { live: 2, orphans: 0, states: vec![("parked", 1, 90)] };
        let mut registry = Registry::with_prefix("sagaline");
        register(&mut registry, 4, &engine, &sagas);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "sagaline_unknown_outcomes_total 0",
            "sagaline_fenced_appends_total 3",
            "sagaline_sagas_parked_total 0",
            "sagaline_duplicate_orders_refused_total 0",
            "sagaline_timer_lag_microseconds 0",
            "sagaline_outbox_lag_events 0",
            "sagaline_sagas_live 2",
            "sagaline_sagas{state=\"parked\"} 1",
            "sagaline_sagas_oldest_age_seconds{state=\"parked\"} 90",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
    }
}
