//! Views that are built anew beside the live one.

use std::convert::Infallible;
use std::time::Duration;

use sagaline::domain::Aggregate;
use sagaline::engine::{
    CommandMetadata, DocumentQuery, EngineSettings, IndexKey, Node, NodeBuilder, Projection,
    ProjectionState, RebuildError, Recorded, View, live_generation,
};
use sagaline::prelude::CodecError;
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::views::ViewStore;
use sagaline_storage::{Backend, Clock, CorrelationId};
use serde::{Deserialize, Serialize};

use crate::nodes::{Cluster, SHARDS};
use crate::trip::{self, Memory};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Purse {}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum PurseEvent {
    CoinsAdded { coins: u64 },
}

impl Aggregate for Purse {
    const CATEGORY: &'static str = "purse";
    type Command = u64;
    type Event = PurseEvent;
    type Refusal = Infallible;

    fn decide(&self, coins: u64) -> Result<Vec<PurseEvent>, Infallible> {
        Ok(vec![PurseEvent::CoinsAdded { coins }])
    }

    fn evolve(&mut self, _: &PurseEvent) {}
}

/// What is in each purse. From version 2 on it also counts how often something was added.
struct Totals<const VERSION: u32>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Total {
    coins: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
}

impl<const V: u32> Projection for Totals<V> {
    const NAME: &'static str = "totals";
    const VERSION: u32 = V;
    const CATEGORIES: &'static [&'static str] = &[Purse::CATEGORY];
    type Document = Total;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        vec![event.envelope().stream.key().to_owned()]
    }

    fn apply(&self, view: &mut View<Total>, event: &Recorded<'_>) -> Result<(), CodecError> {
        let Some(PurseEvent::CoinsAdded { coins }) = event.of::<Purse>()? else { return Ok(()) };
        let key = event.envelope().stream.key();
        let before = view.get(key).cloned();
        let before = before.unwrap_or_else(|| Total { coins: 0, times: (V > 1).then_some(0) });
        let times = before.times.map(|times| times + 1);
        view.put(key, Total { coins: before.coins + coins, times });
        Ok(())
    }

    fn index(&self, key: &str, total: &Total) -> Vec<IndexKey> {
        let even = if total.coins.is_multiple_of(2) { "even" } else { "odd" };
        vec![IndexKey::new("by_parity", even, key.to_owned())]
    }
}

fn settings() -> EngineSettings {
    let (shards, drain_timeout_ms, retired_view_ms) = (SHARDS, 50, 40);
    EngineSettings { shards, drain_timeout_ms, retired_view_ms, ..EngineSettings::default() }
}

async fn node<const V: u32>(kv: &MemoryKv) -> Node<Memory> {
    let builder = NodeBuilder::new(trip::backend(kv).await).settings(settings());
    builder.projection(Totals::<V>).start().await.unwrap()
}

async fn add<B: Backend>(node: &Node<B>, times: u64) {
    let correlation_id = CorrelationId::new("c").unwrap();
    let metadata = CommandMetadata { correlation_id, causation_id: None };
    for coins in 0..times {
        let purse = (coins % 7).to_string();
        node.aggregates().execute::<Purse>(&purse, coins, &metadata).await.unwrap();
    }
}

/// The state of the one projection once nothing of a rebuild is left.
async fn alone<B: Backend>(node: &Node<B>) -> ProjectionState {
    loop {
        let state = node.projections().await.unwrap().remove(0);
        if state.rebuilding.is_none() && state.retired == 0 && state.lag == 0 {
            return state;
        }
        node.backend().clock().sleep(Duration::from_millis(2)).await;
    }
}

/// Every document of the live view, as it is stored.
async fn dump<B: Backend>(node: &Node<B>, version: u32) -> Vec<(String, String)> {
    let views = node.backend().views();
    let live = live_generation(views, "totals", version).await.unwrap();
    let page = views.scan(&live.view, None, 1_000).await.unwrap();
    assert_eq!(page.cursor, None);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    page.documents.iter().map(|(key, document)| (text(key), text(document))).collect()
}

