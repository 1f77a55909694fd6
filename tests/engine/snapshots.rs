//! Aggregates that are loaded from a snapshot on.

use std::convert::Infallible;

use sagaline::domain::Aggregate;
use sagaline::engine::{CommandMetadata, EngineSettings, NodeBuilder};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::views::ViewStore;
use sagaline_storage::{Backend, CorrelationId};
use serde::{Deserialize, Serialize};

use crate::trip;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Purse {
    coins: u64,
}

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

    fn evolve(&mut self, event: &PurseEvent) {
        let PurseEvent::CoinsAdded { coins } = event;
        self.coins += coins;
    }
}

#[tokio::test]
async fn a_state_from_a_snapshot_on_is_the_fold_of_all_events() {
    let kv = MemoryKv::new();
    let settings = EngineSettings { shards: 4, snapshot_events: 3, ..EngineSettings::default() };
    let builder = NodeBuilder::new(trip::backend(&kv).await).settings(settings);
    let node = builder.start().await.unwrap();
    let metadata =
        CommandMetadata { correlation_id: CorrelationId::new("c").unwrap(), causation_id: None };
    for coins in 1..=20 {
        let purse = node.aggregates().execute::<Purse>("mine", coins, &metadata).await.unwrap();
        assert_eq!(purse.coins, (1..=coins).sum::<u64>());
    }
    let loaded = node.aggregates().load::<Purse>("mine").await.unwrap();
    assert_eq!((loaded.state.coins, loaded.version.0), (210, 20));
    let kept = node.backend().views().get("snapshot:purse.v1", b"purse-mine").await.unwrap();
    assert!(kept.is_some(), "a snapshot was kept");
}
