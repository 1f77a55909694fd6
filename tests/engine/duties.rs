//! What one node at a time does for all: projections and the outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use sagaline::codec::CodecError;
use sagaline::domain::Aggregate;
use sagaline::engine::{IndexKey, Node, Projection, Recorded, View};
use sagaline::saga::Phase;
use sagaline_storage::bus::{Consumer, ConsumerEvent, MessageBus};
use sagaline_storage::memory::LocalBus;
use sagaline_storage::{EventStore, RecordedEvent};

use crate::nodes::{Cluster, Shared, settled};
use crate::trip::{Booking, Does};

/// Long enough for any machine; nobody waits for it.
const EVER: Duration = Duration::from_secs(600);

/// How many events each stream has: an event applied twice or never shows.
struct Counts;

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &[Booking::CATEGORY, "saga"];

    type Document = u64;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        vec![event.envelope().stream.as_str().to_owned()]
    }

    fn apply(&self, view: &mut View<u64>, event: &Recorded<'_>) -> Result<(), CodecError> {
        let key = event.envelope().stream.as_str();
        let count = view.get(key).copied().unwrap_or_default();
        view.put(key, count + 1);
        Ok(())
    }

    fn index(&self, _: &str, _: &u64) -> Vec<IndexKey> {
        Vec::new()
    }
}

async fn node(cluster: &Cluster, name: &str) -> Node<Shared> {
    let builder = cluster.builder(name, cluster.backend()).projection(Counts);
    builder.start().await.unwrap()
}

async fn run_sagas(cluster: &Cluster, nodes: &[Node<Shared>], city: &str) {
    for n in 0..12 {
        let node = &nodes[n % nodes.len()];
        let id = cluster.start(node, &format!("{city} {n}")).await.id;
        let end = nodes[(n + 1) % nodes.len()].sagas().wait(id).await.unwrap();
        assert_eq!(end.phase, Phase::Completed);
    }
}

async fn counts_are_right(cluster: &Cluster, nodes: &[Node<Shared>]) {
    let head = cluster.log.head().await.unwrap();
    let mut streams = BTreeMap::<String, u64>::new();
    for event in cluster.events().await {
        *streams.entry(event.stream.as_str().to_owned()).or_default() += 1;
    }
    assert!(!streams.is_empty());
    for node in nodes {
        let views = node.views::<Counts>().unwrap();
        assert!(views.caught_up(head, EVER).await, "also where it is not kept");
        for (stream, count) in &streams {
            assert_eq!(views.get(stream).await.unwrap(), Some(*count), "{stream}");
        }
    }
}

#[tokio::test]
async fn a_projection_counts_every_event_once_while_nodes_come_and_go() {
    let cluster = Cluster::new().await;
    let mut nodes = vec![node(&cluster, "n1").await];
    settled(&nodes).await;
    run_sagas(&cluster, &nodes, "Rome").await;
    nodes.push(node(&cluster, "n2").await);
    run_sagas(&cluster, &nodes, "Oslo").await;
    nodes.push(node(&cluster, "n3").await);
    settled(&nodes).await;
    counts_are_right(&cluster, &nodes).await;
    drop(nodes.remove(0));
    settled(&nodes).await;
    run_sagas(&cluster, &nodes, "Bonn").await;
    nodes.remove(0).drain().await.unwrap();
    settled(&nodes).await;
    run_sagas(&cluster, &nodes, "Bern").await;
    counts_are_right(&cluster, &nodes).await;
}

#[tokio::test]
async fn a_view_that_nobody_brings_further_is_not_waited_for_longer_than_asked() {
    let cluster = Cluster::new().await;
    let nodes = [node(&cluster, "n1").await, node(&cluster, "n2").await];
    settled(&nodes).await;
    run_sagas(&cluster, &nodes, "Rome").await;
    let beyond = cluster.log.head().await.unwrap().0 + 1;
    for node in &nodes {
        let views = node.views::<Counts>().unwrap();
        assert!(!views.caught_up(sagaline_storage::GlobalPosition(beyond), Duration::ZERO).await);
    }
}

/// The events of a topic as a consumer first sees them, until `count` have come.
async fn consume(bus: &LocalBus, topic: &str, count: usize) -> BTreeMap<String, Vec<u64>> {
    let mut consumer = bus.subscribe(topic, "reader").await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut by_key = BTreeMap::<String, Vec<u64>>::new();
    while seen.len() < count {
        let ConsumerEvent::Delivered(delivery) = consumer.next().await.unwrap() else { continue };
        let header = delivery.message.headers.get("ce_sequence");
        let position = std::str::from_utf8(header.unwrap()).unwrap().parse().unwrap();
        if seen.insert(delivery.message.id.clone()) {
            by_key.entry(delivery.message.key.clone()).or_default().push(position);
        }
    }
    by_key
}

#[tokio::test]
async fn every_event_is_relayed_in_order_while_the_relaying_node_changes() {
    let cluster = Cluster::new().await;
    let mut nodes = Vec::from(cluster.nodes(["n1", "n2", "n3"]).await);
    run_sagas(&cluster, &nodes, "Rome").await;
    cluster.world.plan("hotel", &[Does::LoseAnswer, Does::Succeed]);
    while nodes.len() > 1 {
        drop(nodes.remove(0));
        settled(&nodes).await;
        run_sagas(&cluster, &nodes, &format!("City of {}", nodes.len())).await;
    }
    let events = cluster.events().await;
    for (topic, category) in [("saga-events", "saga"), ("booking-events", "booking")] {
        let wanted: Vec<&RecordedEvent> =
            events.iter().filter(|event| event.stream.category() == category).collect();
        let relayed = consume(&cluster.bus, topic, wanted.len()).await;
        let mut expected = BTreeMap::<String, Vec<u64>>::new();
        for event in wanted {
            let key = event.correlation_id.as_str().to_owned();
            expected.entry(key).or_default().push(event.position.0);
        }
        assert_eq!(relayed, expected, "each once and in order, when repetitions are left out");
    }
}