#[tokio::test]
async fn two_rebuilds_of_one_log_are_byte_equal_and_what_they_replace_is_gone() {
    let node = node::<1>(&MemoryKv::new()).await;
    add(&node, 100).await;
    assert_eq!(alone(&node).await.generation, 1);
    let grown = dump(&node, 1).await;
    assert_eq!(grown.len(), 7);
    for generation in [2, 3] {
        let ordered = node.rebuild("totals").await.unwrap();
        assert_eq!(ordered.rebuilding.unwrap().generation, generation);
        assert_eq!(alone(&node).await.generation, generation);
        assert_eq!(dump(&node, 1).await, grown);
    }
    for gone in ["totals.v1", "totals.v1.g2"] {
        let left = node.backend().views().scan(gone, None, 10).await.unwrap();
        assert_eq!(left.documents, [], "{gone}");
        assert_eq!(node.backend().views().count(gone, "by_parity", b"even").await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_live_view_answers_with_every_event_while_another_is_built() {
    let node = node::<1>(&MemoryKv::new()).await;
    let views = node.views::<Totals<1>>().unwrap();
    for round in 1..=40 {
        add(&node, 14).await;
        if round % 8 == 0 {
            node.rebuild("totals").await.unwrap();
        }
        let head = sagaline_storage::EventStore::head(node.backend().events()).await.unwrap();
        assert!(views.caught_up(head, Duration::from_secs(30)).await);
        // Twice 0 to 13 by their rest: purse 3 gets 3 and 10.
        assert_eq!(views.get("3").await.unwrap().unwrap().coins, round * 13);
        let of = async |parity: &[u8]| views.count("by_parity", parity).await.unwrap();
        assert_eq!(of(b"even").await + of(b"odd").await, 7);
    }
    assert!(alone(&node).await.generation > 1);
}

#[tokio::test]
async fn a_list_is_read_on_when_its_view_was_built_anew_between_two_pages() {
    let node = node::<1>(&MemoryKv::new()).await;
    add(&node, 100).await;
    alone(&node).await;
    let views = node.views::<Totals<1>>().unwrap();
    let ask = |limit| DocumentQuery::of("by_parity", "odd").limit(limit);
    let whole = views.query(ask(100)).await.unwrap().documents;
    let first = views.query(ask(1)).await.unwrap();
    assert!(whole.len() > 1 && first.cursor.is_some());
    node.rebuild("totals").await.unwrap();
    alone(&node).await;
    let rest = views.query(ask(100).after(first.cursor)).await.unwrap().documents;
    assert_eq!([first.documents, rest].concat(), whole);
}

#[tokio::test]
async fn a_rebuild_that_a_crash_interrupts_goes_on() {
    let kv = MemoryKv::new();
    let first = node::<1>(&kv).await;
    add(&first, 70).await;
    alone(&first).await;
    let (grown, mut last) = (dump(&first, 1).await, 1);
    drop(first);
    for moment in 0..24 {
        let node = node::<1>(&kv).await;
        node.rebuild("totals").await.unwrap();
        node.backend().clock().sleep(Duration::from_millis(moment * 3)).await;
        let generation = node.projections().await.unwrap()[0].generation;
        assert!(generation >= last, "{generation} behind {last}");
        last = generation;
        drop(node);
    }
    let node = node::<1>(&kv).await;
    assert!(alone(&node).await.generation > 1);
    assert_eq!(dump(&node, 1).await, grown);
}

#[tokio::test]
async fn a_raised_version_is_rebuilt_by_itself() {
    let kv = MemoryKv::new();
    let old = node::<1>(&kv).await;
    add(&old, 14).await;
    alone(&old).await;
    old.drain().await.unwrap();
    drop(old);
    let new = node::<2>(&kv).await;
    let state = alone(&new).await;
    assert_eq!((state.version, state.generation), (2, 2));
    let views = new.views::<Totals<2>>().unwrap();
    assert_eq!(views.get("3").await.unwrap(), Some(Total { coins: 13, times: Some(2) }));
    let left = new.backend().views().scan("totals.v1", None, 10).await.unwrap();
    assert_eq!(left.documents, []);
}

#[tokio::test]
async fn a_rebuild_is_ordered_at_any_node_and_seen_at_all() {
    let cluster = Cluster::new().await;
    let mut nodes = Vec::new();
    for name in ["node-1", "node-2"] {
        let builder = cluster.builder(name, cluster.backend());
        let settings = EngineSettings { node_id: name.to_owned(), ..settings() };
        nodes.push(builder.settings(settings).projection(Totals::<1>).start().await.unwrap());
    }
    crate::nodes::settled(&nodes).await;
    add(&nodes[0], 28).await;
    for (round, node) in (2..).zip(&nodes) {
        alone(node).await;
        node.rebuild("totals").await.unwrap();
        assert_eq!(alone(node).await.generation, round);
        for node in &nodes {
            let views = node.views::<Totals<1>>().unwrap();
            assert_eq!(views.get("3").await.unwrap().unwrap().coins, 3 + 10 + 17 + 24);
        }
    }
}

#[tokio::test]
async fn what_is_not_kept_is_not_rebuilt() {
    let node = node::<1>(&MemoryKv::new()).await;
    let refused = node.rebuild("orders").await.unwrap_err();
    assert!(matches!(refused, RebuildError::Unknown { .. }), "{refused}");
    assert_eq!(refused.to_string(), "there is no projection `orders`: wants one of totals");
}

#[tokio::test]
async fn a_view_that_was_deleted_under_its_follower_grows_again() {
    let node = node::<1>(&MemoryKv::new()).await;
    add(&node, 14).await;
    alone(&node).await;
    let (grown, views) = (dump(&node, 1).await, node.backend().views());
    views.clear("totals.v1", Some("projection:totals.v1")).await.unwrap();
    // Only the next event shows the follower that its place is gone.
    add(&node, 1).await;
    alone(&node).await;
    assert_eq!(dump(&node, 1).await, grown);
}
