//! Names that cannot be are refused: categories, and names of projections.

use std::convert::Infallible;

use sagaline::codec::CodecError;
use sagaline::domain::Aggregate;
use sagaline::engine::{
    Ack, CommandMetadata, Consumer, Delivery, ExecuteError, Node, NodeBuilder, NodeError, Outcome,
    Projection, Recorded, View,
};
use sagaline_storage::CorrelationId;
use sagaline_storage::memory::MemoryKv;
use serde::{Deserialize, Serialize};

use crate::trip::{self, Memory};

const CATEGORIES: [&str; 7] =
    ["gift_card", "gift-card", "", "gift card", "saga", "barrier", "consumer"];

/// Of the category at this place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Card<const N: usize> {}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum CardEvent {
    CardUsed {},
}

impl<const N: usize> Aggregate for Card<N> {
    const CATEGORY: &'static str = CATEGORIES[N];
    type Command = ();
    type Event = CardEvent;
    type Refusal = Infallible;

    fn decide(&self, (): ()) -> Result<Vec<CardEvent>, Infallible> {
        Ok(vec![CardEvent::CardUsed {}])
    }

    fn evolve(&mut self, _: &CardEvent) {}
}

async fn used<const N: usize>(node: &Node<Memory>) -> Result<Card<N>, ExecuteError<Infallible>> {
    let correlation_id = CorrelationId::new("c").unwrap();
    let metadata = CommandMetadata { correlation_id, causation_id: None };
    node.aggregates().execute::<Card<N>>("7", (), &metadata).await
}

async fn refused<const N: usize>(node: &Node<Memory>, wants: &str) {
    let executed = used::<N>(node).await.unwrap_err();
    assert!(matches!(&executed, ExecuteError::Invalid(_)), "{executed}");
    let said = executed.to_string();
    let named = format!("aggregate category {:?}: {wants}", CATEGORIES[N]);
    assert!(said.starts_with(&named), "{said}");
    let loaded = node.aggregates().load::<Card<N>>("7").await.unwrap_err();
    assert_eq!(loaded.to_string(), said);
}

#[tokio::test]
async fn an_aggregate_whose_category_is_none_or_the_engines_is_refused() {
    let node = NodeBuilder::new(trip::backend(&MemoryKv::new()).await).start().await.unwrap();
    used::<0>(&node).await.unwrap();
    let (bytes, own) = ("wants 1 or more bytes of", "the engine's own are saga, barrier, consumer");
    refused::<1>(&node, bytes).await;
    refused::<2>(&node, bytes).await;
    refused::<3>(&node, bytes).await;
    refused::<4>(&node, own).await;
    refused::<5>(&node, own).await;
    refused::<6>(&node, own).await;
}

const VIEWS: [(&str, &[&str]); 4] = [
    ("cards", &["gift_card"]),
    ("cards", &["saga"]),
    ("snapshot:a", &[]),
    ("gifts", &["gift-card"]),
];

/// Of the name and the categories at this place.
struct Cards<const N: usize>;

impl<const N: usize> Projection for Cards<N> {
    const NAME: &'static str = VIEWS[N].0;
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = VIEWS[N].1;
    type Document = u64;

    fn keys(&self, _: &Recorded<'_>) -> Vec<String> {
        Vec::new()
    }

    fn apply(&self, _: &mut View<u64>, _: &Recorded<'_>) -> Result<(), CodecError> {
        Ok(())
    }
}

struct Gifts;

impl Consumer for Gifts {
    const NAME: &'static str = "gifts";
    const CATEGORIES: &'static [&'static str] = &["gift-card"];

    async fn consume(&self, _: &Delivery) -> Outcome<Ack> {
        Ok(Ack::new())
    }
}

async fn start_refused(node: NodeBuilder<Memory>) -> NodeError {
    node.start().await.err().unwrap()
}

#[tokio::test]
async fn a_node_does_not_start_with_projections_that_cannot_be() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = || NodeBuilder::new(backend.clone());
    let twice = start_refused(node().projection(Cards::<0>).projection(Cards::<1>)).await;
    assert!(matches!(&twice, NodeError::Setting(_)), "{twice}");
    let said = "projection \"cards\" is there twice: rename one (NAME) or take one out";
    assert_eq!(twice.to_string(), said);
    let named = start_refused(node().projection(Cards::<0>).projection(Cards::<2>)).await;
    assert_eq!(
        named.to_string(),
        "projection \"snapshot:a\": NAME wants 1 to 64 bytes of [A-Za-z0-9_.-]"
    );
    let follows = start_refused(node().projection(Cards::<3>)).await.to_string();
    assert!(
        follows.starts_with("projection \"gifts\": category \"gift-card\": wants"),
        "{follows}"
    );
    let consumes = start_refused(node().consumer(Gifts)).await.to_string();
    assert!(
        consumes.starts_with("consumer \"gifts\": category \"gift-card\": wants"),
        "{consumes}"
    );
    node().projection(Cards::<1>).start().await.unwrap();
}
